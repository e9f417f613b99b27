"""Models that run inside this process: any GGUF file, through llama.cpp."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from .. import chat, machine
from ..chat import Message, Sent, Usage, as_messages
from ..errors import CapabilityError, ContextWindowExceededError, OptionError
from . import memory, probe
from ._desk import CancelledError, Desk, Generation
from ._embedding import embed
from ._library import version
from ._llama import Engine
from ._many import Run, generate_many
from ._prompt import Prompt, Prompter
from ._sampling import Sampler
from ._text import Splitter
from .base import End, Events, Model, ModelInfo, Request, timeout_error
from .base import Prompt as Input
from .gguf import Header, read_header
from .many import Job, Results

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_WINDOW = 4096  # at most, where nobody asks for more: a window takes memory whether it is used or not
TINY_MODEL = 20_000_000  # parameters up to which a second thread gains little and on a busy machine costs a lot


class LlamaCppModel(Model):
    """A GGUF file, run by llama.cpp in this process.

    Parameters
    ----------
    path : str or Path
    name : str
        What `load` was given; by default the path.
    trusted : bool
        Skip the trial run in another process: for files whose hash is known.
    context_window : int
        Tokens for prompt and answer together; by default what the model was trained for, at most 4,096.
    threads : int
        CPU threads; by default one for a tiny model, otherwise all cores that this process may use.
    gpu_layers : int
        Layers to compute on a graphics card, -1 for all; 0 keeps everything on the CPU, where the same seed gives the same text.
    prefix_cache : bool
        Keep the computed prompt for a next one that begins the same, as in a long conversation. Faster, but texts may then differ in
        rare cases from those of a fresh start, so it is off.
    memory_limit : float
        Bytes that the model may take, as when many share one machine; by default all that is free.
    mmap : bool
        Map the file into memory instead of reading it: faster for large files, but the process dies if the file is cut short meanwhile.

    Raises
    ------
    ModelNotFoundError, BadModelFileError, OutOfMemoryError, OptionError, MissingDependencyError
    """

    context_window: int
    keeps_text = True
    counts_fast = True

    def __init__(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        trusted: bool = False,
        context_window: int | None = None,
        threads: int | None = None,
        gpu_layers: int = 0,
        prefix_cache: bool = False,
        memory_limit: float | None = None,
        mmap: bool = False,
    ) -> None:
        if not isinstance(gpu_layers, int) or isinstance(gpu_layers, bool) or gpu_layers < -1:
            raise OptionError(f"gpu_layers={gpu_layers!r} is no number of layers.", fix="It is 0 or more, or -1 for all.")
        if memory_limit is not None and not (isinstance(memory_limit, int | float) and memory_limit > 0):
            raise OptionError(f"memory_limit={memory_limit!r} is no number of bytes.", fix="It is above 0, such as 2e9.")
        self.path = Path(os.path.expanduser(path))
        self.name = name or str(path)
        seen = None if trusted else probe.Seen.of(self.path)
        self.header = header = read_header(self.path)
        self.context_window = _window(header, context_window, self.name)
        self.threads = _threads(header, threads)
        self.gpu_layers = gpu_layers
        self.engine = f"llama.cpp {version()}"
        memory.check(header, self.context_window, self.name, memory_limit)
        if seen is not None:
            probe.ensure(seen, header, self.context_window)
        self._engine = Engine(
            self.path, window=self.context_window, threads=self.threads, gpu_layers=gpu_layers, mmap=mmap, embedding=header.embeds
        )
        if seen is not None:
            probe.unchanged(seen)
        self._trusted = trusted
        self._desk = Desk(self._engine, self.name, prefix_cache)
        self._prompter = Prompter(self._engine, header, self.name, trusted)
        self._runs: set[Run] = set()  # calls of generate_many, which compute in contexts of their own

    # -- text -------------------------------------------------------------------------------------------------------------------

    def _events(self, request: Request) -> Events:
        if self.header.embeds:
            raise CapabilityError(f"Model {self.name!r} makes vectors, not text.", fix='Use embed(), or load a chat model: load("mini-m").')
        self._desk.check()
        options = request.options
        prompt = self._fit(request)
        limit = self.context_window - len(prompt.ids)
        limit = limit if options.max_tokens is None else min(limit, options.max_tokens)
        with self._engine.reading():
            sampler = Sampler(self._engine, options, prompt.ids, careful=not self._trusted)
        generation = Generation(self._desk, prompt.ids, sampler, request)
        try:
            yield self._sent(request, prompt, sampler)
            yield from self._reply(generation, prompt, limit)
        finally:
            self._desk.leave(generation)
            sampler.free()

    def _reply(self, generation: Generation, prompt: Prompt, limit: int) -> Events:
        request, step, piece = generation.request, generation.step, self._engine.piece
        options, deadline, now = request.options, request.deadline, time.monotonic
        text = Splitter(options.stop, think=not prompt.raw, thinking=prompt.thinking, tools=bool(options.tools) and not prompt.raw)
        started = first = last = time.perf_counter()
        count, reason = 0, "length"
        try:
            while count < limit:
                token = step()
                count += 1
                if count == 1:
                    first = time.perf_counter()
                data = piece(token)
                if data is None:
                    reason = "stop"
                    break
                delta = text.feed(data)
                if delta is not None:
                    yield delta
                elif now() > deadline:
                    raise timeout_error(options.timeout)
                if text.stopped:
                    reason = "stop"
                    break
        except CancelledError:
            reason = "cancelled"
        last = time.perf_counter()
        rest = text.finish()
        if rest is not None:
            yield rest
        if text.calls and reason == "stop":
            reason = "tool_calls"
        speed = (count - 1) / (last - first) if count > 1 else None
        usage = Usage(len(prompt.ids), count, generation.cached)
        yield End(reason, usage, tuple(text.calls), None, first - started, last - first, speed)

    def _many(self, jobs: Sequence[Job], workers: int | None) -> Results:
        return generate_many(self, jobs, workers)

    def _fit(self, request: Request) -> Prompt:
        """The prompt as tokens, cut only where that was asked for."""
        window, options = self.context_window, request.options
        if (count := self._prompter.far_too_long(request.messages, request.prompt)) is None:
            prompt = self._prompter.prompt(request.messages, request.prompt, options)
            if len(prompt.ids) < window:
                return prompt
            count = len(prompt.ids)
        if options.truncate:
            return self._prompter.cut(request.messages, request.prompt, options, window)
        raise too_long(count, window, self.name, self.header.context_length)

    def _sent(self, request: Request, prompt: Prompt, sampler: Sampler) -> Sent:
        options = request.options
        sent: dict[str, Any] = {name: getattr(options, name) for name in _SAMPLING} | {
            "samplers": " → ".join(sampler.names),
            "max_tokens": options.max_tokens,
            "stop": list(options.stop),
            "context_window": self.context_window,
            "threads": self.threads,
            "prompt_tokens": len(prompt.ids),
        }
        if options.schema is not None:
            sent["schema"] = options.schema
        if options.tools:
            sent["tools"] = [tool.get("function", tool).get("name") for tool in options.tools]
        ignored = dict(prompt.ignored)
        if self.gpu_layers:
            sent["gpu_layers"] = self.gpu_layers
            if not self._engine.lib.llama_supports_gpu_offload():
                ignored["gpu_layers"] = "this build of llama.cpp computes on the CPU alone"
        return Sent(self.engine, {**sent, **prompt.notes}, ignored, prompt.text)

    def embed(self, texts: str | Sequence[str]) -> NDArray[np.float32]:
        """One vector of length 1 for each text, pooled as the model's file says."""
        self._check_open()
        if not self.header.embeds:
            return super().embed(texts)
        return embed(self._desk, texts, self.context_window)

    def count_tokens(self, prompt: Input) -> int:
        """Tokens of a text, or of a conversation with its chat template."""
        self._check_open()
        self._desk.check()
        if isinstance(prompt, str):
            Message("user", prompt)  # the checks of a text
            return len(self._engine.tokenize(prompt, special=False))
        return len(self._prompter.prompt(as_messages(prompt), None, chat.Options()).ids)

    def render(self, prompt: Input, *, system: str = "") -> str:
        """The prompt as the model gets it, chat template included."""
        self._check_open()
        self._desk.check()
        return self._prompter.render(as_messages(prompt, system), chat.Options())[0]

    # -- about ------------------------------------------------------------------------------------------------------------------

    def info(self) -> ModelInfo:
        """What is known of the model: size, quantization, context window, memory."""
        return file_info(self.path, self.name, self.header, self.context_window)

    def close(self) -> None:
        """Give the memory back. A reply that is under way ends with ModelClosedError."""
        super().close()
        for run in list(self._runs):
            run.stop()
        self._desk.close()
        self._prompter.close()

    def __reduce__(self) -> NoReturn:
        what = f"Model {self.name!r} cannot be pickled or sent to another process."
        raise CapabilityError(what, "Its memory belongs to this process.", f'Load it there: load("{self.name}").')


_SAMPLING = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repeat_penalty",
    "repeat_last_n",
    "presence_penalty",
    "frequency_penalty",
    "seed",
)


def file_info(path: Path, name: str, header: Header | None = None, window: int | None = None) -> ModelInfo:
    """What the header of a GGUF file says, and whether the model would fit now."""
    header = header or read_header(path)
    need = memory.predict(header, window or _window(header, None, name)).total
    return ModelInfo(
        name,
        "llama.cpp",
        "embedding" if header.embeds else "chat",
        header.size,
        header.parameters,
        header.quantization,
        header.context_length or None,
        need,
        need <= machine.machine().memory_available,
    )


def too_long(count: int, window: int, name: str, trained: int) -> ContextWindowExceededError:
    """The error of a prompt that does not fit."""
    more = f'take a larger window (load("{name}", context_window={min(trained, count + 512)})), ' if trained > window else ""
    error = ContextWindowExceededError(
        f"The prompt has {count:,} tokens, and the context window of {name!r} is {window:,}: at least one must be left for the answer.",
        "Nothing was cut and nothing was generated.",
        f"Shorten it, {more}or let the oldest part be dropped (truncate=True).",
    )
    error.prompt_tokens, error.context_window = count, window
    return error


def _window(header: Header, asked: int | None, name: str) -> int:
    trained = header.context_length
    if asked is None:
        return min(trained or DEFAULT_WINDOW, DEFAULT_WINDOW)
    if not isinstance(asked, int) or isinstance(asked, bool) or asked < 1:
        raise OptionError(f"context_window={asked!r} is no number of tokens.", fix="It is a whole number of at least 1.")
    if trained and asked > trained:
        what = f"context_window={asked:,} is more than the {trained:,} tokens that {name!r} was trained to read."
        raise OptionError(what, "Beyond them its answers would be noise.", f"Take at most {trained}.")
    return asked


def _threads(header: Header, asked: int | None) -> int:
    if asked is None:
        return 1 if header.parameters <= TINY_MODEL else machine.usable_cores()
    if not isinstance(asked, int) or isinstance(asked, bool) or not 1 <= asked <= 512:
        raise OptionError(f"threads={asked!r} is out of range.", fix="It is a whole number from 1 to 512.")
    return asked
