"""What goes out: a reply in the form of OpenAI's protocol or of Ollama's, whole or piece by piece."""

from __future__ import annotations

import json
import time
import uuid
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import Any

from ..chat import Chunk, Reply, Usage
from ..errors import (
    BackendError,
    CapabilityError,
    ContextWindowExceededError,
    GenerationTimeoutError,
    LabError,
    ModelNotFoundError,
    OptionError,
    OutOfMemoryError,
)

STATUS: tuple[tuple[type[LabError], int, str], ...] = (
    (ContextWindowExceededError, 400, "context_length_exceeded"),
    (OptionError, 400, "invalid_request"),
    (CapabilityError, 400, "unsupported"),
    (ModelNotFoundError, 404, "model_not_found"),
    (OutOfMemoryError, 503, "out_of_memory"),
    (GenerationTimeoutError, 504, "timeout"),
    (BackendError, 502, "backend"),
)


def status_of(error: BaseException) -> tuple[int, str]:
    """HTTP status and code of an error."""
    return next(((status, code) for kind, status, code in STATUS if isinstance(error, kind)), (500, "internal"))


def plain(value: Any) -> str:
    """One JSON value, letters as they are."""
    return json.dumps(value, ensure_ascii=False)


class Form(ABC):
    """One protocol's form of one reply."""

    content_type = "application/json"

    def __init__(self, model: str) -> None:
        self.model = model

    @abstractmethod
    def first(self) -> str:
        """What comes before the first piece."""

    @abstractmethod
    def piece(self, chunk: Chunk) -> str:
        """One piece."""

    @abstractmethod
    def last(self, reply: Reply) -> str:
        """What ends a stream."""

    @abstractmethod
    def whole(self, reply: Reply) -> dict[str, Any]:
        """A reply that is not streamed."""

    @abstractmethod
    def error(self, error: BaseException) -> dict[str, Any]:
        """An error, before the stream or inside."""

    def line(self, value: Any) -> str:
        """One value of the stream."""
        return f"data: {plain(value)}\n\n"


class Chat(Form):
    """/v1/chat/completions: server-sent events."""

    content_type = "text/event-stream"
    kind, prefix = "chat.completion", "chatcmpl"

    def __init__(self, model: str, usage: bool = False) -> None:
        super().__init__(model)
        self._usage = usage
        self._head = {"id": f"{self.prefix}-{uuid.uuid4().hex[:24]}", "created": int(time.time()), "model": model}

    def _event(self, delta: dict[str, Any], reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return self.line(self._head | {"object": f"{self.kind}.chunk", "choices": [choice]})

    def first(self) -> str:
        return self._event({"role": "assistant", "content": ""})

    def piece(self, chunk: Chunk) -> str:
        delta = {"content": chunk.text} if chunk.text else {}
        return self._event(delta | ({"reasoning_content": chunk.thinking} if chunk.thinking else {}))

    def last(self, reply: Reply) -> str:
        out = self._event({"tool_calls": _calls(reply, True)}) if reply.tool_calls else ""
        out += self._event({}, _reason(reply))
        if self._usage:
            out += self.line(self._head | {"object": f"{self.kind}.chunk", "choices": [], "usage": usage_dict(reply.usage)})
        return out + "data: [DONE]\n\n"

    def whole(self, reply: Reply) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": reply.text}
        message |= {"reasoning_content": reply.thinking} if reply.thinking else {}
        message |= {"tool_calls": _calls(reply, False)} if reply.tool_calls else {}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _reason(reply)}
        return self._head | {"object": self.kind, "choices": [choice], "usage": usage_dict(reply.usage)}

    def error(self, error: BaseException) -> dict[str, Any]:
        status, code = status_of(error)
        kind = "invalid_request_error" if status < 500 else "server_error"
        return {"error": {"message": _said(error), "type": kind, "param": None, "code": code}}


class Completion(Chat):
    """/v1/completions."""

    kind, prefix = "text_completion", "cmpl"

    def _choice(self, text: str, reason: str | None) -> dict[str, Any]:
        return {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}

    def first(self) -> str:
        return ""

    def piece(self, chunk: Chunk) -> str:
        return self.line(self._head | {"object": self.kind, "choices": [self._choice(chunk.text, None)]})

    def last(self, reply: Reply) -> str:
        out = self.line(self._head | {"object": self.kind, "choices": [self._choice("", _reason(reply))]})
        if self._usage:
            out += self.line(self._head | {"object": self.kind, "choices": [], "usage": usage_dict(reply.usage)})
        return out + "data: [DONE]\n\n"

    def whole(self, reply: Reply) -> dict[str, Any]:
        choices = [self._choice(reply.text, _reason(reply))]
        return self._head | {"object": self.kind, "choices": choices, "usage": usage_dict(reply.usage)}


class OllamaChat(Form):
    """Ollama's /api/chat: one JSON object a line."""

    content_type = "application/x-ndjson"

    def line(self, value: Any) -> str:
        return f"{plain(value)}\n"

    def _head(self) -> dict[str, Any]:
        return {"model": self.model, "created_at": datetime.now(UTC).isoformat().replace("+00:00", "Z")}

    def first(self) -> str:
        return ""

    def piece(self, chunk: Chunk) -> str:
        message = {"role": "assistant", "content": chunk.text} | ({"thinking": chunk.thinking} if chunk.thinking else {})
        return self.line(self._head() | {"message": message, "done": False})

    def _end(self, reply: Reply, text: str, thinking: str) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text} | ({"thinking": thinking} if thinking else {})
        if reply.tool_calls:
            calls = [{"function": {"name": call["name"], "arguments": call["arguments"]}} for call in reply.tool_calls]
            message["tool_calls"] = calls
        timing, usage = reply.timing, reply.usage
        durations = {
            "total_duration": timing.total_duration,
            "load_duration": timing.load_duration or 0.0,
            "prompt_eval_duration": timing.prompt_duration,
            "eval_duration": timing.generation_duration,
        }
        counts = {"prompt_eval_count": usage.prompt_tokens, "eval_count": usage.completion_tokens}
        end = {"message": message, "done": True, "done_reason": "length" if reply.finish_reason == "length" else "stop"}
        known = {name: round(value * 1e9) for name, value in durations.items() if value is not None}
        return self._head() | end | known | {name: count for name, count in counts.items() if count is not None}

    def last(self, reply: Reply) -> str:
        return self.line(self._end(reply, "", ""))

    def whole(self, reply: Reply) -> dict[str, Any]:
        return self._end(reply, reply.text, reply.thinking)

    def error(self, error: BaseException) -> dict[str, Any]:
        return {"error": _said(error)}


def usage_dict(usage: Usage) -> dict[str, Any]:
    """Tokens in OpenAI's names."""
    out: dict[str, Any] = {"prompt_tokens": usage.prompt_tokens or 0, "completion_tokens": usage.completion_tokens or 0}
    out["total_tokens"] = usage.total_tokens
    return out | ({} if usage.cached_tokens is None else {"prompt_tokens_details": {"cached_tokens": usage.cached_tokens}})


def _reason(reply: Reply) -> str:
    return reply.finish_reason if reply.finish_reason in ("stop", "length", "tool_calls") else "stop"


def _calls(reply: Reply, streamed: bool) -> list[dict[str, Any]]:
    out = []
    for number, call in enumerate(reply.tool_calls):
        function = {"name": call["name"], "arguments": plain(call["arguments"])}
        out.append(({"index": number} if streamed else {}) | {"id": call["id"], "type": "function", "function": function})
    return out


def _said(error: BaseException) -> str:
    if isinstance(error, ContextWindowExceededError) and error.prompt_tokens and error.context_window:
        # In OpenAI's words, which clients look for.
        start = f"This model's maximum context length is {error.context_window} tokens. However, your messages resulted in"
        return f"{start} {error.prompt_tokens} tokens. Nothing was cut and nothing was generated: shorten them."
    # In English whoever runs the server: clients look for words in it.
    return (
        " ".join(error.parts("en")) if isinstance(error, LabError) else "The server met an error that it did not expect; its log has more."
    )
