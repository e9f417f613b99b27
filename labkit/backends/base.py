"""`Model`: what every engine can be asked.

An adapter writes one generator, `Model._events`: it yields what it sends (`Sent`), then pieces of text (`Delta`), then how it ended
(`End`). What is done with them, once for every engine, is `stream.py`.
"""

from __future__ import annotations

import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..chat import Message, Options, Reply, as_messages
from ..errors import CapabilityError, ModelClosedError, OptionError
from ..wording import say
from .many import Many
from .stream import Delta as Delta
from .stream import End as End
from .stream import Events as Events
from .stream import Request as Request
from .stream import Stream as Stream
from .stream import timeout_error as timeout_error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Prompt = str | Message | Mapping[str, Any] | Sequence[Message | Mapping[str, Any]]


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
        said = say("{model} on {engine}", model=self.name, engine=self.engine)
        window = say(", context window {window}", window=self.context_window) if self.context_window else ""
        return f"<{said}{window}{say(', closed') if self._closed else ''}>"
