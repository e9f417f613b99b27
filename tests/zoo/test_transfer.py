"""The questions over prose written by hand: forty per language, each with one answer that stands in the passage named."""

from __future__ import annotations

import re

import pytest

from labkit import prompts
from labkit.zoo.training import documents, texts, transfer
from labkit.zoo.training.sample import holds, normal

SETS = texts.items("transfer", "set")


@pytest.mark.parametrize("lang", prompts.LANGUAGES)
def test_transfer_has_forty_questions_ten_without_an_answer(lang):
    found = list(transfer.samples(lang))
    assert len(found) == 40 and len({s.messages for s in found}) == 40
    assert sum(s.check.passage is None for s in found) == 10


@pytest.mark.parametrize("group", SETS, ids=lambda group: f"{group['lang']}-{group['subject']}")
def test_transfer_values_stand_in_their_passage_alone(group):
    assert 1 <= len(group["passages"]) <= 6
    for question in group["question"]:
        if "passage" not in question:
            assert "value" not in question
            continue
        held = [n for n, text in enumerate(group["passages"], 1) if holds(normal(text), normal(question["value"]))]
        assert held == [question["passage"]], question
        assert not holds(normal(question["ask"]), normal(question["value"])), "the question gives its answer away"


def test_transfer_subjects_have_no_documents_to_learn_from():
    learned = {word for d in texts.all_documents() for word in d.domain.split("_")} | {f.stem for f in documents.FOLDER.glob("*.toml")}
    assert not learned & {word for group in SETS if group["lang"] == "en" for word in group["subject"].split()} - {"workshop"}


def test_transfer_check_takes_the_sentence_that_the_prompt_asks_for():
    for sample in transfer.samples("en"):
        if sample.check.passage is None:
            assert sample.check.right(prompts.NO_ANSWER["en"]) and not sample.check.right("It costs 4 pounds [1].")
        else:
            assert re.search(r"\[1\] ", sample.messages[0].content)
            assert sample.check.right(f"It is {sample.answer} [{sample.check.passage}].")
