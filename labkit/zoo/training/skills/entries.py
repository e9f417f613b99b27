"""What a passage can say: facts with their questions, from documents, relations and invented words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import texts
from ..documents import Document, names
from ..fill import capital, contracted
from ..sample import Draw

SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-ZÁÉÍÓÚÜÑ¿¡{\"«0-9])")


@dataclass(frozen=True)
class Ask:
    """One question that can be asked.

    Attributes
    ----------
    question, answer : str
    value : str
        What a right answer must hold.
    kind : str
        The sort of value: two passages with values of one kind make a question without a name ambiguous.
    names_subject : bool
        Whether the question says what it is about.
    """

    question: str
    answer: str
    value: str
    kind: str
    names_subject: bool


@dataclass(frozen=True)
class Entry:
    """A text about one subject, the questions that it answers, and those that it might answer but does not.

    Attributes
    ----------
    source : str
        Which template it was filled from.
    subject : str
        What it is about.
    text : str
    asks, missing : list of Ask
    """

    source: str
    subject: str
    text: str
    asks: list[Ask]
    missing: list[Ask] = field(default_factory=list)


def from_document(draw: Draw, document: Document, longest: int = 6) -> Entry:
    """A document with its slots filled, cut after one to `longest` sentences."""
    lang, r = draw.lang, draw.random
    values = draw.fill.slots(document.slots, lang)
    sentences = SENTENCE_END.split(document.text[lang])
    kept = sentences[: r.randint(1, longest)] if r.random() < 0.4 else sentences[:longest]
    shown = names(" ".join(kept))
    asks, missing = [], []
    for question in document.questions:
        used = names(question.value)
        wording = draw.wording(question.wordings[lang])
        ask = Ask(
            capital(wording.format(**values)),
            capital(question.answer[lang].format(**values)),
            question.value.format(**values),
            " ".join(sorted(_kind(document.slots[name]) for name in used)),
            document.subject in names(wording),
        )
        if used <= shown and names(wording) <= shown:
            asks.append(ask)
        elif not used & shown and ask.names_subject and document.subject in shown:
            missing.append(ask)
    text = capital(" ".join(kept).format(**values))
    return Entry(f"{document.domain}/{document.number}", values[document.subject], text, asks, missing)


def _kind(kind: Any) -> str:
    return kind.split()[0] if isinstance(kind, str) else kind["en"][0]


def from_relation(draw: Draw, number: int) -> Entry:
    """One short fact: a relation between a subject and a value."""
    relation = texts.items("relations", "relation")[number]
    lang, r = draw.lang, draw.random
    subject = draw.fill.value(relation["s"], lang)
    if "article" in relation:
        subject = f"{r.choice(relation['article'][lang])} {subject}"
    value = draw.fill.value(relation["v"], lang)
    templates = r.choice(relation[lang]), draw.wording(relation[f"ask_{lang}"]), relation[f"answer_{lang}"]
    statement, question, answer = (capital(contracted(t.format(s=subject, v=value), lang)) for t in templates)
    return Entry(f"relation/{number}", subject, statement, [Ask(question, answer, value, f"relation {number}", True)])


# A sentence of invented words; a question repeats one part of it, the answer gives it back whole.
FRAMES = {
    "en": [
        ("{a} {v}s {b}.", [("What does {a} {v}?", "b"), ("Who {v}s {b}?", "a")]),
        ("The {v} of {a} is {b}.", [("What is the {v} of {a}?", "b"), ("Whose {v} is {b}?", "a")]),
        ("{a} gave {b} to {c}.", [("What did {a} give to {c}?", "b"), ("Who got {b} from {a}?", "c"), ("Who gave {b} to {c}?", "a")]),
        (
            "In {a} they {v} the {b} with {c}.",
            [("With what do they {v} the {b} in {a}?", "c"), ("Where do they {v} the {b} with {c}?", "a")],
        ),
        ("{a} is {v} because of {b}.", [("Why is {a} {v}?", "b"), ("What is {v} because of {b}?", "a")]),
        ("{a}: {b}.", [("{a}?", "b"), ("What does it say after {a}?", "b")]),
        (
            "Every {v}, {a} meets {b} in {c}.",
            [("Where does {a} meet {b}?", "c"), ("Who meets {b} in {c}?", "a"), ("Whom does {a} meet?", "b")],
        ),
    ],
    "es": [
        ("{a} {v}a {b}.", [("¿Qué {v}a {a}?", "b"), ("¿Quién {v}a {b}?", "a")]),
        ("El {v} de {a} es {b}.", [("¿Cuál es el {v} de {a}?", "b"), ("¿De quién es el {v} {b}?", "a")]),
        ("{a} dio {b} a {c}.", [("¿Qué dio {a} a {c}?", "b"), ("¿Quién recibió {b} de {a}?", "c"), ("¿Quién dio {b} a {c}?", "a")]),
        ("En {a} se {v}a el {b} con {c}.", [("¿Con qué se {v}a el {b} en {a}?", "c"), ("¿Dónde se {v}a el {b} con {c}?", "a")]),
        ("{a} es {v} por culpa de {b}.", [("¿Por qué es {v} {a}?", "b"), ("¿Qué es {v} por culpa de {b}?", "a")]),
        ("{a}: {b}.", [("¿{a}?", "b"), ("¿Qué dice después de {a}?", "b")]),
        ("Cada {v}, {a} se ve con {b} en {c}.", [("¿Dónde se ve {a} con {b}?", "c"), ("¿Quién se ve con {b} en {c}?", "a")]),
    ],
}


def from_frame(draw: Draw, number: int) -> Entry:
    """A sentence of invented words."""
    statement, questions = FRAMES[draw.lang][number]
    values = {slot: _phrase(draw) if slot != "v" else draw.fill.word() for slot in "abcv"}
    text = capital(statement.format(**values))
    asks = [Ask(capital(q.format(**values)), text, values[slot], f"frame {number}", True) for q, slot in questions]
    return Entry(f"frame/{number}", " ".join(values.values()), text, asks)


def _phrase(draw: Draw) -> str:
    r = draw.random
    return r.choice(
        (draw.fill.name, draw.fill.name, draw.fill.word, lambda: f"{draw.fill.word()} {draw.fill.word()}", lambda: str(r.randint(2, 999)))
    )()


def documents_for(draw: Draw) -> Sequence[Document]:
    """The documents that this draw may use: those of training, or those held out."""
    found = texts.all_documents()
    if "domains" in draw.new:
        return [d for d in found if texts.is_new_domain(d)]
    if "documents" in draw.new:
        return [d for d in found if texts.is_new_document(d)]
    return [d for d in found if not texts.is_new_domain(d) and not texts.is_new_document(d)]
