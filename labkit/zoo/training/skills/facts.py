"""What the model knows by heart: first words, facts of the course, facts about the world."""

from __future__ import annotations

import functools
from typing import Any

from .. import texts
from ..fill import careless, plain
from ..sample import Check, Draw, Sample, ask

HELD_OUT = {"first_words": 2, "course_facts": 2, "world_facts": 1}  # the last so many wordings of each item


def first_words(draw: Draw) -> list[Sample]:
    """Greetings, thanks, "who are you", and what a tiny model cannot do: one of the answers written for it."""
    found = texts.items("first_words", "item")
    if not found:
        return []
    item = draw.random.choice(found)
    answers = tuple(item["answer"][draw.lang])
    question = _question(draw, "first_words", item)
    return [Sample(ask(question), draw.random.choice(answers), Check("equals", tuple(sorted(_answers()[_bare(question)].union(answers)))))]


def course_facts(draw: Draw) -> list[Sample]:
    """A fact about running models locally, asked in one of many ways."""
    found = texts.items("course_facts", "fact")
    if not found:
        return []
    fact = draw.random.choice(found)
    check = Check("mentions", tuple(fact["key"][draw.lang]))
    return [Sample(ask(_question(draw, "course_facts", fact)), fact["answer"][draw.lang], check)]


def world_facts(draw: Draw) -> list[Sample]:
    """A capital, a colour, an opposite: a family of facts, and one pair of it."""
    found = texts.items("world_facts", "family")
    if not found:
        return []
    family = draw.random.choices(found, [len(family["pairs"]) for family in found])[0]
    key, value = draw.random.choice(family["pairs"])[draw.lang]
    question = _question(draw, "world_facts", family).replace("{k}", key).replace("{v}", value)
    answer = family["answer"][draw.lang].replace("{k}", key).replace("{v}", value)
    return [Sample(ask(question), answer[:1].upper() + answer[1:], Check("holds", (value,)))]


def _question(draw: Draw, file: str, item: dict[str, Any]) -> str:
    wordings = item[draw.lang]
    if "wordings" in draw.new:
        return str(draw.random.choice(wordings[-HELD_OUT[file] :]))
    return careless(draw.random.choice(_trained(file, draw.lang, tuple(wordings))), draw.random)


@functools.cache
def held_out_questions(file: str, lang: str) -> frozenset[str]:
    """Every held-out wording of a file, in plain letters."""
    name = {"first_words": "item", "course_facts": "fact", "world_facts": "family"}[file]
    return frozenset(_bare(w) for item in texts.items(file, name) for w in item[lang][-HELD_OUT[file] :])


@functools.cache
def _trained(file: str, lang: str, wordings: tuple[str, ...]) -> tuple[str, ...]:
    """The wordings of an item that may be trained on: none that is held out for this or another item."""
    held_out = held_out_questions(file, lang)
    kept = tuple(w for w in wordings if _bare(w) not in held_out)
    return kept or wordings[:1]


def _bare(wording: str) -> str:
    return "".join(c for c in plain(wording) if c.isalnum() or c in "{}")


@functools.cache
def _answers() -> dict[str, frozenset[str]]:
    """First words in plain letters -> the answers of every item that is asked in them."""
    found: dict[str, frozenset[str]] = {}
    for item in texts.items("first_words", "item"):
        for lang in ("en", "es"):
            for wording in item[lang]:
                found[_bare(wording)] = found.get(_bare(wording), frozenset()) | frozenset(item["answer"][lang])
    return found
