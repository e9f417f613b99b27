"""Read a Modelfile, as `ollama create -f` does: Ollama's server takes its parts, not its text."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import OptionError

# Type of each parameter. What the documentation of older versions names beside these is refused by Ollama itself.
PARAMETERS: dict[str, type] = {
    "num_ctx": int, "num_batch": int, "num_gpu": int, "main_gpu": int, "use_mmap": bool, "num_thread": int, "num_keep": int, "seed": int,
    "num_predict": int, "top_k": int, "top_p": float, "min_p": float, "typical_p": float, "repeat_last_n": int, "temperature": float,
    "repeat_penalty": float, "presence_penalty": float, "frequency_penalty": float, "stop": list,
}  # fmt: skip
LABKIT_NAMES = {"max_tokens": "num_predict", "context_window": "num_ctx", "context_length": "num_ctx", "n_ctx": "num_ctx"}
_TEXTS = {"template": "template", "system": "system", "renderer": "renderer", "parser": "parser", "requires": "requires"}
COMMANDS = ("from", "adapter", "parameter", "message", "license", *_TEXTS)


@dataclass
class Modelfile:
    """The parts of a Modelfile."""

    source: str = ""
    adapter: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    messages: list[dict[str, str]] = field(default_factory=list)
    licences: list[str] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str, parameters: Mapping[str, Any] | None = None) -> Modelfile:
        """Read the text of a Modelfile; `parameters` win over its own.

        Raises
        ------
        OptionError
            For a line that is no instruction, or a parameter that Ollama does not have, with the nearest one.
        """
        recipe = cls()
        for command, value in _instructions(text):
            if command == "from":
                recipe.source = value
            elif command == "adapter":
                recipe.adapter = value
            elif command == "parameter":
                name, _, rest = value.partition(" ")
                recipe._set(name.lower(), _unquoted(rest.strip()), add=True)
            elif command == "message":
                role, _, rest = value.partition(" ")
                if role not in ("system", "user", "assistant"):
                    raise OptionError(f"MESSAGE {role!r}: the role is unknown.", fix="Use system, user or assistant.")
                recipe.messages.append({"role": role, "content": _unquoted(rest.strip())})
            elif command == "license":
                recipe.licences.append(value)
            else:
                recipe.texts[_TEXTS[command]] = value
        for name, given in (parameters or {}).items():
            recipe._set(name, given)
        return recipe

    def _set(self, name: str, value: Any, add: bool = False) -> None:
        kind = PARAMETERS.get(name)
        if kind is None:
            near = LABKIT_NAMES.get(name) or next(iter(difflib.get_close_matches(name, PARAMETERS, 1)), "")
            raise OptionError(
                f"Ollama has no parameter {name!r}.", fix=f"Did you mean {near!r}?" if near else f"Parameters: {', '.join(PARAMETERS)}."
            )
        try:
            if kind is list:
                values = [value] if isinstance(value, str) else [str(item) for item in value]
                self.parameters[name] = [*(self.parameters.get(name, []) if add else []), *values]
            elif kind is bool:
                self.parameters[name] = {"true": True, "false": False, "1": True, "0": False}[str(value).lower()]
            else:
                self.parameters[name] = kind(value)
        except (KeyError, TypeError, ValueError):
            raise OptionError(f"Parameter {name}={value!r} is not of type {kind.__name__}.") from None

    def body(self) -> dict[str, Any]:
        """The parts as the body of /api/create takes them."""
        parts: dict[str, Any] = dict(self.texts)
        named = (("parameters", self.parameters), ("messages", self.messages), ("license", self.licences))
        return parts | {name: value for name, value in named if value}


def _instructions(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    lines = iter(text.splitlines())
    for line in lines:
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        command, _, value = stripped.partition(" ")
        if command.lower() not in COMMANDS:
            known = ", ".join(name.upper() for name in COMMANDS)
            raise OptionError(f"A Modelfile has no instruction {command!r}.", fix=f"Instructions: {known}.")
        value = value.strip()
        mark = value.find('"""')
        if mark >= 0 and value.count('"""') == 1:
            head, body = value[:mark], [value[mark + 3 :]]
            for following in lines:
                if '"""' in following:
                    body.append(following.partition('"""')[0])
                    break
                body.append(following)
            else:
                raise OptionError(f'{command.upper()}: the text that starts with """ does not end.')
            value = head + "\n".join(body)
        elif mark >= 0:
            value = value.replace('"""', "")
        elif command.lower() not in ("parameter", "message"):
            value = _unquoted(value)
        found.append((command.lower(), value))
    return found


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
