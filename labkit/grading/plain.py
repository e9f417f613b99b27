"""Answers as plain data: what crosses from the learner's code to the code that judges it.

Only None, bool, int, float, str, lists and dicts cross, through JSON, so that an object that equals everything is just an object. What
is not data (a function, a generator, an object of the learner's class) stays where it is, and a number stands for it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import PurePath
from typing import Any

SIZE = 4_000_000  # characters of JSON that one answer may have
DEPTH = 40  # lists in lists
OBJECT = "$object"  # the key that marks what stays where it is


class TooMuchError(ValueError):
    """The answer is too long or too deep to judge."""


def plain(value: Any, keep: Callable[[Any], int], depth: int = DEPTH) -> Any:
    """A value as data that JSON can carry.

    Parameters
    ----------
    value : object
        Arrays become lists, a DataFrame a list of rows (dicts), a Series and a dataclass a dict, a tuple or set a list, a path text.
    keep : callable
        Keeps an object that is no data, and gives it a number.
    depth : int
        Levels that are left.

    Raises
    ------
    TooMuchError
        For data that contains itself, or is deeper than 40 levels.
    """
    kind = type(value)  # not isinstance: an object may lie about its class
    if value is None or kind in (bool, int, float, str):
        return value
    if depth == 0:
        raise TooMuchError(f"the answer is more than {DEPTH} levels deep")
    for base, exact in ((str, str.__str__), (bool, bool), (int, int.__int__), (float, float.__float__)):
        if issubclass(kind, base):
            return exact(value)
    if issubclass(kind, PurePath):
        return str(value)
    if issubclass(kind, Mapping):
        return {_key(key): plain(item, keep, depth - 1) for key, item in value.items()}
    if issubclass(kind, Sequence | Set) and not issubclass(kind, bytes | bytearray | memoryview):
        items = sorted(value, key=repr) if issubclass(kind, Set) else value
        return [plain(item, keep, depth - 1) for item in items]
    if dataclasses.is_dataclass(kind) and kind.__module__.startswith("labkit."):
        return {field.name: plain(getattr(value, field.name), keep, depth - 1) for field in dataclasses.fields(value)}
    return _of_library(value, keep, depth)


def _key(key: Any) -> str:
    return str.__str__(key) if issubclass(type(key), str) else str(key)


def _of_library(value: Any, keep: Callable[[Any], int], depth: int) -> Any:
    """Arrays and frames, without importing their libraries: an object of theirs shows that they are loaded."""
    home, kind = type(value).__module__.partition(".")[0], type(value).__name__
    if home == "numpy" and hasattr(value, "tolist"):
        return plain(value.tolist(), keep, depth - 1)
    if home == "pandas" and kind == "DataFrame":
        named = any(name is not None for name in value.index.names)
        return plain((value.reset_index() if named else value).to_dict("records"), keep, depth - 1)
    if home == "pandas" and kind == "Series":
        return plain(value.to_dict(), keep, depth - 1)
    if home == "pandas" and hasattr(value, "tolist"):
        return plain(value.tolist(), keep, depth - 1)
    return {OBJECT: keep(value), "type": kind}


def to_json(value: Any) -> str:
    """JSON on one line.

    Raises
    ------
    TooMuchError
        When it is too long.
    """
    text = json.dumps(value, ensure_ascii=True)
    if len(text) > SIZE:
        raise TooMuchError(f"the answer is longer than {SIZE:,} characters")
    return text


def from_json(text: str | bytes) -> Any:
    """Read one line of JSON that nobody trusts.

    Raises
    ------
    ValueError
        When it is no JSON, too long, or too deep.
    """
    if len(text) > 2 * SIZE:
        raise TooMuchError(f"the answer is longer than {SIZE:,} characters")
    try:
        return json.loads(text)
    except RecursionError:
        raise TooMuchError("the answer is too deep") from None


def odd_number(value: Any) -> bool:
    """Whether a NaN or an infinity is anywhere in plain data: every comparison with a NaN is false, so no check would notice it."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(odd_number(item) for item in value.values())
    return isinstance(value, list) and any(odd_number(item) for item in value)


def shown(value: Any, length: int = 300) -> str:
    """A value as feedback shows it: its repr, shortened."""
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"
