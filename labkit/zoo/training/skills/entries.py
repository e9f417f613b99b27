"""What a passage can say: facts with their questions, from documents, relations and invented words."""

from __future__ import annotations

import functools
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
    told : str
        The answer as a document was written, its slots not filled; empty for other texts.
    """

    question: str
    answer: str
    value: str
    kind: str
    names_subject: bool
    told: str = ""


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
    """A document with its slots filled, cut to `longest` sentences or fewer. Training also varies it: see `variation`."""
    lang = draw.lang
    values = draw.fill.slots(document.slots, lang)
    varied = Variation() if draw.new else variation(draw, document)
    values.update(varied.values)
    kept = _kept(draw, SENTENCE_END.split(document.text[lang]), longest, varied.shuffled)
    shown = names(" ".join(kept))

    def filled(template: str) -> str:
        return capital(replaced(template, varied.words).format(**values))

    asks, missing = [], []
    for question in document.questions:
        used = names(question.value)
        wording = draw.wording(question.wordings[lang])
        says = _says(question.value, kept)
        ask = Ask(
            filled(wording),
            filled(says),
            question.value.format(**values),
            " ".join(sorted(_kind(document.slots[name]) for name in used)),
            document.subject in names(wording),
            says,
        )
        if says and names(wording) <= shown:
            asks.append(ask)
        elif not used & shown and ask.names_subject and document.subject in shown:
            missing.append(ask)
    text = dressed(draw, [filled(sentence) for sentence in kept], varied)
    return Entry(f"{document.domain}/{document.number}", values[document.subject], text, asks, missing)


def _says(value: str, sentences: list[str]) -> str:
    """The sentence that holds a value, which is the answer: a model this small quotes well and rephrases badly. Empty for none."""
    used = names(value)
    holds = (s for s in sentences if (used <= names(s) if used else value in s))
    return next(holds, "")


def _kept(draw: Draw, sentences: list[str], longest: int, shuffled: bool) -> list[str]:
    """The first sentences, or (in training) some from anywhere, at times in another order."""
    r = draw.random
    dice = r.random()
    if dice < 0.4:
        return sentences[: r.randint(1, longest)]
    if not draw.new and dice < 0.6:
        sentences = [sentence for number, sentence in enumerate(sentences) if number == 0 or r.random() < 0.7]
    if shuffled:
        r.shuffle(sentences)
    return sentences[:longest]


@dataclass(frozen=True)
class Variation:
    """How a document differs from what was written: so that a model learns to read it and not to know it.

    Attributes
    ----------
    words : dict
        Words of text and questions -> invented words that stand for them throughout.
    values : dict
        Slots -> phrases of other documents, or invented ones, instead of the few that were written for them.
    shuffled : bool
        Whether its sentences change places.
    stranger : str
        A sentence of another document that is put in; empty for none.
    dress : {'', 'heading', 'list'}
        How the text is set out.
    """

    words: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    shuffled: bool = False
    stranger: str = ""
    dress: str = ""


WORD = re.compile(r"\{[^}]*\}|[^\W\d_]{5,}")  # a slot, or a word of five letters or more


def variation(draw: Draw, document: Document) -> Variation:
    """Draw a variation; a third of the documents stay as they were written."""
    r, lang = draw.random, draw.lang
    if r.random() < 0.35:
        return Variation()
    words: dict[str, str] = {}
    if r.random() < 0.6:
        asked = {w for q in document.questions for wording in q.wordings[lang] for w in WORD.findall(wording)}
        of_text = [w for w in WORD.findall(document.text[lang]) if w.isalpha() and w.islower()]
        share, share_of_others = r.random(), 0.3 * r.random()
        words = {w: draw.fill.word() for w in sorted(set(of_text)) if r.random() < (share if w in asked else share_of_others)}
    values = {slot: _phrase_for(draw) for slot, kind in document.slots.items() if isinstance(kind, dict) and r.random() < 0.4}
    stranger = r.choice(plain_sentences(lang)) if r.random() < 0.25 else ""
    return Variation(words, values, r.random() < 0.2, stranger, r.choice(("", "", "", "heading", "list")))


def _phrase_for(draw: Draw) -> str:
    """What may stand for a choice slot: a phrase of any document, or invented words."""
    if draw.random.random() < 0.5:
        return draw.random.choice(_phrases(draw.lang))
    return " ".join(draw.fill.word() for _ in range(draw.random.randint(1, 3)))


@functools.cache
def _phrases(lang: str) -> Sequence[str]:
    """Every phrase of the choice slots of documents that are trained on."""
    return sorted({phrase for d in _documents_for("") for kind in d.slots.values() if isinstance(kind, dict) for phrase in kind[lang]})


def replaced(template: str, words: dict[str, str]) -> str:
    """A template with some words replaced; slots stay."""
    return WORD.sub(lambda m: words.get(m[0], m[0]), template) if words else template


@functools.cache
def plain_sentences(lang: str) -> Sequence[str]:
    """Sentences without a slot, of documents that are trained on."""
    found = _documents_for("")
    return [s for d in found for s in SENTENCE_END.split(d.text[lang]) if not names(s)]


HEADINGS = {
    "en": [
        "Notice",
        "Opening hours",
        "Rules",
        "Good to know",
        "Contact",
        "Prices",
        "How it works",
        "About us",
        "Questions",
        "Notes",
        "Overview",
        "Dates",
        "Part 2",
    ],
    "es": [
        "Aviso",
        "Horario",
        "Normas",
        "Conviene saber",
        "Contacto",
        "Precios",
        "Cómo funciona",
        "Quiénes somos",
        "Preguntas",
        "Notas",
        "Resumen",
        "Parte 2",
    ],
}


def dressed(draw: Draw, sentences: list[str], varied: Variation) -> str:
    """Sentences as one text, set out as a page or a file might have it."""
    r = draw.random
    if varied.stranger:
        sentences = sentences[:]
        sentences.insert(r.randint(0, len(sentences)), varied.stranger)
    if varied.dress == "list":
        return "- " + " - ".join(sentences)
    text = " ".join(sentences)
    if varied.dress == "heading":
        return f"{'#' * r.randint(1, 3)} {r.choice(HEADINGS[draw.lang])} {text}"
    return text


def _kind(kind: Any) -> str:
    return kind.split()[0] if isinstance(kind, str) else kind["en"][0]


def relation(number: int) -> dict[str, Any]:
    """One relation of `text/relations.toml`."""
    return texts.items("relations", "relation")[number]


@functools.cache
def families() -> Sequence[Sequence[int]]:
    """The relations that can be told of one subject; of two or more each."""
    found: dict[str, list[int]] = {}
    for number, one in enumerate(texts.items("relations", "relation")):
        found.setdefault(repr((one["s"], one.get("article"))), []).append(number)
    return [family for family in found.values() if len(family) > 1]


def from_relation(draw: Draw, number: int, subject: str = "") -> Entry:
    """One short fact: a relation between a subject, drawn where none is given, and a value."""
    told = relation(number)
    lang, r = draw.lang, draw.random
    if not subject:
        article = r.choice(told["article"][lang]) if "article" in told else ""
        subject = f"{article} {draw.fill.value(told['s'], lang)}".strip()
    value = draw.fill.value(told["v"], lang)
    templates = r.choice(told[lang]), draw.wording(told[f"ask_{lang}"])
    statement, question = (capital(contracted(t.format(s=subject, v=value), lang)) for t in templates)
    return Entry(f"relation/{number}", subject, statement, [Ask(question, statement, value, f"relation {number}", True)])


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
    return _documents_for("domains" if "domains" in draw.new else "documents" if "documents" in draw.new else "")


@functools.cache
def _documents_for(new: str) -> Sequence[Document]:
    found = texts.all_documents()
    if new == "domains":
        return [d for d in found if texts.is_new_domain(d)]
    if new == "documents":
        return [d for d in found if texts.is_new_document(d)]
    return [d for d in found if not texts.is_new_domain(d) and not texts.is_new_document(d)]
