"""The table: every answer whose points are known, graded in isolation (`labkit exercises verify` prints it)."""

from __future__ import annotations

import pytest

from labkit.grading.source import KIT, sources
from labkit.grading.verify import verify

NUMBERS = sorted({source.number for source in sources(KIT / "solutions")})


@pytest.mark.parametrize("number", NUMBERS)
def test_every_answer_gets_its_points_and_its_hint(number):
    verdicts = list(verify(KIT / "solutions", [number]))
    assert {(verdict.lang, verdict.variant.kind) for verdict in verdicts} >= {(lang, kind) for lang in ("en", "es") for kind in KINDS}
    assert not [verdict.row() for verdict in verdicts if verdict.problem]
    assert all(verdict.advice for verdict in verdicts if verdict.variant.kind in ("blank", "wrong"))


KINDS = ("solution", "blank", "wrong", "unusual")


@pytest.mark.parametrize("number", NUMBERS)
def test_solution_scores_the_same_on_ollama(number, ollama_server, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url)
    params = {"model": "ollama:mini-m", "seed": 2}
    verdicts = list(verify(KIT / "solutions", [number], kinds=["solution"], params=params))
    assert len(verdicts) == 2 and not [verdict.row() for verdict in verdicts if verdict.problem]
