"""One model for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import labkit as lab


@pytest.fixture(scope="module")
def model() -> Iterator[lab.Model]:
    with lab.load("mini-m") as model:
        yield model
