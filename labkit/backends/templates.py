"""Chat templates: from messages to the prompt that the model reads.

A template is a program that came with a model file. Ours is one Python function; any other file's runs in a process of its own, with
limits on time, memory and output, because a sandbox inside this process would still let it eat both.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from ..chat import Message
from ..errors import BadModelFileError, CapabilityError
from ..prompts import CHAT_TEMPLATE
from . import _template_worker as worker
from ._lines import Helper

SECONDS = 10.0  # for one prompt; the first one starts the process as well
LONGEST = 1_000_000  # characters of a template


class Template:
    """The chat template of one model.

    Parameters
    ----------
    source : str
        In Jinja's language.
    trusted : bool
        Whether it may be rendered in this process.
    tokens : dict
        `bos_token`, `eos_token` and the like, as the template names them.
    name : str
        Of the model, for messages.
    """

    def __init__(self, source: str, *, trusted: bool, tokens: Mapping[str, str], name: str) -> None:
        self.source, self.name = source, name
        self._tokens = dict(tokens)
        self._plain = _squeezed(source) == _squeezed(CHAT_TEMPLATE)
        self._trusted = trusted
        self._compiled: Any = None
        self._process: Helper | None = None
        self._lock = threading.Lock()
        if len(source) > LONGEST:
            what = f"The chat template of {name} has {len(source):,} characters."
            raise BadModelFileError(what, "No honest template is as long.", _ADVICE)

    def uses(self, variable: str) -> bool:
        """Whether the template reads a variable, such as 'tools' or 'enable_thinking'."""
        return re.search(rf"\b{re.escape(variable)}\b", self.source) is not None

    def render(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = (), **more: Any) -> str:
        """The prompt up to where the assistant begins.

        Raises
        ------
        CapabilityError
            When the template refuses the conversation, for example a system message.
        BadModelFileError
            When it fails, or wants too much.
        """
        if self._plain:
            turns = "".join(f"<|im_start|>{message.role}\n{message.content}<|im_end|>\n" for message in messages)
            return turns + "<|im_start|>assistant\n"
        context = {"messages": [_message(message) for message in messages], "add_generation_prompt": True, **self._tokens, **more}
        if tools:
            context["tools"] = [dict(tool) for tool in tools]
        result = self._here(context) if self._trusted else self._apart(context)
        if "text" in result:
            return str(result["text"])
        if "refused" in result:
            raise CapabilityError(
                f"The chat template of {self.name} refuses this conversation: {result['refused']}.",
                fix="Change the messages, or continue a text of your own with generate().",
            )
        raise BadModelFileError(f"The chat template of {self.name} fails: {result['error']}.", "It is damaged or hostile.", _ADVICE)

    def _here(self, context: dict[str, Any]) -> dict[str, str]:
        try:
            if self._compiled is None:
                self._compiled = worker.compile_template(self.source)
            return {"text": worker.render(self._compiled, context)}
        except worker.RefusedError as error:
            return {"refused": str(error)}
        except Exception as error:  # whatever a template can do wrong
            return {"error": f"{type(error).__name__}: {error}"}

    def _apart(self, context: dict[str, Any]) -> dict[str, str]:
        with self._lock:  # one question at a time, so that nobody gets another's answer
            return self._ask(context)

    def _ask(self, context: dict[str, Any]) -> dict[str, str]:
        if self._process is None:
            self._process = Helper(["-P", worker.__file__])
        try:
            return self._process.ask({"source": self.source, "context": context}, SECONDS)
        except BaseException as error:
            self.close()
            if isinstance(error, TimeoutError):
                return {"error": f"it was not done after {SECONDS:g} s"}
            if isinstance(error, EOFError):
                return {"error": "it ended the process that rendered it"}
            raise

    def close(self) -> None:
        """End the process that renders, where there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.close()


_ADVICE = "Get the model from its maker, or continue a text of your own with generate(), which uses no template."


def _squeezed(source: str) -> str:
    return re.sub(r"(?<=\{\{)\s+|\s+(?=\}\})", "", source)


def _message(message: Message) -> dict[str, Any]:
    entry: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        entry["tool_calls"] = [
            {"type": "function", "id": call.get("id", ""), "function": {"name": call.get("name"), "arguments": call.get("arguments")}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        entry["tool_call_id"] = message.tool_call_id
    return entry
