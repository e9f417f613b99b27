"""The OpenAI protocol's shapes: a message as it goes out, an answer put together from the events that come back."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from ..chat import Message, Usage
from .base import Delta
from .wire import count_in, image_bytes, text_in


class Answer:
    """What has come of one answer, put together from its events."""

    def __init__(self) -> None:
        self.pieces: list[str] = []  # as they came: llama_cpp.server sends one token each, empty where the token is a mark
        self.finish_reason = ""
        self.usage = Usage()
        self._calls: dict[int, dict[str, str]] = {}

    def add(self, event: Mapping[str, Any], raw: bool) -> Delta:
        """The new text of an event; AttributeError or TypeError where it has another shape."""
        usage = event.get("usage")
        if isinstance(usage, Mapping) and usage.get("prompt_tokens"):
            details = usage.get("prompt_tokens_details") or {}
            counts = usage.get("prompt_tokens"), usage.get("completion_tokens"), details.get("cached_tokens")
            self.usage = Usage(*map(count_in, counts))
        choice = next(iter(event.get("choices") or ()), None) or {}
        self.finish_reason = text_in(choice.get("finish_reason")) or self.finish_reason
        delta = {"content": choice.get("text")} if raw else choice.get("delta") or {}
        text = text_in(delta.get("content"))
        if text or (delta.get("content") is not None and not choice.get("finish_reason")):
            self.pieces.append(text)
        for place, call in enumerate(delta.get("tool_calls") or ()):
            function = call.get("function") or {}
            known = self._calls.setdefault(call.get("index", place), {"id": "", "name": "", "arguments": ""})
            known["id"] = text_in(call.get("id")) or known["id"]
            known["name"] = text_in(function.get("name")) or known["name"]
            known["arguments"] += text_in(function.get("arguments"))
        return Delta(text, text_in(delta.get("reasoning_content") or delta.get("reasoning")))

    def tool_calls(self) -> tuple[dict[str, Any], ...]:
        found: list[dict[str, Any]] = []
        for call in self._calls.values():
            try:
                arguments = json.loads(call["arguments"] or "{}")
            except ValueError:
                arguments = call["arguments"]  # what the model wrote, broken as it is
            found.append({"id": call["id"], "name": call["name"], "arguments": arguments})
        return tuple(found)


def message_dict(message: Message) -> dict[str, Any]:
    """A message as the protocol takes it."""
    content: Any = message.content
    if message.images:
        parts = [{"type": "image_url", "image_url": {"url": _data_url(image_bytes(image))}} for image in message.images]
        content = [{"type": "text", "text": message.content}, *parts]
    out: dict[str, Any] = {"role": message.role, "content": content}
    if message.tool_calls:
        out["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.tool_call_id:
        out["tool_call_id"] = message.tool_call_id
    return out


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    arguments = call.get("arguments") or {}
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"id": call.get("id", ""), "type": "function", "function": {"name": call.get("name", ""), "arguments": text}}


def _data_url(data: bytes) -> str:
    kind = "png" if data.startswith(b"\x89PNG") else "webp" if data[8:12] == b"WEBP" else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
