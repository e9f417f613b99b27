"""What comes in: the JSON of a request as messages and `Options`, in labkit's names."""

from __future__ import annotations

import base64
import binascii
import difflib
import json
from collections.abc import Mapping
from typing import Any

from ..chat import Message, Options
from ..errors import CapabilityError, OptionError
from ..given import several

# The protocol's name -> labkit's, where they differ.
NAMES = {"max_completion_tokens": "max_tokens", "repetition_penalty": "repeat_penalty"}
SAME = {
    "temperature", "top_k", "top_p", "min_p", "repeat_penalty", "repeat_last_n", "presence_penalty", "frequency_penalty", "seed",
    "max_tokens", "stop", "tools", "truncate", "timeout", "think",
}  # fmt: skip
OLLAMA_NAMES = {"num_predict": "max_tokens"}
# Fields that change nothing here, or are read elsewhere.
HARMLESS = {
    "model", "messages", "prompt", "stream", "stream_options", "user", "metadata", "store", "service_tier", "safety_identifier",
    "prompt_cache_key", "parallel_tool_calls", "keep_alive", "options", "input", "encoding_format",
}  # fmt: skip
# Fields that would change the reply and that no model here obeys: only these values are taken.
FIXED: dict[str, tuple[Any, ...]] = {
    "n": (None, 1), "logprobs": (None, False, 0), "top_logprobs": (None, 0), "logit_bias": (None, {}), "tool_choice": (None, "auto"),
    "modalities": (None, ["text"]), "audio": (None,), "prediction": (None,), "functions": (None, []), "function_call": (None, "none"),
    "verbosity": (None, "medium"), "web_search_options": (None,), "dimensions": (None,),
    "echo": (None, False), "suffix": (None, ""), "best_of": (None, 1),
}  # fmt: skip
UNLIMITED = Options(max_tokens=None)  # what both protocols mean by leaving it out
EFFORT = {"none": False, "minimal": False}


def options_of(body: Mapping[str, Any]) -> Options:
    """The options of an OpenAI request; a name that nobody knows is an error, as everywhere in the kit."""
    given: dict[str, Any] = {}
    for name, value in body.items():
        ours = NAMES.get(name, name)
        if name in HARMLESS or (name in FIXED and value in FIXED[name]):
            continue
        if name in FIXED:
            raise CapabilityError(f"This server cannot obey {name}={json.dumps(value)[:80]}.", fix="Leave it out.")
        if name == "response_format":
            given["schema"] = _schema(value)
        elif name == "reasoning_effort":
            given["think"] = EFFORT.get(value, value) if isinstance(value, str) else None
        elif ours in SAME:
            if value is not None:
                given[ours] = value
        else:
            near = difflib.get_close_matches(name, [*SAME, *FIXED, "response_format"], 1)
            raise OptionError(f"There is no field {name!r}.", fix=f"Did you mean {near[0]!r}?" if near else "Leave it out.")
    return Options.of(UNLIMITED, **given)


def part_of(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A field that is an object of its own; an empty one where it was left out."""
    value = body.get(name) or {}
    if not isinstance(value, Mapping):
        raise OptionError(f"{name!r} is no JSON object.", fix=f'Send {{"{name}": {{...}}}}.')
    return value


def ollama_options(body: Mapping[str, Any]) -> Options:
    """The options of a request in Ollama's form."""
    given: dict[str, Any] = {}
    for name, value in part_of(body, "options").items():
        ours = OLLAMA_NAMES.get(name, name)
        if ours == "max_tokens" and value in (-1, -2):
            given[ours] = None
        elif ours in SAME:
            given[ours] = value
        elif name not in ("num_ctx", "num_thread", "num_gpu", "typical_p"):
            raise OptionError(f"There is no option {name!r}.", fix="Leave it out.")
    if body.get("format"):
        given["schema"] = body["format"]
    if body.get("think") is not None:
        given["think"] = body["think"]
    if body.get("tools"):
        given["tools"] = body["tools"]
    return Options.of(UNLIMITED, **given)


def _schema(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, Mapping) else None
    if kind == "json_object":
        return value.get("schema") or "json"
    if kind == "json_schema":
        inner = value.get("json_schema")
        schema = inner.get("schema") if isinstance(inner, Mapping) else None
        if isinstance(schema, Mapping):
            return schema
    if value is None or kind == "text":
        return None
    fix = 'Use {"type": "json_schema", "json_schema": {"schema": ...}}.'
    raise OptionError(f"response_format={json.dumps(value)[:80]} cannot be read.", fix=fix)


def messages_of(value: Any) -> tuple[Message, ...]:
    """A conversation in the form of either protocol."""
    if not isinstance(value, list) or not value:
        raise OptionError("'messages' is no list of messages.", fix='Send {"messages": [{"role": "user", "content": "Hello"}]}.')
    return tuple(_message(item) for item in value)


def _message(item: Any) -> Message:
    if not isinstance(item, Mapping) or "role" not in item:
        raise OptionError(f"{json.dumps(item)[:80]} is no message.", fix='A message looks like {"role": "user", "content": "Hello"}.')
    content, images = item.get("content"), list(map(str, several("images", item.get("images"))))
    texts = [content] if isinstance(content, str) else []
    for part in content if isinstance(content, list) else ():
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind == "image_url" and isinstance(part.get("image_url"), Mapping):
            images.append(str(part["image_url"].get("url", "")))
        else:
            raise OptionError(f"{json.dumps(part)[:80]} is no part of a message.", fix="Parts are of the type text or image_url.")
    role = "system" if item["role"] == "developer" else str(item["role"])
    return Message(role, "\n".join(texts), tuple(map(_picture, images)), item.get("tool_calls") or (), str(item.get("tool_call_id") or ""))


def _picture(text: str) -> bytes:
    """The bytes of a picture that came in the request itself: nothing is fetched for a stranger."""
    head, comma, data = text.partition(",")
    if "://" in text[:12] or (comma and not head.startswith("data:")):
        raise OptionError(f"The picture {text[:60]!r} would have to be fetched.", fix="Send it as data:image/png;base64,....")
    try:
        return base64.b64decode(data if comma else text, validate=True)
    except (binascii.Error, ValueError):
        raise OptionError("A picture is no base64.", fix="Send it as data:image/png;base64,....") from None
