"""A sample of every card's figures, evaluated again on the weights that are shipped: each lies where its card says."""

# ruff: noqa: E402

import re
import shutil
from dataclasses import replace

import pytest

from . import needs

needs("tokenizers")

from labkit.errors import OptionError
from labkit.zoo import __main__ as zoo
from labkit.zoo import catalog
from labkit.zoo.training import evaluate

SKILLS = ("short_facts", "course_facts", "world_facts", "memory")
N = 20
CHAT = [name for name in catalog.names() if catalog.card(name).kind == "chat"]


def agree(again, told):
    """Whether two shares may be the same: their 95 % intervals meet."""
    return again["low"] <= told["high"] and told["low"] <= again["high"]


@pytest.mark.parametrize("name", CHAT)
def test_chat_model_answers_as_its_card_says(name):
    told = catalog.card(name).skills
    player = evaluate.Player(catalog.path(name))
    for skill in SKILLS:
        for lang in ("en", "es"):
            again = evaluate.judge(player, skill, lang, N)
            assert again[skill]["n"] == N
            assert all(agree(score, told[key][lang]) for key, score in again.items()), (skill, lang, again, told[skill][lang])


def test_embedding_model_finds_as_its_card_says():
    from labkit.zoo.training.embedding import evaluate as embedding

    told = catalog.card("mini-embed").skills
    again = embedding.skills_of(catalog.path("mini-embed"), n=60, cells=[("es", "es")])
    assert {"recall_at_1", "recall_at_5", "bm25_recall_at_1", "bm25_recall_at_5"} <= set(again)
    for key, cells in again.items():
        assert agree(cells["es"], told[key]["es"]), (key, cells, told[key])


@pytest.mark.parametrize("name", CHAT)
def test_card_says_where_a_smaller_model_is_better(name):
    cards = [catalog.card(one) for one in CHAT]
    card = catalog.card(name)
    assert card.notes == evaluate.notes(card, cards)


def test_a_smaller_model_that_is_better_is_noted_with_the_reason():
    small, large = catalog.card("mini-s"), catalog.card("mini-l")
    swapped = replace(large, skills=small.skills), replace(small, skills=large.skills)
    found = evaluate.notes(swapped[0], swapped)
    assert any(note.startswith("short_facts (en): mini-s has ") for note in found)
    assert not re.search(r"\d %|\d%", found[-1]) and len(found[-1]) > 40
    assert evaluate.notes(swapped[1], swapped) == ()


def test_card_of_another_model_is_noticed():
    small, large = (catalog.card(name).skills["questions_new_names"]["en"] for name in ("mini-s", "mini-l"))
    assert not agree(small, large)


def test_one_skill_is_judged_again_and_the_rest_of_the_card_stays(tmp_path, monkeypatch):
    cards = shutil.copytree(catalog.CARDS, tmp_path / "cards")
    monkeypatch.setattr(catalog, "CARDS", cards)
    before = catalog.card("mini-s")
    zoo.main(["evaluate", "mini-s", "--samples", "5", "--skill", "memory"])
    after = catalog.card("mini-s")
    assert {score["n"] for score in after.skills["memory"].values()} == {5}
    assert replace(after, skills={**after.skills, "memory": before.skills["memory"]}, notes=()) == replace(before, notes=())
    with pytest.raises(OptionError, match="no skill 'chess'"):
        zoo.main(["evaluate", "mini-s", "--skill", "chess"])
    with pytest.raises(OptionError, match="as a whole"):
        zoo.main(["evaluate", "mini-embed", "--skill", "memory"])
