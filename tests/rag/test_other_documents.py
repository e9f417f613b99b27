"""The documents of other organizations in benchmarks/: whole, with questions that fit them, and no part of the training text."""

from __future__ import annotations

from pathlib import Path

import pytest

import labkit as lab
from labkit.rag import evaluate
from labkit.zoo.training import texts

FOLDER = Path(__file__).parents[2] / "benchmarks" / "documents"
SETS = [(folder, lang) for folder in sorted(FOLDER.iterdir()) if folder.is_dir() for lang in ("en", "es")]


@pytest.mark.parametrize(("folder", "lang"), SETS, ids=lambda one: getattr(one, "name", one))
def test_questions_fit_their_documents(folder, lang):
    questions = evaluate.read(folder / f"questions.{lang}.jsonl")
    assert [q.id for q in questions] == [f"{lang}-{n:02}" for n in range(1, 81)] and len({q.question for q in questions}) == 80
    assert sum(q.answerable for q in questions) == 40
    with lab.KnowledgeBase.from_folder(folder / lang, None, fields=["text"], size=100) as kb:
        assert not kb.skipped
        for q in questions:
            assert (q.quote != "") == (q.file != "") == q.answerable
            if q.answerable:
                assert evaluate.right(q.quote, q.answers[:1]) and any(evaluate.holds(passage, q) for passage in kb.passages.values()), q


def test_no_training_text_is_about_them():
    known = "\n".join(text for document in texts.all_documents() for text in document.text.values())
    names = ("Quernay", "Habrecht", "Orrindale", "Pontrell", "Galdery", "Tolmarra", "Vossik", "Karrant")
    assert [name for name in names if name in known] == []
    told = "\n".join(file.read_text(encoding="utf-8") for folder, lang in SETS for file in (folder / lang).iterdir())
    assert [name for name in names if name not in told] == []
