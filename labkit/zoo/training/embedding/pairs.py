"""What mini-embed learns from: a question and the passage that answers it, a text and its translation, two ways to ask one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from .. import texts
from ..documents import Document, Question, names
from ..fill import Filler, capital, careless
from ..sample import Draw
from ..skills import entries, facts, passages

LONGEST = 5  # sentences of a passage
SENTENCES = 3  # of one document that are asked for, at most


@dataclass(frozen=True)
class Pair:
    """A query and the text that it should find.

    Attributes
    ----------
    query, passage : str
    source : str
        What both are made from: another pair of the same source is no counterexample, unless `subject` or `part` tells them apart.
    subject : str
        The name that query and passage share; empty where the query does not say what it is about.
    part : str
        What of the source is asked for, where the passage answers nothing else; otherwise empty.
    """

    query: str
    passage: str
    source: str
    subject: str = ""
    part: str = ""


def pairs(draw: Draw, count: int) -> list[Pair]:
    """So many pairs, a third of them beside another filling of the same text: only the name tells those apart."""
    r = draw.random
    found: list[Pair] = []
    while len(found) < count:
        kind: Callable[[Draw], list[Pair]] = r.choices(tuple(SHARES), tuple(SHARES.values()))[0]
        found += kind(draw)
    return found[:count]


def from_documents(draw: Draw) -> list[Pair]:
    """Questions over one document, filled once or twice; a third in the other language."""
    known = entries.documents_for(draw)
    if not known:
        return []
    document = draw.random.choice(known)
    fillings = draw.random.choice((1, 1, 2))
    return [pair for _ in range(fillings) if (pair := about(draw, document, draw.lang, other_language(draw)))]


def other_language(draw: Draw, share: float = 0.35) -> str:
    """The language of the draw, or now and then the other one."""
    return {"en": "es", "es": "en"}[draw.lang] if draw.random.random() < share else draw.lang


def about(draw: Draw, document: Document, passage_lang: str, query_lang: str, whole: bool = False) -> Pair | None:
    """A question over some sentences of a document, which hold its answer; None where the document parts unluckily.

    Parameters
    ----------
    draw : Draw
    document : Document
    passage_lang, query_lang : {'en', 'es'}
    whole : bool
        Take the whole document as the passage.
    """
    r = draw.random
    values = filled(draw, document)
    question = r.choice(document.questions)
    sentences = entries.SENTENCE_END.split(document.text[passage_lang])
    window = sentences if whole else _window(r, sentences, question)
    if not window:
        return None
    wording = draw.wording(question.wordings[query_lang])
    passage = capital(" ".join(window).format(**values[passage_lang]))
    query = capital(wording.format(**values[query_lang]))
    shown = names(" ".join(window))
    subject = values[passage_lang][document.subject] if document.subject in names(wording) & shown else ""
    return Pair(query if draw.new else careless(query, r), passage, f"{document.domain}/{document.number}", subject)


def filled(draw: Draw, document: Document) -> dict[str, dict[str, str]]:
    """Values for the slots, the same in both languages."""
    seed = draw.random.random()
    return {
        lang: {slot: Filler(Random(f"{seed} {slot}"), "names" in draw.new).value(kind, lang) for slot, kind in document.slots.items()}
        for lang in ("en", "es")
    }


def _window(r: Random, sentences: list[str], question: Question) -> list[str]:
    used = names(question.value)
    wanted = [place for place, sentence in enumerate(sentences) if used & names(sentence)]
    if not wanted or wanted[-1] - wanted[0] >= LONGEST:
        return []
    length = r.randint(wanted[-1] - wanted[0] + 1, LONGEST)
    start = r.randint(max(0, wanted[-1] - length + 1), wanted[0])
    return sentences[start : start + length]


def from_sentences(draw: Draw) -> list[Pair]:
    """Questions over one document and the sentence that answers each: what lies beside the answer is about the same, and not it."""
    r, entry = draw.random, _entry(draw)
    answers = list(dict.fromkeys(ask.answer for ask in entry.asks))
    r.shuffle(answers)
    found = []
    for answer in answers[:SENTENCES]:
        ask = r.choice([ask for ask in entry.asks if ask.answer == answer])
        query = ask.question if draw.new else careless(passages.loose(ask.question, draw), r)
        named = ask.names_subject and entry.subject in answer
        found.append(Pair(query, answer, entry.source, entry.subject if named else "", ask.told))
    return found


def _entry(draw: Draw) -> entries.Entry:
    """A document as the chat models read it: filled, and varied."""
    return entries.from_document(draw, draw.random.choice(entries.documents_for(draw)), 8)


def from_echoes(draw: Draw) -> list[Pair]:
    """Some words of one sentence, as a question in other words has them, and that sentence among those around it."""
    r, entry = draw.random, _entry(draw)
    sentences = [part for part in passages.PARTS.split(entry.text) if part and part[0] != "#"]
    place = r.randrange(len(sentences)) if sentences else 0
    query = passages.echo(draw, sentences[place]) if sentences else ""
    start = max(0, place - r.randrange(3))
    return [Pair(query, " ".join(sentences[start : place + r.randint(1, 2)]), entry.source)] if query else []


def from_relations(draw: Draw) -> list[Pair]:
    """A short fact about two names."""
    number = draw.random.randrange(len(texts.items("relations", "relation")))
    return [_of(entries.from_relation(draw, number)) for _ in range(2)]


def from_invented_words(draw: Draw) -> list[Pair]:
    """Sentences of invented words: found by the words alone."""
    number = draw.random.randrange(len(entries.FRAMES[draw.lang]))
    return [_of(entries.from_frame(draw, number), draw.random) for _ in range(2)]


def _of(entry: entries.Entry, r: Random | None = None) -> Pair:
    ask = r.choice(entry.asks) if r else entry.asks[0]
    return Pair(ask.question, entry.text, entry.source, entry.subject)


def from_translations(draw: Draw) -> list[Pair]:
    """A phrase, a word or a whole passage, and the same in the other language."""
    r, other = draw.random, {"en": "es", "es": "en"}[draw.lang]
    if r.random() < 0.4:
        document = r.choice(entries.documents_for(draw))
        values = filled(draw, document)
        start = r.randrange(3)
        parts = {lang: entries.SENTENCE_END.split(document.text[lang]) for lang in (draw.lang, other)}
        if len(parts[draw.lang]) != len(parts[other]):
            start, cut = 0, 99
        else:
            start = min(start, len(parts[other]) - 1)
            cut = start + r.randint(1, LONGEST)
        ours, theirs = (" ".join(parts[lang][start:cut]).format(**values[lang]) for lang in (draw.lang, other))
        subject = values[other][document.subject]
        return [Pair(capital(ours), capital(theirs), f"{document.domain}/{document.number}", subject if subject in theirs else "")]
    known = texts.items("phrases", "pair" if r.random() < 0.5 else "word")
    return [Pair(item[draw.lang], item[other], f"phrase {item[other]}") for item in r.sample(known, 2)]


def from_facts(draw: Draw) -> list[Pair]:
    """Two ways to ask for one fact, or a question and its answer, at times in the other language."""
    r, lang, other = draw.random, draw.lang, other_language(draw, 0.4)
    if r.random() < 0.75:
        fact = r.choice(texts.items("course_facts", "fact"))
        asked, again = facts._question(draw, "course_facts", fact), facts._question(Draw(r, other), "course_facts", fact)
        return [Pair(asked, again if r.random() < 0.5 else fact["answer"][other], f"fact {fact['answer']['en']}")]
    family = r.choice(texts.items("world_facts", "family"))
    pair = r.choice(family["pairs"])
    asked = facts._question(draw, "world_facts", family).replace("{k}", pair[lang][0]).replace("{v}", pair[lang][1])
    answer = family["answer"][other].replace("{k}", pair[other][0]).replace("{v}", pair[other][1])
    return [Pair(asked, capital(answer), f"{family['answer']['en']} {pair['en'][0]}")]


SHARES: dict[Callable[[Draw], list[Pair]], float] = {
    from_documents: 46,  # with 36 whole documents were found worse than before (see LOG.md)
    from_sentences: 12,
    from_echoes: 6,
    from_relations: 10,
    from_invented_words: 6,
    from_translations: 11,
    from_facts: 9,
}
