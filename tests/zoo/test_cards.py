"""A sample of every card's figures, evaluated again on the weights that are shipped: each lies where its card says."""

# ruff: noqa: E402

import pytest

from . import needs

needs("tokenizers")

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


def test_card_of_another_model_is_noticed():
    small, large = (catalog.card(name).skills["questions_new_names"]["en"] for name in ("mini-s", "mini-l"))
    assert not agree(small, large)
