"""A text that a model continues token by token, with what else could have come at each place. No widget: `token_lens` shows it."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..backends._desk import CancelledError
from ..backends._logits import Reading
from ..backends.base import Model
from ..chat import Message, Options, as_messages
from ..errors import CapabilityError
from ..sampling import Place, look

MOST_TOKENS = 64  # each place keeps the logits of the whole vocabulary


@dataclass(frozen=True)
class Step:
    """A token of the text.

    Attributes
    ----------
    token : int
        Position in the logits of its place; for a model in this process its id.
    text : str
    probability : float
        As the model computed it, before any sampling option.
    rank : int
        1 for the likeliest.
    """

    token: int
    text: str
    probability: float
    rank: int


class Walk:
    """The text after a prompt, as tokens, and the place before each and after the last.

    Parameters
    ----------
    model : Model
    prompt : str, Message, dict or list of them
    system : str
    seed : int or None
        For drawing; None draws anew each time.

    Attributes
    ----------
    steps : list of Step
    places : list of Place
        One more than steps, unless the last step ends the answer.
    """

    def __init__(self, model: Model, prompt: str | list[Message], system: str = "", seed: int | None = None) -> None:
        self.model, self.system = model, system
        self.messages = as_messages(prompt, system)
        self.seed = seed
        self.steps: list[Step] = []
        self.places: list[Place] = []
        self._random = np.random.default_rng(seed)

    @property
    def text(self) -> str:
        """What the tokens say together."""
        return "".join(step.text for step in self.steps)

    @property
    def ended(self) -> bool:
        """Whether the last token ended the answer, or no more are kept."""
        return len(self.places) <= len(self.steps) or self.full

    @property
    def full(self) -> bool:
        """Whether no more tokens are kept."""
        return len(self.steps) >= MOST_TOKENS

    def begin(self) -> Place:
        """Compute the first place."""
        self.steps.clear()
        self.places[:] = [look(self.model, list(self.messages))]
        return self.places[0]

    def take(self, index: int, token: int, options: Options, cancelled: threading.Event | None = None) -> None:
        """Cut the text before place `index`, let this token follow, and compute what may come then."""
        self._needs_logits()
        del self.steps[index:], self.places[index + 1 :]
        first = [token]
        self._go(1, lambda place: first.pop(), options, cancelled or threading.Event(), lambda: None)

    def back(self, count: int) -> None:
        """Keep the first `count` tokens."""
        del self.steps[count:], self.places[count + 1 :]

    def generate(
        self, count: int, options: Options, cancelled: threading.Event | None = None, arrived: Callable[[], object] = lambda: None
    ) -> None:
        """Draw up to `count` tokens under the options; `arrived` is called after each."""
        self._needs_logits()
        self._go(count, lambda place: self._draw(place, options), options, cancelled or threading.Event(), arrived)

    def _draw(self, place: Place, options: Options) -> int:
        chances = place.after(options)
        return int(self._random.choice(len(chances), p=chances))

    def _needs_logits(self) -> None:
        if not self.places[0].whole:
            what = f"{self.model.engine} cannot be asked for the middle of an answer."
            raise CapabilityError(what, fix='Load the model here: load("mini-m").')

    def _go(
        self, count: int, choose: Callable[[Place], int], options: Options, cancelled: threading.Event, arrived: Callable[[], object]
    ) -> None:
        if self.ended:
            return
        model, tokens = self.model, [step.token for step in self.steps]
        with Reading(model, self.messages, tokens, options, cancelled) as reading:  # type: ignore[arg-type]
            for _ in range(count):
                place = self.places[-1]
                step = self._step(place, choose(place))
                goes_on = reading.take(step.token)
                if goes_on:
                    try:
                        logits = reading.look()
                    except CancelledError:
                        return
                    self.places.append(replace(place, logits=logits, previous=tuple(reading.ids), prompt_tokens=len(reading.ids)))
                self.steps.append(step)
                arrived()
                if not goes_on or self.ended or cancelled.is_set():
                    return

    @staticmethod
    def _step(place: Place, token: int) -> Step:
        chances = place.probabilities()
        return Step(token, place.names(token), float(chances[token]), int((chances > chances[token]).sum()) + 1)


def visible(token: str) -> str:
    """A token for display: spaces and line breaks as signs, what has no shape as its code.

    >>> visible(" the")
    '␣the'
    >>> visible("a\\u202e\\x1b")
    'a\\\\u202e\\\\x1b'
    """
    signs = {" ": "␣", "\n": "↵", "\t": "⇥"}
    return "".join(signs.get(c) or (c if unicodedata.category(c)[0] != "C" else c.encode("unicode_escape").decode()) for c in token) or "∅"
