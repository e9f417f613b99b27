"""What a prompt becomes on an Ollama server: the messages in its words, the rendered template, how long it is."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from ..chat import Message
from ..errors import CapabilityError, LabError
from .base import Request
from .http import Guard
from .ollama_store import OllamaServer
from .wire import image_bytes

MARKS = ("first", "primero", "0123", "#")
PIECES = 8  # pieces of one context window that are measured; the rest is taken to be like them
TEMPLATE_TOKENS = 12  # about what a template puts around two messages


def chat_body(model: str, messages: Sequence[Message], **fields: Any) -> dict[str, Any]:
    """The body of /api/chat."""
    return {"model": model, "messages": [message_dict(message, messages) for message in messages], **fields}


def message_dict(message: Message, conversation: Sequence[Message] = ()) -> dict[str, Any]:
    """A message as Ollama takes it; a tool's answer names the tool that the conversation called."""
    out: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.images:
        out["images"] = [base64.b64encode(image_bytes(image)).decode() for image in message.images]
    if message.tool_calls:
        out["tool_calls"] = [
            {"id": call.get("id", ""), "function": {"name": call.get("name", ""), "arguments": call.get("arguments") or {}}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        out["tool_call_id"] = message.tool_call_id
        names = {call.get("id"): call.get("name") for earlier in conversation for call in earlier.tool_calls}
        if names.get(message.tool_call_id):
            out["tool_name"] = names[message.tool_call_id]
    return out


def render(server: OllamaServer, model: str, messages: Sequence[Message], load: Mapping[str, Any], truncate: bool = False) -> str:
    """The prompt with its template. Loads the model, generates nothing.

    Parameters
    ----------
    load : dict
        What the model is loaded with (num_ctx and its kin), the same as for the replies: another value loads it anew.
    truncate : bool
        As Ollama would cut it.
    """
    fields = {"stream": False, "truncate": truncate, "options": {"num_predict": 1, **load}, "_debug_render_only": True}
    answer = server.http.json("/api/chat", chat_body(model, messages, **fields), Guard(300.0))
    text = ((answer or {}).get("_debug_info") or {}).get("rendered_template")
    if not isinstance(text, str):
        raise CapabilityError("This Ollama does not show the rendered prompt.", fix="Update Ollama: https://ollama.com/download")
    return text


def about_tokens(server: OllamaServer, model: str, request: Request, window: int, load: Mapping[str, Any]) -> int | None:
    """Tokens of a prompt that Ollama refused, to about a tenth: it does not tell them (0.24), and has no tokenizer call.

    Its own cutting tells: of two messages it drops the first when both together do not fit. So the longest end of the prompt that
    still fits is found, without computing anything, then the one before it, and so on.
    """
    try:
        text = request.prompt if request.prompt is not None else render(server, model, request.messages, load)
        mark = next(mark for mark in MARKS if mark not in text)

        def fits(piece: str) -> bool:
            return mark in render(server, model, (Message("user", mark), Message("user", piece)), load, truncate=True)

        end, tokens = len(text), 0
        for _ in range(PIECES):
            low, high = 1, min(end, 16 * window)
            if tokens and high == end and fits(text[:end]):
                break
            while high - low > max(1, low // 50):
                middle = (low + high) // 2
                low, high = (middle, high) if fits(text[end - middle : end]) else (low, middle)
            end, tokens = end - low, tokens + max(1, window - TEMPLATE_TOKENS)
    except (LabError, StopIteration):
        return None
    return max(window + 1, round(tokens * len(text) / (len(text) - end)))
