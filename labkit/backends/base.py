"""`Model`: what every engine can be asked, and `Stream`: a reply while it arrives.

An adapter writes one generator, `Model._events`: it yields what it sends (`Sent`), then pieces of text (`Delta`), then how it ended
(`End`). Deadline, cancel, timing and the `Reply` are made here, once, for every engine.
"""

from __future__ import annotations

import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..chat import Chunk, Message, Options, Reply, Sent, Timing, Usage, as_messages
from ..errors import CapabilityError, GenerationTimeoutError, ModelClosedError, OptionError, UnexpectedResponseError
from .many import Many

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Prompt = str | Message | Mapping[str, Any] | Sequence[Message | Mapping[str, Any]]


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


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model before it is loaded.

    Attributes
    ----------
    name : str
        What `load` takes.
    engine : str
        'llama.cpp', 'Ollama' or 'OpenAI-compatible'.
    kind : str
        'chat', 'embedding', or '' where the engine does not tell.
    size : int or None
        Bytes of the weights on disk.
    parameters : int or None
    quantization : str
    context_window : int or None
        Tokens it was trained for.
    memory : int or None
        Bytes predicted for weights, KV cache and buffers.
    fits : bool or None
        Whether that is there now; None where it runs elsewhere or cannot be told.
    note : str
    """

    name: str
    engine: str
    kind: str = ""
    size: int | None = None
    parameters: int | None = None
    quantization: str = ""
    context_window: int | None = None
    memory: int | None = None
    fits: bool | None = None
    note: str = ""


class Model(Many, ABC):
    """A model that is ready to answer, whatever engine runs it.

    Attributes
    ----------
    name : str
        What `load` was given.
    engine : str
        Engine and version, as in 'Ollama 0.24.0'.
    context_window : int or None
        Tokens that prompt and answer may take together; None where the server does not tell.
    keeps_text : bool
        Whether the name of a control token inside a message (``<|im_end|>``) is always read as text.
    counts_fast : bool
        Whether `count_tokens` costs next to nothing.
    """

    name: str
    engine: str
    context_window: int | None
    keeps_text = False
    counts_fast = False
    _last: Reply | None = None
    _latest: weakref.ref[Stream] | None = None
    _closed = False

    @property
    def last_reply(self) -> Reply | None:
        """The latest reply, whole or cut short: what is at hand after Ctrl-C, even where that struck between two chunks."""
        stream = self._latest() if self._latest else None
        return self._last if stream is None or stream.reply is not None else stream.so_far()

    @last_reply.setter
    def last_reply(self, reply: Reply) -> None:
        self._last, self._latest = reply, None

    # -- what a notebook calls ------------------------------------------------------------------------------------------------

    def chat(self, prompt: Prompt, *, system: str = "", options: Options | None = None, **changes: Any) -> Reply:
        """Answer a text or a conversation.

        Parameters
        ----------
        prompt : str, Message, dict or list of them
        system : str
            A system message to put first.
        options : Options
            Where to start from; by default `Options()`.
        **changes
            Options by name: ``temperature=0, max_tokens=50, seed=1``.

        Returns
        -------
        Reply

        Raises
        ------
        OptionError, ContextWindowExceededError, GenerationTimeoutError, ServerNotRunningError, ...
            See `labkit.errors`.
        """
        return self.stream(prompt, system=system, options=options, **changes).finish()

    def stream(self, prompt: Prompt, *, system: str = "", options: Options | None = None, **changes: Any) -> Stream:
        """The same as `chat`, piece by piece: iterate over the chunks, then read `.reply`."""
        return self._start(as_messages(prompt, system), None, options, changes)

    def generate(self, prompt: str, *, options: Options | None = None, **changes: Any) -> Reply:
        """Continue a text as it is, without a chat template. Options as in `chat`."""
        return self.stream_text(prompt, options=options, **changes).finish()

    def stream_text(self, prompt: str, *, options: Options | None = None, **changes: Any) -> Stream:
        """The same as `generate`, piece by piece."""
        if not isinstance(prompt, str) or not prompt:
            raise OptionError("There is no text to continue.", fix="Give generate() a text of at least one character.")
        Message("user", prompt)  # the same checks of the text
        return self._start((), prompt, options, changes)

    def embed(self, texts: str | Sequence[str]) -> NDArray[np.float32]:
        """One vector of length 1 for each text.

        Parameters
        ----------
        texts : str or sequence of str

        Returns
        -------
        ndarray of float32, shape (number of texts, dimension)

        Raises
        ------
        CapabilityError
            When the model does not embed.
        ContextWindowExceededError
            When a text does not fit: nothing is cut.
        """
        raise CapabilityError(f"Model {self.name!r} ({self.engine}) does not embed.", fix='Take an embedding model: load("mini-embed").')

    def count_tokens(self, prompt: Prompt) -> int:
        """Tokens of a text, or of a conversation with its chat template."""
        raise CapabilityError(f"{self.engine} does not count tokens before it answers.", fix="Read reply.usage.prompt_tokens afterwards.")

    def render(self, prompt: Prompt, *, system: str = "") -> str:
        """The prompt as the model gets it, chat template included."""
        raise CapabilityError(f"{self.engine} does not show the rendered prompt.")

    @abstractmethod
    def info(self) -> ModelInfo:
        """What is known of the model: size, quantization, context window, memory."""

    def close(self) -> None:
        """Give back what the model holds. Calling it again does nothing."""
        self._closed = True

    # -- what an adapter writes -----------------------------------------------------------------------------------------------

    @abstractmethod
    def _events(self, request: Request) -> Events:
        """Yield Sent, then Delta after Delta, then End. Its `finally` must leave the engine usable."""

    def _start(self, messages: tuple[Message, ...], prompt: str | None, options: Options | None, changes: dict[str, Any]) -> Stream:
        self._check_open()
        full = Options.of(options, **changes)
        return Stream(self, Request(messages, prompt, full.with_seed(), time.monotonic() + full.timeout, seed_drawn=full.seed is None))

    def _check_open(self) -> None:
        if self._closed:
            raise ModelClosedError(f"Model {self.name!r} was closed.", fix=f'Load it again: load("{self.name}").')

    def __enter__(self) -> Model:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        window = f", context window {self.context_window}" if self.context_window else ""
        return f"<{self.name} on {self.engine}{window}{', closed' if self._closed else ''}>"


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
