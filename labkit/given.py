"""What a user gave, as the value it stands for; `OptionError` where it stands for none."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from .errors import OptionError


def number(name: str, value: Any, low: float, high: float, open_low: bool = False) -> float:
    """A number within its range; one of numpy becomes Python's."""
    good = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if not good or value < low or value > high or (open_low and value == low):
        upper = "" if high == math.inf else f" and at most {high:g}"
        raise OptionError(
            f"{name}={value!r} is out of range.", fix=f"It is a number {'above' if open_low else 'of at least'} {low:g}{upper}."
        )
    return value if isinstance(value, int | float) else float(value)


def integer(name: str, value: Any, low: int, high: int | None = None) -> int:
    """A whole number within its range; one of numpy becomes Python's."""
    whole = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else None
    if whole is None or whole < low or (high is not None and whole > high):
        upper = "" if high is None else f" and at most {high}"
        raise OptionError(f"{name}={value!r} is out of range.", fix=f"It is a whole number of at least {low}{upper}.")
    return whole


def several(name: str, value: Any) -> tuple[Any, ...]:
    """Nothing, one or several of something."""
    if isinstance(value, str | bytes | Path | Mapping):
        return (value,)
    try:
        return tuple(() if value is None else value)
    except TypeError:
        raise OptionError(f"{name}={value!r} is no list.", fix=f"Give several in a list: {name}=[...].") from None


def tool(value: Any) -> Mapping[str, Any]:
    """A function that a model may ask for, in the OpenAI form."""
    function = value.get("function", value) if isinstance(value, Mapping) else None
    if not isinstance(function, Mapping) or not function.get("name"):
        raise OptionError(f"{value!r} is no tool.", fix='A tool is {"type": "function", "function": {"name": "...", "parameters": {...}}}.')
    return value  # type: ignore[no-any-return]


def tool_call(value: Any) -> dict[str, Any]:
    """A call of a function: labkit's form, or OpenAI's, which wraps the function and writes its arguments as text."""
    function = value.get("function", value) if isinstance(value, Mapping) else None
    if not isinstance(function, Mapping) or not function.get("name"):
        raise OptionError(f"{value!r} is no tool call.", fix='A tool call is {"id": "...", "name": "...", "arguments": {...}}.')
    arguments = function.get("arguments") or {}
    if isinstance(arguments, str):
        with contextlib.suppress(ValueError):  # what the model wrote, broken as it is
            arguments = json.loads(arguments)
    return {"id": value.get("id") or "", "name": function["name"], "arguments": arguments}
