"""From messages to tokens: the chat template, text that must stay text, and what to drop when it does not fit."""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..chat import Message, Options
from ..errors import CapabilityError
from ..prompts import CHAT_TEMPLATE
from ._llama import Engine
from .gguf import Header
from .templates import Template


@dataclass(frozen=True)
class Prompt:
    """A prompt as the engine takes it.

    Attributes
    ----------
    ids : list of int
    text : str
        The rendered prompt.
    raw : bool
        Text to continue, without a chat template.
    thinking : bool
        It ends in `<think>`.
    notes, ignored : dict
        What `Sent` says of it.
    """

    ids: list[int]
    text: str
    raw: bool = False
    thinking: bool = False
    notes: Mapping[str, Any] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)


class Prompter:
    """Makes prompts for one model.

    Parameters
    ----------
    engine : Engine
    header : Header
    name : str
    trusted : bool
        Whether the model's template may be rendered in this process.
    """

    def __init__(self, engine: Engine, header: Header, name: str, trusted: bool) -> None:
        self._engine, self._header, self._name, self._trusted = engine, header, name, trusted
        self._template: Template | None = None
        self._note = ""

    @property
    def template(self) -> Template:
        """The chat template of the file, or ChatML where there is none and the vocabulary knows it."""
        if self._template is None:
            source = self._header.chat_template
            if source is None:
                source = CHAT_TEMPLATE
                if len(self._engine.tokenize("<|im_start|>", special=True)) != 1:
                    raise CapabilityError(
                        f"The file of {self._name!r} holds no chat template, and its vocabulary is not one of ChatML.",
                        "It is probably a base model, which continues texts.",
                        "Use generate() with a text to continue.",
                    )
                self._note = "ChatML, as the file holds none"
            tokens = {name: self._engine.special(name) for name in ("bos_token", "eos_token")}
            self._template = Template(source, trusted=self._trusted, tokens=tokens, name=self._name)
        return self._template

    def render(self, messages: Sequence[Message], options: Options) -> tuple[str, dict[str, str]]:
        """The rendered prompt, and which options the template has no place for."""
        template = self.template
        if any(message.images for message in messages):
            raise CapabilityError(
                f"Model {self._name!r} does not see: llama.cpp takes images only with a second file, which labkit does not load.",
                fix='Ask a model that sees through Ollama: load("ollama:gemma3:4b").',
            )
        if options.tools and not template.uses("tools"):
            what = f"The chat template of {self._name!r} has no place for tools."
            raise CapabilityError(what, "It was not trained to use them.", "Take a model that was.")
        more: dict[str, Any] = {}
        ignored = {}
        if options.think is not None:
            switches: dict[str, Any] = {"enable_thinking": bool(options.think), "thinking": bool(options.think)}
            if isinstance(options.think, str):
                switches["reasoning_effort"] = options.think
            more = {name: value for name, value in switches.items() if template.uses(name)}
            if not more:
                ignored["think"] = "the chat template has no switch for it"
        return template.render(messages, options.tools, **more), ignored

    def prompt(self, messages: Sequence[Message], raw: str | None, options: Options) -> Prompt:
        """A conversation, or a text to continue, as tokens."""
        engine = self._engine
        if raw is not None:
            return Prompt(engine.tokenize(raw, special=True, add=True), raw, raw=True)
        text, ignored = self.render(messages, options)
        hostile = any(engine.steering(message.content) for message in messages)
        ids = self._apart(messages, options) if hostile else self._ids([text])
        notes = {"template": self._note} if self._note else {}
        return Prompt(ids, text, thinking=text.rstrip().endswith("<think>"), notes=notes, ignored=ignored)

    def far_too_long(self, messages: Sequence[Message], raw: str | None) -> int | None:
        """How many tokens the texts have, where they cannot fit whatever their tokens are; None where they might fit.

        They are counted as text and in slices: with a megabyte of control tokens' names, or of one letter, llama.cpp may take minutes.
        """
        texts = [message.content for message in messages] if raw is None else [raw]
        if sum(map(len, texts)) < self._engine.window or sum(len(text.encode()) for text in texts) < self._most:
            return None
        return sum(map(self._engine.count, texts))

    @property
    def _most(self) -> int:
        """Bytes that could at best fit: those of the longest token, as often as the window allows."""
        return self._engine.window * self._engine.longest

    def _apart(self, messages: Sequence[Message], options: Options) -> list[int]:
        """Tokens of a conversation in which somebody wrote the names of control tokens: there they are text.

        A mark is put into each such name before the template is rendered, and the prompt is cut at the marks before it becomes
        tokens, so that the tokenizer never sees the name whole.
        """
        mark = f"\ue000{uuid.uuid4().hex}\ue000"
        marked = [replace(message, content=self._marked(message.content, mark)) for message in messages]
        return self._ids(self.render(marked, options)[0].split(mark))

    def _marked(self, text: str, mark: str) -> str:
        engine = self._engine
        parts, whole = [text], False
        while not whole:
            whole, cut = True, []
            for part in parts:
                names = engine.steering(part)
                places = [match.start() + 1 for match in re.finditer("|".join(map(re.escape, names)), part)] if names else []
                whole = whole and not places
                cut += [part[start:end] for start, end in itertools.pairwise([0, *places, len(part)])]
            parts = cut
        return mark.join(parts)

    def _ids(self, parts: Sequence[str]) -> list[int]:
        engine = self._engine
        first = parts[0]
        bos = engine.special("bos_token")
        if bos and first.startswith(bos) and engine.adds_bos:
            first = first[len(bos) :]
        ids = engine.tokenize(first, special=True, add=True)
        for part in parts[1:]:
            ids += engine.tokenize(part, special=True)
        return ids

    def cut(self, messages: Sequence[Message], raw: str | None, options: Options, window: int) -> Prompt:
        """The prompt without its oldest part: whole messages first (never the system's, never the last), then tokens."""
        room = window - min(options.max_tokens or window, max(1, window // 4))
        whole = messages, raw
        messages = [replace(message, content=self._tail(message.content)) for message in messages]
        raw = raw if raw is None else self._tail(raw)
        drop = [index for index, message in enumerate(messages[:-1]) if message.role != "system"]
        low, high = 0, len(drop)
        while low < high:  # the smallest number of dropped messages that fits
            middle = (low + high) // 2
            if self._fits(messages, set(drop[:middle]), options, room):
                high = middle
            else:
                low = middle + 1
        gone = set(drop[:low])
        prompt = self.prompt([message for index, message in enumerate(messages) if index not in gone], raw, options)
        excess = max(0, len(prompt.ids) - room)
        lost = self._lost(whole[0], messages, gone) if whole[1] is None else self._engine.count(whole[1]) - self._engine.count(raw or "")
        notes = {**prompt.notes, "truncated": {"messages_dropped": len(gone), "tokens_dropped": excess + lost}}
        first = prompt.ids[:1] if excess and self._engine.adds_bos else []  # the model expects it in front, whatever was dropped
        return replace(prompt, ids=first + prompt.ids[excess + len(first) :], notes=notes)

    def _tail(self, text: str) -> str:
        """The end of a text, as much of it as could at best fit."""
        return text[-self._most :]

    def _lost(self, whole: Sequence[Message], tails: Sequence[Message], gone: set[int]) -> int:
        pairs = [(old.content, new.content) for index, (old, new) in enumerate(zip(whole, tails, strict=True)) if index not in gone]
        return sum(self._engine.count(old) - self._engine.count(new) for old, new in pairs if old != new)

    def _fits(self, messages: Sequence[Message], gone: set[int], options: Options, room: int) -> bool:
        kept = [message for index, message in enumerate(messages) if index not in gone]
        try:
            return len(self.prompt(kept, None, options).ids) <= room
        except CapabilityError:  # some templates want user and assistant to alternate
            return False

    def close(self) -> None:
        """End the template's process, where there is one."""
        if self._template is not None:
            self._template.close()
