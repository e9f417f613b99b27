"""`Stream`: a reply while it arrives, and the values that an adapter makes it from.

Deadline, cancel, timing and the `Reply` are made here, once, for every engine.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..chat import Chunk, Message, Options, Reply, Sent, Timing, Usage
from ..errors import GenerationTimeoutError, UnexpectedResponseError

if TYPE_CHECKING:
    from .base import Model


@dataclass(frozen=True)
class Request:
    """One generation, checked and complete.

    Attributes
    ----------
    messages : tuple of Message
        The conversation; empty for a raw prompt.
    prompt : str or None
        Text to continue as it is, without a chat template.
    options : Options
        With a seed.
    deadline : float
        `time.monotonic()` at which the reply must be whole.
    cancelled : threading.Event
        Set when nobody wants the rest.
    seed_drawn : bool
        The seed is labkit's: nobody asked for this one.
    """

    messages: tuple[Message, ...]
    prompt: str | None
    options: Options
    deadline: float
    cancelled: threading.Event = field(default_factory=threading.Event)
    seed_drawn: bool = False

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline, at least a millisecond, so that it can be given to a socket."""
        return max(0.001, self.deadline - time.monotonic())

    def check_deadline(self, partial: str = "") -> None:
        """Raise GenerationTimeoutError when the deadline has passed."""
        if time.monotonic() > self.deadline:
            raise timeout_error(self.options.timeout, partial)


def timeout_error(seconds: float, partial: str = "", who: str = "The reply") -> GenerationTimeoutError:
    """The error of a deadline that passed, with the text that had arrived."""
    error = GenerationTimeoutError(
        f"{who} was not complete after {seconds:g} s.",
        _arrived(partial),
        "Give it longer (timeout=600), ask for less (max_tokens=100), or take a smaller model.",
    )
    error.partial = partial
    return error


def _arrived(partial: str) -> str:
    return f"{len(partial)} characters had arrived." if partial else "Nothing had arrived."


@dataclass(frozen=True)
class Delta:
    """A piece of text from an engine, whole characters only."""

    text: str = ""
    thinking: str = ""


@dataclass(frozen=True)
class End:
    """How a generation ended, in labkit's names; durations in seconds, where the engine tells."""

    finish_reason: str
    usage: Usage = Usage()
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    load_duration: float | None = None
    prompt_duration: float | None = None
    generation_duration: float | None = None
    tokens_per_second: float | None = None


Events = Generator[Sent | Delta | End, None, None]


class Stream(Iterator[Chunk]):
    """A reply while it arrives: an iterator of chunks.

    Attributes
    ----------
    text, thinking : str
        What has arrived.
    reply : Reply or None
        The reply, once it ended: by itself, by `cancel()`, by Ctrl-C or by an error.
    """

    def __init__(self, model: Model, request: Request) -> None:
        self._model, self._request = model, request
        self._start = time.perf_counter()
        self._first: float | None = None
        self._last: float | None = None
        self._sent = Sent(model.engine)
        self._events = model._events(request)
        self.text, self.thinking = "", ""
        self.reply: Reply | None = None
        self._ref = model._latest = weakref.ref(self)

    def __next__(self) -> Chunk:
        if self.reply is not None:
            raise StopIteration
        try:
            while not self._request.cancelled.is_set():
                event = next(self._events, None)
                if isinstance(event, Sent):
                    self._sent = event
                elif isinstance(event, End):
                    self._end(event)
                    raise StopIteration
                elif event is None:
                    raise UnexpectedResponseError(f"{self._model.engine} stopped without saying how it ended.")
                elif event.text or event.thinking:
                    chunk = self._chunk(event)
                    self._request.check_deadline(self.text)
                    return chunk
            self._cut("cancelled")
            raise StopIteration
        except StopIteration:
            raise
        except BaseException as error:  # Ctrl-C as well: what has arrived stays in hand
            if isinstance(error, GenerationTimeoutError | UnexpectedResponseError) and not error.partial:
                error.partial = self.text
                if isinstance(error, GenerationTimeoutError):
                    error.cause = _arrived(self.text)
            self._cut("cancelled" if isinstance(error, KeyboardInterrupt) else "error")
            raise

    def _chunk(self, delta: Delta) -> Chunk:
        self._last = time.perf_counter()
        self._first = self._first or self._last
        self.text += delta.text
        self.thinking += delta.thinking
        return Chunk(delta.text, delta.thinking, self._last - self._start)

    def finish(self) -> Reply:
        """Wait for the end and return the whole reply."""
        for _ in self:
            pass
        assert self.reply is not None
        return self.reply

    def cancel(self) -> None:
        """Ask for no more; from any thread. `reply` then holds what had arrived."""
        self._request.cancelled.set()

    def close(self) -> None:
        """End now and free the engine. `reply` then holds what had arrived."""
        if self.reply is None:
            self._cut("cancelled")

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        ref = getattr(self, "_ref", None)
        if ref is not None and self.reply is None:
            self._events.close()
            if self._model._latest is ref:
                self._model.last_reply = self.so_far()

    def _cut(self, reason: str) -> None:
        self._request.cancelled.set()
        self._events.close()
        self._end(End(reason))

    def so_far(self) -> Reply:
        """What has arrived, as a reply that was cut short here."""
        return self._made(End("cancelled"))

    def _end(self, end: End) -> None:
        self.reply = self._made(end)
        self._model.last_reply = self.reply

    def _made(self, end: End) -> Reply:
        now = time.perf_counter()
        generation, speed = end.generation_duration, end.tokens_per_second
        if self._first is not None and self._last is not None:
            generation = generation if generation is not None else self._last - self._first
            count = end.usage.completion_tokens
            if speed is None and count and count > 1 and self._last > self._first:
                speed = (count - 1) / (self._last - self._first)
        return Reply(
            self.text,
            str(self._sent.request.get("served_by", self._model.name)),  # a Fallback has several
            end.finish_reason,
            end.usage,
            Timing(
                total_duration=now - self._start,
                time_to_first_token=None if self._first is None else self._first - self._start,
                load_duration=end.load_duration,
                prompt_duration=end.prompt_duration,
                generation_duration=generation,
                tokens_per_second=speed,
            ),
            self._sent,
            self.thinking,
            end.tool_calls,
        )
