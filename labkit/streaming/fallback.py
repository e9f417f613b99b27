"""`Fallback`: when a model fails, the next one answers, and the reply says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..backends.base import Events, Model, ModelInfo, Prompt, Request, Stream, timeout_error
from ..backends.registry import load
from ..chat import Options, Reply, Sent
from ..errors import BackendError, CapabilityError, ContextWindowExceededError, LabError, ModelClosedError, OptionError
from .wrapper import passed_on

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Another model would not be asked the same, or the fault is in the request: these are raised as they are.
STAYS = (ContextWindowExceededError, CapabilityError, ModelClosedError, OptionError)


class Fallback(Model):
    """Several models, the preferred one first: the first that can answers.

    It falls back where a server or model fails: nobody answers, the model is not there or does not fit, the queue is full, nothing comes
    in time. A failed one is not asked again for `pause` seconds. Which model answered is `reply.model`; which failed before it, and why,
    `reply.sent.request["failed"]`. Once text has been handed over by `stream`, a failure is raised: the words of one model are never
    continued by another. `chat` and `generate`, of whose text nobody has seen any, begin again with the next.

    Parameters
    ----------
    *models : Model or str
        A name is loaded when it is first needed, so that a server may be down when the notebook starts.
    pause : float
        Seconds for which a failed model is not asked.
    patience : float
        Seconds in which a model must begin to answer, the last one aside; by default its equal share of the deadline.

    Examples
    --------
    >>> model = Fallback("ollama:llama3.2:1b@http://127.0.0.1:9", "mini-m")
    >>> reply = model.chat("Hello!", temperature=0)
    >>> reply.model, list(reply.sent.request["failed"])
    ('mini-m', ['ollama:llama3.2:1b@http://127.0.0.1:9'])
    """

    def __init__(self, *models: Model | str, pause: float = 30.0, patience: float | None = None) -> None:
        if not models or not all(isinstance(model, Model | str) for model in models):
            raise OptionError("A Fallback needs models, or names of models.", fix='For example Fallback("ollama:llama3.2:1b", "mini-m").')
        if not pause >= 0 or (patience is not None and not patience > 0):
            raise OptionError(f"pause={pause!r}, patience={patience!r} are no durations.", fix="They are seconds.")
        self._places = [_Place(model, model if isinstance(model, str) else model.name) for model in models]
        self.pause, self.patience = pause, patience
        self.name = ", else ".join(place.name for place in self._places)
        self.engine, self.context_window = "Fallback", None
        if isinstance(models[0], Model):
            self.engine, self.context_window, self.at_once = models[0].engine, models[0].context_window, models[0].at_once

    def chat(self, prompt: Prompt, *, system: str = "", options: Options | None = None, **changes: Any) -> Reply:
        return self._again(lambda: self.stream(prompt, system=system, options=options, **changes))

    def generate(self, prompt: str, *, options: Options | None = None, **changes: Any) -> Reply:
        return self._again(lambda: self.stream_text(prompt, options=options, **changes))

    def _again(self, start: Any) -> Reply:
        """Finish a stream; where it breaks off in mid-text, begin anew: the one that failed now waits."""
        for _ in self._places[1:]:
            stream: Stream = start()
            try:
                return stream.finish()
            except STAYS:
                raise
            except BackendError:
                if not stream.text and not stream.thinking:  # then every one was asked
                    raise
        last: Stream = start()
        return last.finish()

    def _events(self, request: Request) -> Events:
        failed: dict[str, str] = {}
        for place, left in self._order(failed):
            share = (request.deadline - time.monotonic()) / (left + 1) if self.patience is None else self.patience
            patience = _Patience(request.cancelled, share if left else None)
            try:
                model = self._loaded(place)
                stream = Stream(model, replace(request, cancelled=patience))
                first = next(stream, None)
                if patience.over and not request.cancelled.is_set():
                    stream.close()
                    raise timeout_error(share, who="The beginning of the reply")
                patience.end()
            except STAYS:
                raise
            except LabError as error:
                failed[place.name] = f"{type(error).__name__}: {error}"
                place.fail(failed[place.name])
                continue
            place.down = None
            sent = stream.so_far().sent if stream.reply is None else stream.reply.sent
            more = {"served_by": sent.request.get("served_by", model.name)} | ({"failed": dict(failed)} if failed else {})
            try:
                yield from passed_on(stream, Sent(sent.engine, dict(sent.request) | more, sent.ignored, sent.prompt), first)
            except BackendError as error:
                if not isinstance(error, STAYS):
                    place.fail(f"{type(error).__name__}: {error}")
                raise
            finally:
                stream.close()
            return
        reasons = " ".join(f"{name}: {why}" for name, why in failed.items())
        raise BackendError(
            f"None of the {len(self._places)} models answered. {reasons}", fix="Start one of the servers, or add one that runs here."
        )

    def _order(self, failed: dict[str, str]) -> Sequence[tuple[_Place, int]]:
        """Whom to ask, each with the number of those after it; all, where every one is waiting."""
        now = time.monotonic()
        ready = [place for place in self._places if place.down is None or now - place.down.since >= self.pause]
        for place in self._places if ready else ():
            if place not in ready and place.down is not None:
                failed[place.name] = f"not asked: it failed {now - place.down.since:.0f} s ago ({place.down.why})"
        chosen = ready or self._places
        return [(place, len(chosen) - number - 1) for number, place in enumerate(chosen)]

    def _loaded(self, place: _Place) -> Model:
        with place.lock:
            if isinstance(place.model, str):
                place.model = load(place.model)
            return place.model

    def _first(self) -> Model:
        """The first model that can be had."""
        problem: LabError | None = None
        for place in self._places:
            try:
                return self._loaded(place)
            except STAYS:
                raise
            except LabError as error:
                problem = problem or error
        assert problem is not None
        raise problem

    def embed(self, texts: str | Sequence[str]) -> NDArray[np.float32]:
        raise CapabilityError("A Fallback does not embed.", "Vectors of two models cannot be compared.", "Embed with one model.")

    def count_tokens(self, prompt: Prompt) -> int:
        self._check_open()
        return self._first().count_tokens(prompt)

    def render(self, prompt: Prompt, *, system: str = "") -> str:
        self._check_open()
        return self._first().render(prompt, system=system)

    def info(self) -> ModelInfo:
        return self._first().info()

    def close(self) -> None:
        super().close()
        for place in self._places:
            if isinstance(place.model, Model):
                place.model.close()

    def __repr__(self) -> str:
        return f"Fallback({', '.join(repr(place.name) for place in self._places)})"


@dataclass(frozen=True)
class _Down:
    since: float
    why: str


class _Place:
    """One of the models, or the name that it will be loaded by."""

    def __init__(self, model: Model | str, name: str) -> None:
        self.model, self.name = model, name
        self.down: _Down | None = None
        self.lock = threading.Lock()

    def fail(self, why: str) -> None:
        self.down = _Down(time.monotonic(), why)


class _Patience(threading.Event):
    """Cancels a request when its own is cancelled, or when nothing has come for too long; without a thread, since engines look often."""

    def __init__(self, outer: threading.Event, seconds: float | None) -> None:
        super().__init__()
        self._outer = outer
        self._limit = None if seconds is None else time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self._limit is not None and time.monotonic() > self._limit

    def end(self) -> None:
        """The first text is there: from here on only the deadline counts."""
        self._limit = None

    def is_set(self) -> bool:
        return super().is_set() or self._outer.is_set() or self.over
