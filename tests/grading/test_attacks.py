"""The attack list: no hostile submission gains a point, reads a hidden test, or harms (`python -m tests.grading.attacks` prints it)."""

from __future__ import annotations

import json

import pytest

from labkit.grading.cage import best
from labkit.grading.judges import Judges
from labkit.grading.run import judged
from labkit.grading.source import KIT

from .attacks import ATTACKS, run, run_all, small_source


@pytest.fixture(scope="module")
def outcomes():
    return {outcome.name: outcome for outcome in run_all()}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_gains_nothing(attack, outcomes):
    outcome = outcomes[attack.name]
    assert outcome.gained == 0 and outcome.survived
    if attack.walls and best() != "namespaces":
        pytest.skip("no namespaces on this machine: what the fence cannot stop is said in texts.ISOLATION")
    assert not outcome.read and not outcome.wrote


FENCED = ("reads the solutions", "writes outside", "moves a file outside", "starts a process")


@pytest.mark.parametrize("attack", [a for a in ATTACKS if a.name.startswith(FENCED) and not a.walls], ids=lambda attack: attack.name)
def test_the_fence_alone_stops_simple_ways(attack):
    with Judges() as judges:
        outcome = run(attack, small_source(), judges, "process")
    assert not outcome.gained and outcome.how == "process" and outcome.survived
    assert not outcome.read and not outcome.wrote


def test_nothing_is_left_behind(outcomes):
    assert len(outcomes) == len(ATTACKS)


def test_honest_answer_gets_full_marks_where_attacks_get_none():
    book = json.loads(small_source())
    solved = json.dumps(book)
    result = judged(solved, solved, "01_first_query.ipynb", "en")
    assert next(task["points"] for task in result["tasks"] if task["id"] == "01.2") == 3
    assert result["isolation"] == best()


def test_a_hidden_tests_name_is_nowhere_in_the_exercise():
    assert "other_sizes" not in (KIT / "exercises/en/01_first_query.ipynb").read_text(encoding="utf-8")
