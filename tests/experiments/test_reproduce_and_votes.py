"""Whether a text comes back, where it forks; and what blind votes say."""

from __future__ import annotations

from math import comb
from random import Random

import pytest

import labkit as lab
from labkit.backends.registry import load
from labkit.errors import ContextWindowExceededError, OptionError
from labkit.experiments import Pair, blind_pairs, tally
from labkit.experiments.reproducing import WAYS, Reproduction, fork
from labkit.zoo import catalog

NAME = next(name for name in catalog.names() if catalog.card(name).kind == "chat")


@pytest.fixture(scope="module")
def model():
    with load(NAME) as model:
        yield model


def test_the_same_request_gives_the_same_text(model):
    found = lab.reproduce(model, "Hello!", seed=3, n=2, temperature=0.7, max_tokens=24)
    assert list(found.frame["way"].unique()) == list(WAYS.values()) and len(found.frame) == 7
    alone = found.frame[found.frame["way"] != WAYS["batched"]]
    assert alone["identical"].all() and found.text == model.chat("Hello!", seed=3, temperature=0.7, max_tokens=24).text
    for _, row in found.frame[~found.frame["identical"]].iterrows():  # rounding may differ in a batch: then it says where
        assert row["fork"] >= 0 and row["first"] != row["this"]
    assert f"{NAME}, seed 3" in str(found) and "2 of 2" in found._repr_html_()


def test_fork_is_named_by_its_token(model):
    assert fork(model, "the same", "the same") is None
    found = fork(model, "the red fox runs", "the red hen runs")
    assert found.unit == "token" and found.position >= 1 and "red" in found.here and found.here != found.there
    longer = fork(model, "the red", "the red fox")
    assert longer.here != longer.there


def test_fork_is_a_whole_number_beside_answers_that_are_identical():
    import pandas as pd

    fork = {"unit": "token", "first": "a", "this": "b", "error": ""}
    rows = [{"way": "batched", "identical": False, "fork": 24, **fork}, {"way": "again", "identical": True, "fork": None, **fork}]
    assert "after 24 tokens" in str(Reproduction(pd.DataFrame(rows), "text", NAME, 1))


def test_failures_are_told(model):
    with pytest.raises(ContextWindowExceededError):
        lab.reproduce(model, "word " * 3000)
    with pytest.raises(OptionError):
        lab.reproduce(model, "Hello!", n=0)
    with pytest.raises(OptionError):
        lab.reproduce(model, "Hello!", temprature=1)


@pytest.fixture(scope="module")
def answers(model):
    models = {"cool": (model, {"temperature": 0.3}), "warm": (model, {"temperature": 1.3})}
    return lab.compare(models, ["Tell a story.", "Hello!"], repeats=8, max_tokens=12, log=False).frame


def test_pairs_are_blind_and_on_changing_sides(answers):
    pairs = blind_pairs(answers, seed=1, equal=True)
    assert len(pairs) == 16 and {pair.hidden for pair in pairs} == {("cool", "warm"), ("warm", "cool")}
    assert "hidden" not in repr(pairs[0]) and pairs == blind_pairs(answers, seed=1, equal=True) != blind_pairs(answers, seed=2, equal=True)
    for pair in pairs:
        for text, who in zip((pair.left, pair.right), pair.hidden, strict=True):
            assert text in set(answers[(answers["model"] == who) & (answers["prompt"] == pair.prompt)]["text"])
    assert len(blind_pairs(answers, 3)) <= 3
    assert all(pair.left.strip() != pair.right.strip() for pair in blind_pairs(answers))


@pytest.mark.parametrize("n", [4, 5, 6, 9, 12, 20, 50])
def test_equal_models_rarely_look_unequal(n):
    """Of all series of n votes between equals, at most one in twenty is called clear."""
    pairs = [Pair("p", "x", "y", ("a", "b"))] * n
    verdicts = [tally(pairs, ["left"] * wins + ["right"] * (n - wins))["clear"].item() for wins in range(n + 1)]
    assert sum(comb(n, wins) for wins, clear in enumerate(verdicts) if clear) <= 0.05 * 2**n


def test_votes_find_the_better_one_and_no_difference_where_there_is_none(answers):
    pairs = blind_pairs(answers, equal=True)
    for_cool = ["left" if pair.hidden[0] == "cool" else "right" for pair in pairs]
    found = tally(pairs, for_cool).iloc[0]
    assert found["wins"] == 16 and found["clear"] and found["verdict"] == "cool is preferred to warm"
    chance = Random(5)
    thrown = tally(pairs, [chance.choice(["left", "right", "tie"]) for _ in pairs]).iloc[0]
    assert not thrown["clear"] and "no clear difference" in thrown["verdict"] and thrown["wins"] + thrown["losses"] + thrown["ties"] == 16
    assert tally(pairs, {0: "tie", 3: None}).iloc[0]["ties"] == 1 and not len(tally(pairs, []))
    for wrong in ({99: "left"}, {0: "middle"}):
        with pytest.raises(OptionError):
            tally(pairs, wrong)
