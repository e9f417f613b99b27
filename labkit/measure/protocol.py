"""How every speed in the kit is taken: warm-up, repeats, and cold, warm and cached kept apart.

- Cold: the model is given back and loaded again before the reply.
- Warm: the model is in memory and has answered before, but the engine has not seen this prompt. Where it keeps prompts (Ollama always
  does), a random number is put in front of each, as `ollama bench` and `llama-bench` avoid the cache too.
- Cached: the same prompt again. No prompt rate is given then: divided by the time for the few new tokens, it would be absurd.

Greedy with a fixed seed by default, so that every repeat writes the same text and only the machine varies.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..backends.base import Model, Prompt
from ..chat import Message, Options, Reply, as_messages
from ..errors import LabError, OptionError
from ..wording import say
from . import memory as memories
from .measurement import STATES, Measurement, Run
from .provenance import provenance

Messages = tuple[Message, ...]


def measure(
    model: Model,
    prompt: Prompt,
    repeats: int = 5,
    warmup: int = 1,
    *,
    states: Sequence[str] = STATES,
    cold_repeats: int = 1,
    options: Options | None = None,
    **changes: Any,
) -> Measurement:
    """Measure how fast a model answers, and what memory it takes.

    Parameters
    ----------
    model : Model
    prompt : str, Message, dict or list of them
    repeats : int
        Replies for each of 'warm' and 'cached'.
    warmup : int
        Replies before them that do not count.
    states : sequence of {'cold', 'warm', 'cached'}
        Which to measure. What an engine cannot be asked for is left out, and `notes` says why.
    cold_repeats : int
        How often the model is loaded again.
    options : Options
        Where to start from; by default temperature 0, seed 0 and 64 tokens.
    **changes
        Options by name.

    Returns
    -------
    Measurement
    """
    unknown = [state for state in states if state not in STATES]
    if unknown or not states or repeats < 1 or warmup < 0 or cold_repeats < 1:
        raise OptionError(
            f"states={list(states)!r}, repeats={repeats}, warmup={warmup}, cold_repeats={cold_repeats}: that cannot be measured.",
            fix=f"States are {', '.join(STATES)}; at least one repeat.",
        )
    full = Options.of(options or Options(temperature=0, seed=0, max_tokens=64), **changes).with_seed()
    session = _Session(model, as_messages(prompt), full)
    if "cold" in states:  # outside the watch: for a moment it needs the memory of a second model
        for _ in range(cold_repeats):
            session.cold()
    with memories.PeakMemory() as watch:
        for _ in range(warmup):
            session.ask(session.fresh())
        if "warm" in states:
            for _ in range(repeats):
                session.take("warm", session.fresh())
        if "cached" in states:
            session.cached(repeats)
    if not session.runs:
        raise OptionError(
            f"Nothing of {', '.join(states)} can be measured on {model.engine}.", " ".join(session.notes), 'Add "warm" to states.'
        )
    return session.measurement(watch)


class _Session:
    """One measurement under way."""

    def __init__(self, model: Model, messages: Messages, options: Options) -> None:
        self.model, self.messages, self.options = model, messages, options
        self.runs: list[Run] = []
        self.notes: list[str] = []
        self.last: Reply | None = None
        self._keeps: bool | None = None  # whether the engine keeps prompts

    def ask(self, messages: Messages, model: Model | None = None) -> Reply:
        self.last = (model or self.model).chat(messages, options=self.options)
        return self.last

    def take(self, state: str, messages: Messages) -> None:
        """One reply that counts."""
        self.runs.append(Run.of(state, self.ask(messages)))

    def fresh(self) -> Messages:
        """The prompt as the engine has not seen it."""
        if not self._keeps_prompts():
            return self.messages
        self._note("In front of each warm prompt stands a random number, so that the engine does not know it.")
        first, *others = self.messages
        return (replace(first, content=f"{random.SystemRandom().randrange(100, 1000)}: {first.content}"), *others)

    def _keeps_prompts(self) -> bool:
        from ..backends.llama_cpp import LlamaCppModel

        if self._keeps is None:
            self._keeps = not isinstance(self.model, LlamaCppModel) or self.model._desk.reuse
        return self._keeps

    def cached(self, repeats: int) -> None:
        """The same prompt again and again."""
        if not self._keeps_prompts():
            self._note("Nothing is cached here: this model forgets each prompt (prefix_cache=False).")
            return
        self.ask(self.messages)
        for _ in range(repeats):
            self.take("cached", self.messages)
        self._note("Cached replies have no prompt rate: their prompt was hardly computed.")

    def cold(self) -> None:
        """A reply of a model that is not in memory yet."""
        from ..backends.llama_cpp import LlamaCppModel
        from ..backends.ollama import OllamaModel
        from ..backends.registry import load

        model = self.model
        if isinstance(model, OllamaModel):
            try:
                model.server.unload(model.name.removeprefix("ollama:").partition("@")[0])
            except LabError as error:
                self._note("Cold could not be measured: {error}", error=error)
                return
            self.take("cold", self.fresh())
        elif isinstance(model, LlamaCppModel) and model.recipe is not None:
            name, given = model.recipe
            start = time.perf_counter()
            try:
                other = load(name, **given)
            except LabError as error:  # not enough memory for a second one
                self._note("Cold could not be measured: {error}", error=error)
                return
            with other:
                loading = time.perf_counter() - start
                self.runs.append(Run.of("cold", self.ask(self.messages, other), loading))
            self._note("Cold: loaded a second time; the system may still hold the file in its own cache.")
        else:
            self._note("Cold could not be measured: {engine} cannot be told to give the model back.", engine=model.engine)

    def _note(self, english: str, **values: object) -> None:
        text = say(english, **values)
        if text not in self.notes:
            self.notes.append(text)

    def measurement(self, watch: memories.PeakMemory) -> Measurement:
        reported = memories.on_server(self.model)
        from ..backends.llama_cpp import LlamaCppModel

        memory: dict[str, Any] = {}
        if isinstance(self.model, LlamaCppModel):
            memory = {"peak": watch.peak, "growth": watch.growth, "source": "this process"}
        elif reported is not None:
            memory = {"server": reported.get("size"), "server_vram": reported.get("size_vram", 0), "source": "Ollama ps"}
        else:
            self._note("Memory is unknown: {engine} does not tell.", engine=self.model.engine)
        if any((run.completion_tokens or 0) < 8 for run in self.runs):
            self._note("Some replies are shorter than 8 tokens: their generation rate says little.")
        assert self.last is not None
        return Measurement(
            tuple(self.runs), memory, tuple(self.notes), dict(self.last.sent.request), provenance(self.model), self.last.text
        )
