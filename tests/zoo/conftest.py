"""What several tests of the shipped models stand on."""

import shutil

import pytest

from labkit.zoo import catalog


@pytest.fixture
def own_zoo(tmp_path, monkeypatch):
    """A copy of cards and weights that a test may damage."""
    for name in ("CARDS", "WEIGHTS"):
        shutil.copytree(getattr(catalog, name), tmp_path / name)
        monkeypatch.setattr(catalog, name, tmp_path / name)
    return tmp_path
