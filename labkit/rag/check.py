"""Whether an answer is held up by what it cites: by its words and numbers, which is not the same as by its meaning."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .. import prompts
from ..wording import say
from . import words

ENOUGH = 0.75  # share of a sentence's words that its passage must hold
CITE = re.compile(r"\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]")


@dataclass(frozen=True)
class Check:
    """One sentence of an answer against the passages that it cites.

    Attributes
    ----------
    sentence : str
    cites : tuple of int
        Numbers of the passages, as the answer gives them.
    supported : bool
        Whether the passages hold its numbers, and at least three quarters of its words.
    share : float
        Of its words that they hold.
    missing : tuple of str
        Words and numbers that they do not hold.
    problem : str
        In words; empty where it is supported.
    """

    sentence: str
    cites: tuple[int, ...]
    supported: bool
    share: float
    missing: tuple[str, ...] = ()
    problem: str = ""


def citations(text: str) -> list[int]:
    """The numbers that a text cites, in order.

    >>> citations("It opens at nine [2]. Cats may not come in [1, 3].")
    [2, 1, 3]
    """
    return [int(number) for match in CITE.finditer(text) for number in re.findall(r"\d+", match[1])]


def says_nothing(text: str) -> bool:
    """Whether an answer says that the passages do not say, in either language, and nothing else.

    >>> says_nothing("The passages do not say."), says_nothing("Los pasajes no lo dicen [1]."), says_nothing("At nine [1].")
    (True, True, False)
    """
    sentences = [_plain(text[start:end]) for start, end in words.sentences(text)]
    said = [sentence for sentence in sentences if sentence]
    return bool(said) and all(sentence in map(_plain, prompts.NO_ANSWER.values()) for sentence in said)


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", " ", words.plain(CITE.sub(" ", text))).split())


def check(text: str, passages: Sequence[str], lang: str = "en") -> list[Check]:
    """Each sentence of an answer against the passages that it cites.

    A sentence without a number of its own belongs to the next one that has one; where the answer begins with a number, to the last
    one before. Words, not meanings, are compared: a sentence that says
    the opposite in the same words passes, and one that says the same in other words may not.

    Parameters
    ----------
    text : str
        The answer.
    passages : sequence of str
        As they were numbered, from 1.
    lang : {'en', 'es'}
        In which a problem is told.

    >>> [c.supported for c in check("It opens at 9:30 [1]. It closes at 8 [1].", ["The library opens at 9:30 and closes at 18."])]
    [True, False]
    >>> [c.cites for c in check("[2] It opens at 9:30. It closes at 18.", ["Cats.", "It opens at 9:30. It closes at 18."])]
    [(2,), (2,)]
    """
    spans = words.sentences(CITE.sub(lambda match: match[0], text))
    sentences = [text[start:end] for start, end in spans]
    merged: list[str] = []
    for sentence in sentences:  # "It opens at nine. [1]": the number alone is no sentence
        if merged and not words.tokens(CITE.sub(" ", sentence)) and citations(sentence):
            merged[-1] += " " + sentence
        else:
            merged.append(sentence)
    found = []
    for place, sentence in enumerate(merged):
        others = merged[place::-1] if CITE.match(text.lstrip()) else merged[place:]
        cites = next(filter(None, map(citations, others)), [])
        if words.tokens(CITE.sub(" ", sentence)) and not says_nothing(sentence):
            found.append(_one(sentence, tuple(dict.fromkeys(cites)), passages, lang))
    return found


def _one(sentence: str, cites: tuple[int, ...], passages: Sequence[str], lang: str) -> Check:
    wanted = list(dict.fromkeys(words.tokens(CITE.sub(" ", sentence))))
    wrong = [number for number in cites if not 1 <= number <= len(passages)]
    if not cites:
        return Check(sentence, cites, False, 0.0, (), say("it cites no passage", lang))
    if wrong:
        return Check(sentence, cites, False, 0.0, (), say("there is no passage [{number}]", lang, number=wrong[0]))
    there = {word for number in cites for word in _all(passages[number - 1])}
    missing = tuple(word for word in wanted if word not in there)
    share = 1 - len(missing) / len(wanted)
    numbers = [word for word in missing if word[0].isdigit()]
    problem = ""
    if numbers:
        problem = say("the passage does not hold {words}", lang, words=", ".join(numbers))
    elif share < ENOUGH:
        problem = say("the passage does not hold: {words}", lang, words=", ".join(missing[:5]))
    return Check(sentence, cites, not problem, share, missing, problem)


def _all(passage: str) -> set[str]:
    """Words of a passage, and full hours as people say them: 9:00 holds 9."""
    found = set(words.tokens(passage))
    return found | {word[:-3] for word in found if word.endswith((":00", ".00"))}
