"""The source through the real nbgrader: the same answers get the same points."""

from __future__ import annotations

import pytest

from labkit.grading.source import KIT, sources
from labkit.grading.verify import variants

from .round_trip import compare

pytest.importorskip("nbgrader", reason="the extra nbgrader is not installed")


def test_nbgrader_gives_the_same_points():
    source = next(one for one in sources(KIT / "solutions") if one.number == "01" and one.lang == "en")
    names = ("", "forgets_the_cache", "lets_the_error_through", "counts_words", "as_a_stream")  # one that prints to stderr among them
    chosen = [variant for variant in variants(source) if variant.name in names]
    rows = list(compare(source, chosen))
    assert len(rows) == 6 and all(row.ours == row.nbgraders for row in rows), rows
