"""Questions over numbered passages: the answer is taken from one of them and cites it, or the model says that it is not there.

One set of passages carries several questions. Training reads the passages once for all of them (`batches.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from .... import prompts
from .. import texts
from ..fill import careless
from ..sample import Check, Draw, Sample
from .entries import (
    FRAMES,
    SENTENCE_END,
    Ask,
    Entry,
    documents_for,
    families,
    from_document,
    from_frame,
    from_relation,
    plain_sentences,
    relation,
)

WORDS = re.compile(r"\w+")
PARTS = re.compile(SENTENCE_END.pattern + r"|(?: |^)- ")  # sentences, or the lines of a list
MOST = 8  # passages
LONGEST = 1900  # characters of all passages together: 450 tokens on average, 870 at most
QUESTIONS = 10  # at most so many over one set of passages
MISSING = 0.33  # share of questions that no passage answers
TAKEN = 0.22  # share of the questions that a search answers whose sentence is taken away
LOST = 0.6  # share of sets of passages that lack a part: what is asked of it looks as if it were there
ECHOES = 0.15  # share of questions that only repeat words of a sentence
GROWN = 0.4  # share of the training after which passages are as many and as long as they get


def from_documents(draw: Draw) -> list[Sample]:
    """Questions over short documents, with other documents and other fillings of the same one beside them."""
    known = documents_for(draw)
    if not known:
        return from_relations(draw)
    r = draw.random
    several = draw.progress > 0.1
    first = r.choice(known)
    wanted, room = _size(draw), _room(draw)
    entries: list[Entry] = [from_document(draw, first, _sentences(draw))]
    while len(entries) < wanted:
        dice = r.random()
        if dice < 0.35 and several:
            entry = from_document(draw, first, _sentences(draw))
        elif dice < 0.5 and texts.items("relations", "relation"):
            entry = from_relation(draw, r.randrange(len(texts.items("relations", "relation"))))
        else:
            entry = from_document(draw, r.choice(known), _sentences(draw))
        room_left = room - sum(len(e.text) for e in entries) - len(entry.text)
        if room_left < 0:
            break
        if entry.subject not in [e.subject for e in entries]:
            entries.append(entry)
    stranger = from_document(draw, first if r.random() < 0.6 else r.choice(known), _sentences(draw))
    return _questions(draw, [[entry] for entry in entries], stranger)


def from_words(draw: Draw) -> list[Sample]:
    """Questions made by rule alone: words of one sentence of a document, or of none. What finding an answer stands on."""
    r = draw.random
    known = documents_for(draw)
    if not known:
        return []
    stranger, *entries = (from_document(draw, r.choice(known), _sentences(draw)) for _ in range(2 + int(3 * _grown(draw) * r.random())))
    block = _block(draw, [[entry] for entry in entries])
    samples: list[Sample] = []
    for _ in range(QUESTIONS):
        samples.extend(_echo(draw, block, stranger.text if r.random() < MISSING else ""))
    return samples


def from_search(draw: Draw) -> list[Sample]:
    """Questions over the few sentences that a search picks out of several texts: those that share most with the question."""
    r = draw.random
    known = documents_for(draw)
    if not known:
        return []
    first, wanted = r.choice(known), 2 + int(5 * _grown(draw) * r.random())
    entries = [from_document(draw, first if r.random() < 0.3 else r.choice(known), 8) for _ in range(wanted)]
    sentences = [(part, entry) for entry in entries for part in PARTS.split(entry.text) if part and part[0] != "#"]
    asks = [(ask, entry) for entry in entries for ask in (*entry.asks, *(m for m in entry.missing if r.random() < MISSING))]
    r.shuffle(asks)
    samples = (_over_found(draw, ask, entry, sentences) for ask, entry in asks[:QUESTIONS])
    return [sample for sample in samples if sample]


def _over_found(draw: Draw, ask: Ask, entry: Entry, sentences: list[tuple[str, Entry]]) -> Sample | None:
    """One question over the sentences nearest to it, best first; None where it would have more than one answer."""
    r = draw.random
    gold = next(((part, of) for part, of in sentences if of is entry and ask.answer and ask.answer in part), None)
    ask = ask if draw.new else replace(ask, question=loose(ask.question, draw))
    found = _nearest(draw, ask.question, sentences)[: r.choice((1, 2, 2, 2, 3, 3, 4, 6))]
    if gold and gold not in found and r.random() < 0.8:
        found[-1] = gold
    if gold in found and r.random() < TAKEN:  # the others look as if they told it
        found.remove(gold)
    elif gold in found and r.random() < 0.6:  # a search by meaning too has it first more often than ours by words
        found.insert(0, found.pop(found.index(gold)))
    block = [part for part, _ in found]
    others = [of for _, of in found if of is not entry]
    twins = [other for other in others if other.source == entry.source]
    whose = gold[0] if gold in found else ask.question
    if not block or not _is_clear(ask, entry, others) or (twins and entry.subject not in whose):
        return None
    number = found.index(gold) + 1 if gold in found else None
    if len(set(block)) < len(block) or sum(ask.value in part for part in block) != (number is not None):
        return None
    return _sample(draw, block, ask, number)


def _nearest(draw: Draw, question: str, sentences: list[tuple[str, Entry]]) -> list[tuple[str, Entry]]:
    """Sentences by the share of the question's words in them, rare ones counting more; not quite, as no search is."""
    stems = [set(_stems(part)) for part, _ in sentences]
    weights = {stem: 1 / (1 + sum(stem in others for others in stems)) for stem in _stems(question)}
    total, noise = sum(weights.values()) or 1, draw.random.choice((0.0, 0.15, 0.4))
    near = [sum(weights[stem] for stem in weights.keys() & own) / total + noise * draw.random.random() for own in stems]
    return [sentences[place] for place in sorted(range(len(sentences)), key=lambda place: -near[place])]


def _stems(text: str) -> list[str]:
    """Its words in lower case, cut to five letters: what a search by words goes by."""
    return [word[:5].lower() for word in WORDS.findall(text) if len(word) > 2 or word.isdigit()]


def from_relations(draw: Draw) -> list[Sample]:
    """Questions over short facts, one to three in a passage; half of the time several facts about each of a few."""
    r = draw.random
    if r.random() < 0.5:
        return about_few(draw)
    relations = len(texts.items("relations", "relation"))
    first = r.randrange(relations)
    return _facts(draw, lambda same: from_relation(draw, first if same else r.randrange(relations)), echoes=0)


def about_few(draw: Draw) -> list[Sample]:
    """The same facts of two or more, one of them missing: neither the name alone nor the relation alone finds the answer."""
    r = draw.random
    family = r.choice(families())
    first = r.choice(family)
    like = [n for n in family if n != first and relation(n)["v"] == relation(first)["v"]]  # also town beside town
    others = like if like and r.random() < 0.6 else [n for n in family if n != first]
    chosen = [first, *r.sample(others, min(len(others), r.choice((1, 1, 2))))]
    subjects = {from_relation(draw, first).subject for _ in range(2 + int(3 * _grown(draw) * r.random()))}
    entries = [from_relation(draw, number, subject) for subject in sorted(subjects) for number in chosen]
    missing = entries.pop(r.randrange(len(entries)))
    return _questions(draw, [[entry] for entry in entries], missing, lost=0, echoes=0)


def from_invented_words(draw: Draw) -> list[Sample]:
    """Generic matching: a question that repeats a part of a sentence of invented words and asks for the rest."""
    r = draw.random
    first = r.randrange(len(FRAMES[draw.lang]))
    return _facts(draw, lambda same: from_frame(draw, first if same else r.randrange(len(FRAMES[draw.lang]))))


def _facts(draw: Draw, make: Callable[[bool], Entry], echoes: float = ECHOES) -> list[Sample]:
    r = draw.random
    passages: list[list[Entry]] = []
    known: set[tuple[str, str]] = set()
    for number in range(_size(draw) if r.random() < 0.7 else 1 + _size(draw)):
        entry = make(number == 0 or r.random() < 0.45)
        if (entry.source, entry.subject) in known:
            continue
        known.add((entry.source, entry.subject))
        if passages and len(passages[-1]) < 3 and r.random() < 0.25:
            passages[-1].append(entry)
        else:
            passages.append([entry])
    return _questions(draw, passages, make(r.random() < 0.6), echoes=echoes)


def _size(draw: Draw) -> int:
    """How many passages: one at first, up to eight in the end, few more often than many."""
    most = 1 + round((MOST - 1) * _grown(draw))
    return 1 + int(most * draw.random.random() ** 1.4)


def _grown(draw: Draw) -> float:
    return min(1.0, draw.progress / GROWN)


def _sentences(draw: Draw) -> int:
    return 2 + round(4 * _grown(draw))


def _room(draw: Draw) -> int:
    return 400 + round((LONGEST - 400) * _grown(draw))


def _questions(draw: Draw, passages: list[list[Entry]], stranger: Entry, lost: float = LOST, echoes: float = ECHOES) -> list[Sample]:
    """Ask about some of the entries, and now and then about what no passage holds."""
    r = draw.random
    r.shuffle(passages)
    block = _block(draw, passages, lost)
    entries = [entry for passage in passages for entry in passage]
    asks = [(ask, _place(ask, block)) for e in entries for ask in e.asks if _is_clear(ask, e, entries)]
    there = [(ask, number) for ask, number in asks if number]
    not_there = [ask for e in entries for ask in e.missing if _is_clear(ask, e, entries)]
    not_there += [ask for ask, number in asks if not number and not any(ask.value in part for part in block)]
    if all((e.source, e.subject) != (stranger.source, stranger.subject) for e in entries):
        not_there += [ask for ask in stranger.asks if ask.names_subject]
    if not draw.new:
        there = [(replace(ask, question=loose(ask.question, draw)), number) for ask, number in there]
    r.shuffle(there)
    r.shuffle(not_there)
    samples: list[Sample] = []
    for _ in range(QUESTIONS):
        if not draw.new and r.random() < echoes:
            samples.extend(_echo(draw, block))
        elif not_there and (r.random() < MISSING or not there):
            samples.append(_sample(draw, block, not_there.pop(), None))
        elif there:
            samples.append(_sample(draw, block, *there.pop()))
    return samples


def _block(draw: Draw, passages: list[list[Entry]], lost: float = LOST) -> list[str]:
    """The passages as a search would find them: each text in parts of so many sentences, one after the other or not, some missing."""
    r = draw.random
    size = r.choice((1, 1, 2, 2, 3, 4))
    parts: list[str] = []
    for passage in passages:
        sentences = SENTENCE_END.split(" ".join(entry.text for entry in passage))
        parts.extend(" ".join(sentences[start : start + size]) for start in range(0, len(sentences), size))
    sources = [entry.source for passage in passages for entry in passage]
    if r.random() < 0.4 and len(set(sources)) == len(sources):  # else nothing would tell whose part is whose
        r.shuffle(parts)
    missing = r.randint(1, 2) if not draw.new and r.random() < lost and len(parts) > 2 else 0
    kept = min(MOST, len(parts) - missing)
    while len(parts) > kept:
        parts.pop(r.randrange(len(parts)))
    return parts


def _place(ask: Ask, block: list[str]) -> int:
    """The number of the passage that holds an answer; 0 for none, or for more than one."""
    places = [number for number, passage in enumerate(block, 1) if ask.answer in passage]
    return places[0] if len(places) == 1 else 0


def _is_clear(ask: Ask, entry: Entry, entries: list[Entry]) -> bool:
    """Whether a question has one answer among the entries."""
    others = [other for other in entries if other is not entry]
    if ask.names_subject:
        return all(other.source != entry.source or other.subject != entry.subject for other in others)
    return all(other.source != entry.source and all(ask.kind != a.kind for a in other.asks) for other in others)


def _sample(draw: Draw, block: list[str], ask: Ask, passage: int | None) -> Sample:
    question = careless(ask.question, draw.random) if not draw.new else ask.question
    messages = tuple(prompts.with_passages(question, block, draw.lang))
    if passage is None:
        answer = prompts.NO_ANSWER[draw.lang]
        return Sample(messages, answer, Check("equals", (answer,)))
    return Sample(messages, cited(ask.answer, passage), Check("holds", (ask.value,), passage))


ECHO_WORDINGS = {
    "en": [
        "What does it say about {words}?",
        "What do you know about {words}?",
        "Is there anything about {words}?",
        "{words}?",
        "Find this: {words}",
        "Where does it mention {words}?",
        "Tell me about {words}.",
        "What about {words}?",
        "When {words}?",
        "Who {words}?",
        "Where {words}?",
        "What {words}?",
        "Which {words}?",
        "How {words}?",
        "How much {words}?",
        "How many {words}?",
        "Why {words}?",
    ],
    "es": [
        "¿Qué dice de {words}?",
        "¿Qué sabes de {words}?",
        "¿Hay algo sobre {words}?",
        "¿{words}?",
        "Busca esto: {words}",
        "¿Dónde se habla de {words}?",
        "Háblame de {words}.",
        "¿Y {words}?",
        "¿Cuándo {words}?",
        "¿Quién {words}?",
        "¿Dónde {words}?",
        "¿Qué {words}?",
        "¿Cuál {words}?",
        "¿Cómo {words}?",
        "¿Cuánto {words}?",
        "¿Cuántos {words}?",
        "¿Por qué {words}?",
    ],
}
OPENINGS = {
    "en": [
        "Please tell me: {q}",
        "I would like to know: {q}",
        "Do you know? {q}",
        "A question: {q}",
        "According to the text, {q}",
        "{q} Thanks.",
    ],
    "es": ["Dime, por favor: {q}", "Quisiera saber: {q}", "¿Lo sabes? {q}", "Una pregunta: {q}", "Según el texto, {q}", "{q} Gracias."],
}


def _echo(draw: Draw, block: list[str], stranger: str = "") -> list[Sample]:
    """A question made by rule: words of one sentence, and often some of another text, as a question in other words has them.

    No other sentence of the passages holds more than half as many of its words. With a stranger, the words are of that text instead,
    and no passage holds half of them.
    """
    r = draw.random
    sentences = [(part, number) for number, passage in enumerate(block, 1) for part in PARTS.split(passage) if part and part[0] != "#"]
    of_stranger = [(part, None) for part in PARTS.split(stranger) if part]
    if not sentences or (stranger and not of_stranger):
        return []
    sentence, number = r.choice(of_stranger or sentences)
    chosen = _some_words(draw, sentence)
    held = sorted((len(set(chosen) & set(WORDS.findall(other))), other) for other, _ in sentences)
    if not chosen or (held[-1][0] * 2 >= len(chosen) if stranger else held[-1][1] != sentence or _close(held)):
        return []
    return [_sample(draw, block, Ask(_asked(draw, chosen), sentence, sentence, "", True), number)]


def echo(draw: Draw, sentence: str) -> str:
    """A question made of some words of a sentence, and often of some others; empty where none was chosen."""
    chosen = _some_words(draw, sentence)
    return _asked(draw, chosen) if chosen else ""


def _some_words(draw: Draw, sentence: str) -> list[str]:
    r = draw.random
    share = r.choice((0.3, 0.5, 0.8))
    chosen = [word for word in _content(sentence) if r.random() < share][:8]
    if r.random() < 0.5:
        noise = [word for word in _content(r.choice(plain_sentences(draw.lang))) if r.random() < 0.5]
        chosen += noise[: len(chosen)]
    return chosen


def _asked(draw: Draw, chosen: list[str]) -> str:
    r = draw.random
    if r.random() < 0.4:
        r.shuffle(chosen)
    return r.choice(ECHO_WORDINGS[draw.lang]).format(words=" ".join(chosen))


def _content(sentence: str) -> list[str]:
    """Its words of four letters or more, and its numbers."""
    return [word for word in WORDS.findall(sentence) if len(word) > 3 or word.isdigit()]


def _close(held: list[tuple[int, str]]) -> bool:
    """Whether the second sentence holds more than half as many words as the first."""
    return len(held) > 1 and held[-2][0] * 2 > held[-1][0]


def loose(question: str, draw: Draw) -> str:
    """The question as somebody else might put it: a word less here and there, a phrase around it."""
    r = draw.random
    if r.random() < 0.25:
        words = question.split()
        kept = [word for word in words if not word.islower() or r.random() < 0.75]
        question = " ".join(kept) or question
    if r.random() < 0.12:
        question = r.choice(OPENINGS[draw.lang]).format(q=question)
    return question


def cited(answer: str, passage: int) -> str:
    """The answer behind its passage: '[2] It opens at 9:30.' Citing last is learned ten times more slowly (see LOG.md)."""
    return f"[{passage}] {answer}"
