"""The values that everything passes on: messages and options go in, chunks and a reply come out."""

from __future__ import annotations

import difflib
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .errors import OptionError
from .given import integer, number, several, tool, tool_call

ROLES = ("system", "user", "assistant", "tool")
MAX_SEED = 2**32 - 2  # llama.cpp reads 2**32 - 1 as "choose one"

# What other tools call an option -> what labkit calls it.
FOREIGN_NAMES = {
    "num_predict": "max_tokens",
    "n_predict": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "max_new_tokens": "max_tokens",
    "repetition_penalty": "repeat_penalty",
    "random_seed": "seed",
    "response_format": "schema",
    "format": "schema",
    "stop_sequences": "stop",
}
# Not an option of one request: the model is loaded with it.
LOAD_OPTIONS = {
    "num_ctx",
    "n_ctx",
    "context_window",
    "context_length",
    "num_gpu",
    "n_gpu_layers",
    "gpu_layers",
    "num_thread",
    "n_threads",
    "threads",
}


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    Attributes
    ----------
    role : {'system', 'user', 'assistant', 'tool'}
    content : str
        The text.
    images : tuple of (str, Path or bytes)
        Files or raw bytes of PNG or JPEG pictures, for models that see.
    tool_calls : tuple of dict
        Calls that the assistant asked for: ``{"id", "name", "arguments"}``, or in the OpenAI form.
    tool_call_id : str
        In a 'tool' message: the call that it answers.
    """

    role: str
    content: str
    images: tuple[str | Path | bytes, ...] = ()
    tool_calls: tuple[dict[str, Any], ...] = ()
    tool_call_id: str = ""

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise OptionError(f"Message role {self.role!r} is unknown.", fix=f"Use one of {', '.join(ROLES)}.")
        object.__setattr__(self, "images", several("images", self.images))
        object.__setattr__(self, "tool_calls", tuple(tool_call(call) for call in several("tool_calls", self.tool_calls)))
        if self.content is None and self.tool_calls:  # as in the OpenAI form
            object.__setattr__(self, "content", "")
        if not isinstance(self.content, str):
            raise OptionError(f"Message content must be text, not {type(self.content).__name__}.", fix="Use str(...) first.")
        try:
            self.content.encode("utf-8")
        except UnicodeEncodeError as error:
            raise OptionError(
                f"Message content holds half a character (a lone surrogate) at position {error.start}.",
                "Usually a file that was read with the wrong encoding.",
                "Read it with encoding='utf-8', or clean it: text.encode('utf-8', 'replace').decode().",
            ) from None


def as_messages(prompt: str | Message | Mapping[str, Any] | Sequence[Message | Mapping[str, Any]], system: str = "") -> tuple[Message, ...]:
    """Read what a notebook types as messages.

    Parameters
    ----------
    prompt : str, Message, dict or sequence of them
        Text becomes one user message; a dict needs 'role' and 'content', as in the OpenAI API.
    system : str
        Put before them as a system message, where given.

    Raises
    ------
    OptionError
        For an empty conversation, an unknown role, or content that is not text.
    """
    if isinstance(prompt, str):
        items: list[Any] = [Message("user", prompt)]
    elif isinstance(prompt, Message | Mapping):
        items = [prompt]
    elif isinstance(prompt, Sequence) and not isinstance(prompt, bytes | bytearray):
        items = list(prompt)
    else:
        raise OptionError(f"A prompt is text or a list of messages, not {type(prompt).__name__}.")
    messages = tuple(item if isinstance(item, Message) else _message(item) for item in items)
    if system:
        messages = (Message("system", system), *messages)
    if not messages:
        raise OptionError("The list of messages is empty.", fix='Give at least one: [{"role": "user", "content": "Hello"}].')
    return messages


def _message(item: Any) -> Message:
    if not isinstance(item, Mapping):
        raise OptionError(f"A message is a Message or a dict, not {type(item).__name__}.", fix='Use {"role": "user", "content": "..."}.')
    known = {f.name for f in fields(Message)}
    item = {"content": None, **item} if item.get("tool_calls") else item
    unknown = sorted(set(item) - known)
    if unknown or "role" not in item or "content" not in item:
        problem = f"unknown key {unknown[0]!r}" if unknown else "'role' or 'content' is missing"
        raise OptionError(f"Message {dict(item)!r}: {problem}.", fix=f"Known keys: {', '.join(sorted(known))}.")
    return Message(**item)


@dataclass(frozen=True)
class Options:
    """How to generate one reply. Every engine is sent every one of them, since their own defaults differ.

    Attributes
    ----------
    temperature : float
        Divides the logits: 0 takes the likeliest token each time, higher is more varied. At least 0.
    top_k : int
        Keep the k likeliest tokens; 0 keeps all.
    top_p : float
        Keep the likeliest tokens up to this sum of probability, in (0, 1]; 1 keeps all.
    min_p : float
        Drop tokens less likely than this share of the likeliest, in [0, 1]; 0 drops none.
    repeat_penalty : float
        Divides the logits of the last `repeat_last_n` tokens; 1 is off. Above 0.
    repeat_last_n : int
        How many tokens the penalties look back; 0 none, -1 the context window.
    presence_penalty, frequency_penalty : float
        Taken off the logits of tokens that occurred, once or per occurrence, in [-2, 2]; 0 is off.
    seed : int or None
        For drawing tokens; None draws a seed, and `Reply.sent` tells which. 0 to 2**32 - 2.
    max_tokens : int or None
        At most so many tokens, thinking included; None: up to the end of the context window.
    stop : tuple of str
        End before any of these texts; it is not part of the reply.
    schema : dict, 'json' or None
        Answer in JSON: 'json' any, a dict one that obeys this JSON schema.
    think : bool, str or None
        Let a model that can think do so (a level where it has them); None is its own default.
    tools : tuple of dict
        Functions that the model may ask for, in the OpenAI form.
    truncate : bool
        Allow the engine to drop the oldest part of a prompt that does not fit. False raises ContextWindowExceededError.
    timeout : float
        Deadline of the whole reply, in seconds.
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.9
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    max_tokens: int | None = 512
    stop: tuple[str, ...] = ()
    schema: Mapping[str, Any] | str | None = None
    think: bool | str | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    truncate: bool = False
    timeout: float = 300.0

    def __post_init__(self) -> None:
        values: dict[str, Any] = {
            "stop": several("stop", self.stop),
            "tools": tuple(tool(one) for one in several("tools", self.tools)),
            "temperature": number("temperature", self.temperature, 0, math.inf),
            "top_p": number("top_p", self.top_p, 0, 1, open_low=True),
            "min_p": number("min_p", self.min_p, 0, 1),
            "repeat_penalty": number("repeat_penalty", self.repeat_penalty, 0, math.inf, open_low=True),
            "presence_penalty": number("presence_penalty", self.presence_penalty, -2, 2),
            "frequency_penalty": number("frequency_penalty", self.frequency_penalty, -2, 2),
            "timeout": number("timeout", self.timeout, 0, math.inf, open_low=True),
            "top_k": integer("top_k", self.top_k, 0),
            "repeat_last_n": integer("repeat_last_n", self.repeat_last_n, -1),
            "seed": None if self.seed is None else integer("seed", self.seed, 0, MAX_SEED),
            "max_tokens": None if self.max_tokens is None else integer("max_tokens", self.max_tokens, 1),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        for stop in self.stop:
            if not isinstance(stop, str) or not stop:
                raise OptionError(f"stop={stop!r} can never be met.", fix="Each stop is a text of at least one character.")
        if not (self.schema is None or self.schema == "json" or isinstance(self.schema, Mapping)):
            raise OptionError(f"schema={self.schema!r} is neither a JSON schema nor 'json'.")

    @classmethod
    def of(cls, options: Options | None = None, /, **changes: Any) -> Options:
        """Options with changes; a name that does not exist fails at once and names the nearest that does."""
        known = [f.name for f in fields(cls)]
        if not isinstance(options, Options | None):
            raise OptionError(f"options={options!r} are no Options.", fix="Give each by its name: chat(..., temperature=0).")
        for name in changes:
            if name not in known:
                raise OptionError(f"There is no option {name!r}.", *_advice(name, known))
        return replace(options or cls(), **changes)

    def with_seed(self) -> Options:
        """The same options with a seed drawn where none was given, so that the reply can be repeated."""
        return self if self.seed is not None else replace(self, seed=random.SystemRandom().randrange(MAX_SEED + 1))


def _advice(name: str, known: Sequence[str]) -> tuple[str, str]:
    if name in LOAD_OPTIONS:
        return "It belongs to loading a model.", 'Give it there: load("mini-m", context_window=512).'
    near = FOREIGN_NAMES.get(name) or next(iter(difflib.get_close_matches(name, known, 1)), "")
    return ("", f"Did you mean {near!r}?") if near else ("", f"Options: {', '.join(known)}.")


@dataclass(frozen=True)
class Usage:
    """Tokens, as the engine counted them.

    Attributes
    ----------
    prompt_tokens : int or None
        The whole prompt, template and cached prefix included.
    completion_tokens : int or None
        Generated tokens, thinking included.
    cached_tokens : int or None
        Part of the prompt that was not computed again; None where the engine does not tell.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return (self.prompt_tokens or 0) + (self.completion_tokens or 0)


@dataclass(frozen=True)
class Timing:
    """Durations of one reply, in seconds; None where the engine does not tell and a client cannot see it.

    Attributes
    ----------
    total_duration : float or None
        From the call to the last chunk.
    time_to_first_token : float or None
        From the call to the first text (or thinking) that arrived.
    load_duration, prompt_duration, generation_duration : float or None
        Loading the model, computing the prompt, generating after the first token.
    tokens_per_second : float or None
        (completion_tokens - 1) / (t_last - t_first): the prompt is not part of it.
    """

    total_duration: float | None = None
    time_to_first_token: float | None = None
    load_duration: float | None = None
    prompt_duration: float | None = None
    generation_duration: float | None = None
    tokens_per_second: float | None = None

    def _repr_html_(self) -> str:
        from .display import timing_html

        return timing_html(self)


@dataclass(frozen=True)
class Sent:
    """What really went to the engine.

    Attributes
    ----------
    engine : str
        Name and version, such as 'llama.cpp 0.3.36' or 'Ollama 0.24.0'.
    request : dict
        The request in the engine's own words.
    ignored : dict
        Option -> why the engine does not obey it.
    prompt : str or None
        The rendered prompt, chat template included, where the engine shows it.
    """

    engine: str
    request: Mapping[str, Any] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)
    prompt: str | None = None

    def _repr_html_(self) -> str:
        from .display import sent_html

        return sent_html(self)


@dataclass(frozen=True)
class Chunk:
    """A piece of a reply as it arrived: never half a character, and not always one token.

    Attributes
    ----------
    text, thinking : str
        New text of the answer, or of the thinking before it.
    elapsed : float
        Seconds since the request.
    """

    text: str = ""
    thinking: str = ""
    elapsed: float = 0.0

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Reply:
    """A whole reply, with everything needed to judge and to repeat it.

    Attributes
    ----------
    text : str
        The answer, without the thinking.
    thinking : str
        What a thinking model wrote before it.
    tool_calls : tuple of dict
        Calls that the model asks for: ``{"id", "name", "arguments"}``.
    finish_reason : str
        'stop' (it ended, or met a stop text), 'length' (max_tokens or the context window), 'tool_calls', 'cancelled' or 'error'.
    model : str
        The name that `load` takes.
    usage : Usage
    timing : Timing
    sent : Sent
    """

    text: str
    model: str
    finish_reason: str
    usage: Usage = Usage()
    timing: Timing = field(default=Timing(), repr=False)
    sent: Sent = field(default=Sent(""), repr=False)
    thinking: str = ""
    tool_calls: tuple[Mapping[str, Any], ...] = ()

    def __str__(self) -> str:
        return self.text

    def row(self) -> dict[str, Any]:
        """The reply as one flat row, for a table."""
        head = {"model": self.model, "text": self.text, "thinking": self.thinking, "finish_reason": self.finish_reason}
        options = self.sent.request.get("options") or self.sent.request  # Ollama has them apart
        return head | asdict(self.usage) | asdict(self.timing) | {"seed": options.get("seed"), "engine": self.sent.engine}

    def _repr_html_(self) -> str:
        from .display import reply_html

        return reply_html(self)


def message_dicts(messages: Iterable[Message]) -> list[dict[str, str]]:
    """Role and text alone, as chat templates take them."""
    return [{"role": message.role, "content": message.content} for message in messages]
