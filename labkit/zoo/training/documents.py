"""Slotted documents: short texts with questions, one TOML file per domain under `text/documents/`.

A document is written once in each language, over the same slots::

    [[document]]
    slots = { name = "town", opens = "time", fee = "price", floor = "number 1 4", mood = { en = ["quiet"], es = ["tranquila"] } }
    en = '''The library of {name} opens at {opens}. ...'''
    es = '''La biblioteca de {name} abre a las {opens}. ...'''
    [[document.question]]
    value = "{opens}"
    en = ["When does the library of {name} open?", "...", "..."]
    es = ["¿Cuándo abre la biblioteca de {name}?", "...", "..."]

The answer is the sentence of the text that holds the value. The first slot names what the document is about. A wording that holds
`{name}` can be asked beside other documents of the same kind; one without it is asked only where it is unambiguous. The last wording
of each question is held out: it is never trained on.
`python -m labkit.zoo.training.documents` checks every file and counts.
"""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

FOLDER = Path(__file__).parent / "text" / "documents"
LANGUAGES = ("en", "es")

# Slot kind -> what it becomes. `number A B` and `year A B` take their bounds.
KINDS = {
    "town": "an invented town",
    "person": "first and invented family name",
    "first": "a first name",
    "company": "an invented name of a firm, club, school, product or building",
    "street": "an invented street name, without number",
    "number": "a whole number from A to B",
    "year": "a year from A to B",
    "time": "a time of day, 7:30",
    "price": "an amount, 12 euros or 3.50 euros",
    "date": "day and month, in the language",
    "weekday": "a day of the week, in the language",
    "month": "a month, in the language",
    "phone": "a phone number",
    "code": "a code of letters and digits, K7-204",
    "colour": "a colour, in the language (Spanish: masculine singular)",
    "percent": "15 %",
    "email": "an e-mail address",
}


@dataclass(frozen=True)
class Question:
    """One question: its wordings per language, and the value that a right answer must hold."""

    value: str
    wordings: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Document:
    """A slotted text in both languages with its questions."""

    domain: str
    number: int
    slots: dict[str, Any]
    text: dict[str, str]
    questions: tuple[Question, ...]

    @property
    def subject(self) -> str:
        """The slot that names what the document is about."""
        return next(iter(self.slots))


def load(folder: Path = FOLDER) -> list[Document]:
    """Read every domain; a malformed file raises ValueError that names file and document."""
    documents = []
    for file in sorted(folder.glob("*.toml")):
        for number, item in enumerate(tomllib.loads(file.read_text(encoding="utf-8")).get("document", []), 1):
            where = f"{file.name} document {number}"
            try:
                documents.append(_document(file.stem, number, item))
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{where}: {error!r}") from error
    return documents


def names(text: str) -> set[str]:
    """The slots that a text uses."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def _document(domain: str, number: int, item: dict[str, Any]) -> Document:
    slots = item["slots"]
    for name, kind in slots.items():
        if isinstance(kind, dict):
            if set(kind) != set(LANGUAGES) or len(kind["en"]) != len(kind["es"]) or not kind["en"]:
                raise ValueError(f"slot {name}: choices need en and es lists of one length")
        elif kind.split()[0] not in KINDS or len(kind.split()) != (3 if kind.split()[0] in ("number", "year") else 1):
            raise ValueError(f"slot {name}: unknown kind {kind!r}")
    questions = []
    for question in item["question"]:
        wordings = {lang: tuple(question[lang]) for lang in LANGUAGES}
        if any(len(wordings[lang]) < 3 for lang in LANGUAGES):
            raise ValueError(f"question {question['value']!r}: three wordings or more per language")
        questions.append(Question(question["value"], wordings))
    if len(questions) < 5:
        raise ValueError("five questions or more")
    document = Document(domain, number, slots, {lang: " ".join(item[lang].split()) for lang in LANGUAGES}, tuple(questions))
    for lang in LANGUAGES:
        used = names(document.text[lang])
        for question in document.questions:
            for text in (*question.wordings[lang], question.value):
                if names(text) - set(slots):
                    raise ValueError(f"{lang}: slot {names(text) - set(slots)} of {text!r} is not defined")
            if not names(question.value) <= used and names(question.value):
                raise ValueError(f"{lang}: the text does not hold {question.value!r}")
            if not names(question.value):
                raise ValueError(f"value {question.value!r} holds no slot, so it can be known by heart: make it a choice slot")
        if used - set(slots):
            raise ValueError(f"{lang}: slot {used - set(slots)} is not defined")
        if not any(("{" + document.subject + "}") in w for q in document.questions for w in q.wordings[lang]):
            raise ValueError(f"{lang}: no wording names the subject")
    return document


if __name__ == "__main__":
    try:
        found = load()
    except ValueError as error:
        sys.exit(f"{error}")
    domains = {d.domain for d in found}
    print(f"{len(found)} documents in {len(domains)} domains, {sum(len(d.questions) for d in found)} questions: all well formed")
