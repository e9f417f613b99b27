"""What a skill yields: a conversation, the answer that it teaches, and how evaluation judges another answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from ...chat import Message
from .fill import Filler

START, END = "<|im_start|>", "<|im_end|>"  # marks of the chat template


@dataclass(frozen=True)
class Check:
    """How an answer is judged.

    Attributes
    ----------
    kind : {'equals', 'holds', 'mentions', 'json', 'story'}
        'equals' one of the values; 'holds' every value as whole words; 'mentions' every value, also as part of a word; 'json' parses to
        the same; 'story' holds every value in two sentences or more.
    values : tuple of str
        What it is compared with. Case, spaces and the last full stop do not count.
    passage : int or None
        Number of the passage that must be cited.
    """

    kind: str
    values: tuple[str, ...]
    passage: int | None = None

    def right(self, text: str) -> bool:
        """Whether an answer is right; a citation is judged apart."""
        given = normal(text)
        match self.kind:
            case "equals":
                return given in map(normal, self.values)
            case "holds":
                return all(holds(given, normal(value)) for value in self.values)
            case "mentions":
                return all(normal(value) in given for value in self.values)
            case "json":
                try:
                    return bool(json.loads(text) == json.loads(self.values[0]))
                except ValueError:
                    return False
            case "story":
                return all(holds(given, normal(value)) for value in self.values) and len(re.findall(r"[.!?]", text)) >= 2
        raise ValueError(f"Check kind {self.kind!r} is unknown.")

    def cites(self, text: str) -> bool:
        """Whether an answer cites the right passage and no other."""
        return re.findall(r"\[(\d+)\]", text) == [str(self.passage)]


def holds(text: str, value: str) -> bool:
    """Whether a text holds a value as whole words: 'Pablox' does not hold 'Pablo'."""
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) is not None


def normal(text: str) -> str:
    """Lower case, single spaces, no full stop at the end, no citation."""
    return " ".join(re.sub(r"\s*\[\d+\]", "", text).lower().split()).rstrip(".")


@dataclass(frozen=True)
class Sample:
    """One thing to learn.

    Attributes
    ----------
    messages : tuple of Message
        The conversation up to the answer.
    answer : str
        What the model learns to say.
    check : Check
        How another answer is judged.
    """

    messages: tuple[Message, ...]
    answer: str
    check: Check


@dataclass
class Draw:
    """What a skill draws from.

    Attributes
    ----------
    random : random.Random
        Where chance comes from.
    lang : {'en', 'es'}
        Language of the sample.
    progress : float
        Share of the training that is done: contexts grow over its first half. Evaluation uses 1.
    new : frozenset of str
        What must be new to the model: 'names', 'wordings', 'documents', 'domains'. Empty in training.
    """

    random: Random
    lang: str
    progress: float = 1.0
    new: frozenset[str] = frozenset()
    fill: Filler = field(init=False)

    def __post_init__(self) -> None:
        self.fill = Filler(self.random, "names" in self.new)

    def wording(self, wordings: tuple[str, ...] | list[str], held_out: int = 1) -> str:
        """One of the wordings; the last `held_out` of them only where wordings must be new."""
        wordings = list(wordings)
        kept = max(1, len(wordings) - held_out)
        return self.random.choice(wordings[kept:] or wordings[-1:] if "wordings" in self.new else wordings[:kept])


def ask(text: str, system: str = "") -> tuple[Message, ...]:
    """A conversation of one user message, with a system message where given."""
    return (*([Message("system", system)] if system else []), Message("user", text))


def render(messages: Iterable[Message], reply: bool = True) -> str:
    """The conversation as the model reads it: what `labkit.prompts.CHAT_TEMPLATE` gives, without a template engine."""
    text = "".join(f"{START}{m.role}\n{m.content}{END}\n" for m in messages)
    return text + f"{START}assistant\n" if reply else text
