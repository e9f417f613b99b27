"""The course's own documents and the questions on them: every answer stands where the question file says."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest
from pypdf import PdfReader

from labkit.rag import KnowledgeBase, evaluate

DATA = Path(__file__).parents[2] / "data"
LANGUAGES = ("en", "es")


def questions(lang):
    return [json.loads(line) for line in (DATA / "questions" / f"{lang}.jsonl").read_text(encoding="utf-8").splitlines()]


def flat(text):
    return " ".join(text.split())


def text_of(file):
    """The text of a file as people read it, records of JSON one after the other."""
    if file.suffix == ".pdf":
        return flat(" ".join(page.extract_text() for page in PdfReader(file).pages))
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".json":
        return flat(" ".join(record["text"] for record in json.loads(text)))
    if file.suffix == ".jsonl":
        return flat(" ".join(json.loads(line)["text"] for line in text.splitlines()))
    return flat(text)


def holds(text, value):
    return re.search(rf"(?<!\w){re.escape(value.lower())}(?!\w)", text.lower()) is not None


@pytest.mark.parametrize("lang", LANGUAGES)
def test_questions_are_sixty_and_fifteen_have_no_answer(lang):
    found = questions(lang)
    assert [q["id"] for q in found] == [f"{lang}-{n:02}" for n in range(1, 61)]
    assert len({q["question"] for q in found}) == 60
    assert sum(not q["answers"] for q in found) == 15
    assert all((q["file"] is None) == (q["quote"] is None) == (not q["answers"]) for q in found)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_quote_stands_once_in_its_file_and_holds_the_answer(lang):
    texts = {file.name: text_of(file) for file in (DATA / lang).iterdir()}
    for q in questions(lang):
        if q["answers"]:
            assert texts[q["file"]].count(q["quote"]) == 1, q
            assert holds(q["quote"], q["answers"][0]), q
            assert sum(q["quote"] in text for text in texts.values()) == 1, q


@pytest.mark.parametrize("lang", LANGUAGES)
def test_answers_are_short_values_that_the_question_does_not_give_away(lang):
    for q in questions(lang):
        assert all(0 < len(value) <= 25 and len(value.split()) <= 4 for value in q["answers"]), q
        assert not any(holds(q["question"], value) for value in q["answers"]), q


def test_questions_are_the_same_in_both_languages():
    for en, es in zip(questions("en"), questions("es"), strict=True):
        assert bool(en["answers"]) == bool(es["answers"])
        shared = set(en["answers"]) & set(es["answers"])
        number = re.search(r"\d", " ".join(en["answers"]))
        assert not number or shared or re.search(r"\d+", en["answers"][0].replace(",", ""))[0] in es["answers"][0], (en, es)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_kind_of_file_is_there_with_licence_and_origin(lang):
    kinds = {file.suffix for file in (DATA / lang).iterdir()}
    assert kinds == {".pdf", ".txt", ".md", ".json", ".jsonl"}
    assert "MIT" in (DATA / lang / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("lang", "file"), [("en", "handbook.pdf"), ("es", "guia.pdf")])
def test_pdf_holds_the_text_of_its_source(lang, file):
    source = (DATA / f"handbook.{lang}.md").read_text(encoding="utf-8")
    pages = [flat(page.extract_text()) for page in PdfReader(DATA / lang / file).pages]
    parts = source.split("---\n")
    assert len(pages) == len(parts) == 4
    for page, part in zip(pages, parts, strict=True):
        assert page == flat(re.sub(r"^#+ |\|", " ", part, flags=re.M))


@pytest.mark.parametrize(("lang", "file"), [("en", "handbook.pdf"), ("es", "guia.pdf")])
def test_pdf_is_made_by_its_script(lang, file, tmp_path):
    pytest.importorskip("fpdf", reason="fpdf2 is needed only to make the PDF files again")
    spec = importlib.util.spec_from_file_location("make_pdf", DATA / "make_pdf.py")
    make_pdf = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_pdf)
    made = PdfReader(make_pdf.make(lang, tmp_path / file))
    kept = PdfReader(DATA / lang / file)
    assert [page.extract_text() for page in made.pages] == [page.extract_text() for page in kept.pages]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_answer_can_be_found_by_a_search(lang):
    asked = evaluate.read(DATA / "questions" / f"{lang}.jsonl")
    with KnowledgeBase.from_folder(DATA / lang, embedder=None, fields=["text"]) as kb:
        assert not kb.skipped
        passages = list(kb.passages.values())
        for question in asked:
            assert any(evaluate.holds(passage, question) for passage in passages) == question.answerable, question
