"""`OllamaModel`: a model of an Ollama server, through Ollama's own protocol."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..chat import Options, Sent, Usage, as_messages
from ..errors import (
    BackendError,
    CapabilityError,
    ContextWindowExceededError,
    GenerationTimeoutError,
    OptionError,
    UnexpectedResponseError,
)
from .base import Delta, End, Events, Model, ModelInfo, Prompt, Request
from .http import CancelledError, Guard, RefusedError
from .ollama_prompt import about_tokens, chat_body, render
from .ollama_store import OllamaServer, is_missing
from .ollama_wordpiece import has_accents, normalized
from .ollama_words import DEFAULT_WINDOW, GAVE_UP, REPEATED, SILENT, describe, older_than
from .wire import count_in, is_too_long, numbers, text_in, texts_of, too_long, unit_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["OllamaModel", "OllamaServer", "describe"]

SMALLEST_SEEING_WINDOW = 2048  # Ollama gives models that see at least so much
TRUNCATE_VERSION = (0, 12, 6)  # older ones do not know truncate:false
ONE_RUNNER_VERSION = (0, 30)  # from here on one runner serves all models
EMBED_BATCH = 32

# labkit's option -> Ollama's. The only place where the two names meet.
OPTION_NAMES = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "repeat_penalty": "repeat_penalty",
    "repeat_last_n": "repeat_last_n",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "seed",
    "max_tokens": "num_predict",
}
# Architectures that Ollama before 0.30 gives to its second runner (fs/ggml/ggml.go).
SECOND_RUNNER = {
    "bert", "deepseek2", "deepseekocr", "gemma3", "gemma3n", "gemma4", "gptoss", "gpt-oss", "laguna", "llama4", "mistral3", "mllama",
    "nemotron_h", "nemotron_h_moe", "nemotron_h_omni", "nomic-bert", "olmo3", "qwen25vl", "qwen3", "qwen3moe", "qwen35", "qwen35moe",
    "qwen3next", "qwen3vl", "qwen3vlmoe", "glm4moelite", "glmocr", "lfm2", "lfm2moe",
}  # fmt: skip
_CANNOT = re.compile(r"does not support (\w+)", re.I)


class OllamaModel(Model):
    """A model of an Ollama server.

    Parameters
    ----------
    name : str
        As `ollama list` shows it.
    host : str or None
        The server's address; None reads OLLAMA_HOST, else http://127.0.0.1:11434.
    context_window : int or None
        Tokens for prompt and answer together. None takes the Modelfile's num_ctx, else what the model was trained for and at most
        4096. A number that differs from the loaded one makes Ollama load the model again.
    keep_alive : str, int or None
        How long the model stays in memory afterwards: '10m', seconds, -1 for ever; None is the server's own (5 minutes).
    threads, gpu_layers : int or None
        CPU threads, and layers on the GPU (0 keeps all on the CPU); None lets Ollama choose.
    """

    at_once = 8  # what the server does not take together waits there

    def __init__(
        self,
        name: str,
        host: str | None = None,
        context_window: int | None = None,
        keep_alive: str | int | None = None,
        threads: int | None = None,
        gpu_layers: int | None = None,
    ) -> None:
        if not name.strip():
            raise OptionError("The name of the Ollama model is empty.", fix='Name it: load("ollama:llama3.2:1b").')
        self.server = OllamaServer(host)
        self._asked = name.strip()
        self.name = f"ollama:{self._asked}{f'@{self.server.url}' if host else ''}"
        self.version = self.server.version()
        self.engine = f"Ollama {self.version}"
        self._shown = self.server.show(self._asked)
        self._meta: Mapping[str, Any] = self._shown.get("model_info") or {}
        self.capabilities = tuple(self._shown.get("capabilities") or ())
        self._stop = [value for key, value in self._parameters() if key == "stop"]
        self.context_window = self._window(context_window)
        given = {"num_ctx": self.context_window, "num_thread": threads, "num_gpu": gpu_layers}
        self._load = {key: value for key, value in given.items() if value is not None}
        self._keep = {} if keep_alive is None else {"keep_alive": keep_alive}

    def _window(self, asked: int | None) -> int | None:
        trained = self._meta_number("context_length")
        if asked is not None and (isinstance(asked, bool) or not isinstance(asked, int) or asked < 4):
            raise OptionError(f"context_window={asked!r} is out of range.", fix="It is a whole number of at least 4.")
        if asked is not None and trained is not None and asked > trained:
            raise OptionError(
                f"context_window={asked} is more than the {trained} tokens that {self._asked!r} was trained for.",
                "Ollama would take the smaller one without saying so.",
                f"Use at most context_window={trained}.",
            )
        if "vision" in self.capabilities and asked is not None and asked < SMALLEST_SEEING_WINDOW:
            raise OptionError(
                f"context_window={asked} is too small for a model that sees: Ollama would take {SMALLEST_SEEING_WINDOW}.",
                fix=f"Use at least context_window={SMALLEST_SEEING_WINDOW}.",
            )
        own = next((int(value) for key, value in self._parameters() if key == "num_ctx" and value.isdigit()), DEFAULT_WINDOW)
        own = max(own, SMALLEST_SEEING_WINDOW) if "vision" in self.capabilities else own
        return asked or min(own, trained or own)

    def _parameters(self) -> Iterator[tuple[str, str]]:
        """The Modelfile's PARAMETER lines, as /api/show gives them."""
        for line in str(self._shown.get("parameters") or "").splitlines():
            key, _, value = line.strip().partition(" ")
            value = value.strip()
            try:
                yield key, json.loads(value) if value.startswith('"') else value
            except ValueError:
                yield key, value.strip('"')

    def _meta_number(self, key: str) -> int | None:
        value = self._meta.get(f"{self._meta.get('general.architecture', '')}.{key}")
        return value if isinstance(value, int) else None

    # -- what goes out --------------------------------------------------------------------------------------------------------

    def _options(self, options: Options, raw: bool) -> dict[str, Any]:
        sent: dict[str, Any] = {theirs: getattr(options, ours) for ours, theirs in OPTION_NAMES.items()}
        sent["num_predict"] = -1 if options.max_tokens is None else options.max_tokens
        sent["typical_p"] = 1.0  # no option of labkit's, but a Modelfile may set it
        # A list that is sent replaces the Modelfile's own, without which some models would go on with the user's next turn.
        # With a schema the grammar itself ends the answer, and a template's mark inside a JSON text would break it off.
        own = [] if raw or options.schema is not None else self._stop
        sent["stop"] = [*dict.fromkeys([*own, *options.stop])]
        return sent | self._load

    def _body(self, request: Request) -> dict[str, Any]:
        options = request.options
        raw = request.prompt is not None
        body: dict[str, Any] = {"model": self._asked, "stream": True}
        if raw:
            # Without think:false a thinking model's text would be taken apart, and here it is wanted as it is.
            body |= {"prompt": request.prompt, "raw": True, "think": False}
        else:
            body |= chat_body(self._asked, request.messages)
            body |= {} if options.think is None else {"think": options.think}
            body |= {"tools": [dict(tool) for tool in options.tools]} if options.tools else {}
        if options.schema is not None:
            body["format"] = options.schema if isinstance(options.schema, str) else dict(options.schema)
        # shift would drop the middle of the conversation while the answer is written.
        body |= {"truncate": options.truncate, "shift": options.truncate, "options": self._options(options, raw)}
        return body | self._keep

    def _ignored(self, options: Options) -> dict[str, str]:
        ignored = {}
        if older_than(self.version, TRUNCATE_VERSION) and not options.truncate:
            ignored["truncate"] = f"Ollama {self.version} cuts a prompt that does not fit without telling: update it"
        if self.second_runner:
            why = f"the runner that Ollama {self.version} uses for {self._meta.get('general.architecture')} models has no penalties"
            ignored |= dict.fromkeys(("repeat_penalty", "repeat_last_n", "presence_penalty", "frequency_penalty"), why)
        return ignored

    @property
    def second_runner(self) -> bool:
        """Whether Ollama runs it with its second runner: that one's sampler has no penalties, and applies the temperature before top_p."""
        return self._meta.get("general.architecture") in SECOND_RUNNER and older_than(self.version, ONE_RUNNER_VERSION)

    def _check_capable(self, request: Request) -> None:
        if not self.capabilities:  # a server that does not tell
            return
        wanted = {"completion": True, "tools": bool(request.options.tools), "vision": any(message.images for message in request.messages)}
        for capability, needed in wanted.items():
            if needed and capability not in self.capabilities:
                raise self._cannot({"completion": "chat", "vision": "see images"}.get(capability, f"use {capability}"))

    def _cannot(self, what: str) -> CapabilityError:
        return CapabilityError(
            f"Model {self._asked!r} cannot {what}.", f"Ollama says that it can: {', '.join(self.capabilities)}.", "Take one that can."
        )

    # -- what comes back ------------------------------------------------------------------------------------------------------

    def _events(self, request: Request) -> Events:
        self._check_capable(request)
        body = self._body(request)
        yield Sent(self.engine, body, self._ignored(request.options))
        guard = Guard(request.options.timeout, request.deadline, cancelled=request.cancelled)
        raw = request.prompt is not None
        calls: list[dict[str, Any]] = []
        last: dict[str, Any] = {}
        try:
            for line in self.server.http.lines("/api/generate" if raw else "/api/chat", body, guard):
                last = line
                with self.server.http.shape(line):
                    message = line if raw else line.get("message") or {}
                    calls += [_call(call) for call in message.get("tool_calls") or []]
                    text, thinking = text_in(message.get("response" if raw else "content")), text_in(message.get("thinking"))
                if text or thinking:
                    yield Delta(text, thinking)
                if line.get("done"):
                    break
            yield self._end(request, last, calls)
        except CancelledError:
            yield End("cancelled")
        except GenerationTimeoutError as error:
            error.fix += "" if last else f" {SILENT}"
            raise
        except RefusedError as error:
            raise self._meaning(error, request) from None

    def _end(self, request: Request, last: Mapping[str, Any], calls: list[dict[str, Any]]) -> End:
        if not last.get("done"):
            raise self._gave_up("without saying how it ended")
        prompt_tokens, count, duration = (
            count_in(last.get("prompt_eval_count")),
            count_in(last.get("eval_count")) or 0,
            _seconds(last, "eval_duration"),
        )
        window = self.context_window
        if prompt_tokens and window and prompt_tokens >= window and not request.options.truncate:
            raise self._too_long(prompt_tokens)
        reason = "tool_calls" if calls else "length" if last.get("done_reason") == "length" else "stop"
        return End(
            reason,
            Usage(prompt_tokens, count, count_in(last.get("prompt_eval_cached_count"))),
            tuple(calls),
            load_duration=_seconds(last, "load_duration"),
            prompt_duration=_seconds(last, "prompt_eval_duration"),
            generation_duration=duration,
            tokens_per_second=(count - 1) / duration if duration and count > 1 else None,
        )

    def _meaning(self, error: RefusedError, request: Request | None = None) -> BackendError:
        """What an error of the server means."""
        if is_too_long(error.message):
            return self._too_long(numbers(error.message)[0], request)
        if is_missing(error):
            return self.server.not_found(self._asked)
        if REPEATED in error.message:
            return self._gave_up(f"({error.message})")
        cannot = _CANNOT.search(error.message)
        if cannot:
            return self._cannot({"thinking": "think", "tools": "use tools"}.get(cannot[1].lower(), cannot[1]))
        return error

    def _gave_up(self, how: str) -> UnexpectedResponseError:
        fix = "Try another seed, a higher temperature or repeat_penalty=1.1."
        return UnexpectedResponseError(f"Ollama at {self.server.url} stopped in mid-answer {how}.", GAVE_UP, fix)

    def _too_long(self, prompt_tokens: int | None, request: Request | None = None) -> ContextWindowExceededError:
        about = prompt_tokens is None and request is not None
        if about and request is not None and self.context_window:
            prompt_tokens = about_tokens(self.server, self._asked, request, self.context_window, self._load)
        return too_long(prompt_tokens, self.context_window, self._longer(), about)

    def _longer(self) -> str:
        trained, window = self._meta_number("context_length"), self.context_window or 0
        larger = f"load the model with a larger one (context_window={trained}), " if trained and trained > window else ""
        return f"Shorten it, {larger}or let Ollama drop the oldest part: truncate=True."

    # -- the rest -------------------------------------------------------------------------------------------------------------

    def render(self, prompt: Prompt, *, system: str = "") -> str:
        """The prompt as the model gets it, chat template included. Loads the model, generates nothing."""
        self._check_open()
        try:
            return render(self.server, self._asked, as_messages(prompt, system), self._load)
        except RefusedError as error:
            raise self._meaning(error) from None

    def count_tokens(self, prompt: Prompt) -> int:
        """Tokens of a text, or of a conversation with its chat template.

        Ollama has no tokenizer call, so the prompt is computed and one token generated: as slow as reading the prompt, and not
        wasted where the same prompt follows. A text counts with the begin-of-text token that some models put before it.
        """
        self._check_open()
        options = Options(max_tokens=1, temperature=0, seed=0)
        raw = prompt if isinstance(prompt, str) else None
        request = Request(() if raw is not None else as_messages(prompt), raw, options, Guard(options.timeout).deadline)
        ends = [event for event in self._events(request) if isinstance(event, End)]
        count = ends[-1].usage.prompt_tokens if ends else None
        if count is None:
            raise CapabilityError(f"{self.engine} does not tell the tokens of a prompt.")
        return count

    def embed(self, texts: str | Sequence[str]) -> NDArray[np.float32]:
        self._check_open()
        if self.capabilities and "embedding" not in self.capabilities:
            return super().embed(texts)
        items = self._readable(texts_of(texts))
        guard = Guard(300.0)
        rows: list[Any] = []
        for start in range(0, len(items), EMBED_BATCH):
            batch = items[start : start + EMBED_BATCH]
            body = {"model": self._asked, "input": batch, "truncate": False, "options": self._load} | self._keep
            try:
                answer = self.server.http.json("/api/embed", body, guard)
            except RefusedError as error:
                meaning = self._meaning(error)
                longest = max(batch, key=len)
                meaning.cause += f" The longest text has {len(longest):,} characters and begins {longest[:40]!r}."
                raise meaning from None
            vectors = answer.get("embeddings") if isinstance(answer, dict) else None
            if not isinstance(vectors, list) or len(vectors) != len(batch):
                raise self.server.http.unexpected(f"{len(vectors or [])} vectors for {len(batch)} texts")
            rows += vectors
        return unit_vectors(rows, self._meta_number("embedding_length"), self.server.http.unexpected)

    @cached_property
    def _accents(self) -> bool:
        return has_accents(self.server.vocabulary(self._asked))

    def _readable(self, texts: list[str]) -> list[str]:
        if self._meta.get("tokenizer.ggml.model") != "bert" or not older_than(self.version, ONE_RUNNER_VERSION):
            return texts
        return [normalized(text, self._accents) for text in texts]

    def info(self) -> ModelInfo:
        return describe(self.name, self.server.stored(self._asked), self._shown, self.server.http.local, self.version)


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {}
    return {"id": call.get("id", ""), "name": function.get("name", ""), "arguments": function.get("arguments") or {}}


def _seconds(line: Mapping[str, Any], key: str) -> float | None:
    value = line.get(key)
    return value / 1e9 if isinstance(value, int | float) else None
