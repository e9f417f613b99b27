"""Where the learner's code answers: it is called, and what it returns goes back as plain data.

The same class serves `lab.check` (in the notebook's own process) and the grader (in a process of its own), so both judge alike.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .plain import OBJECT, TooMuchError, plain, to_json

TEXT = 2_000  # characters kept of an error message


class Service:
    """Answers requests about the learner's objects.

    Parameters
    ----------
    names : dict
        The learner's names and what they stand for.
    """

    def __init__(self, names: Mapping[str, Any]) -> None:
        self.names = names
        self.kept: list[Any] = []

    def keep(self, value: Any) -> int:
        """Keep an object; its number stands for it."""
        self.kept.append(value)
        return len(self.kept) - 1

    def answer(self, request: Mapping[str, Any]) -> str:
        """One request, answered as JSON on one line: `{"value"}`, `{"end"}` or `{"error"}`.

        The requests: `{"op": "name", "name"}`, `{"op": "call", "object", "args", "kwargs"}`, `{"op": "member", "object", "name"}`,
        `{"op": "next", "object"}` and `{"op": "load", "model", "options"}`.
        """
        try:
            return to_json(getattr(self, f"_{request['op']}")(request))
        except (Exception, SystemExit, GeneratorExit) as error:  # sys.exit() in an answer is a wrong answer, not the end
            return to_json({"error": described(error)})

    def _value(self, value: Any) -> dict[str, Any]:
        return {"value": plain(value, self.keep)}

    def _unpack(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self.kept[value[OBJECT]] if OBJECT in value else {key: self._unpack(item) for key, item in value.items()}
        return [self._unpack(item) for item in value] if isinstance(value, list) else value

    def _name(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if request["name"] not in self.names:
            raise NameError(f"name {request['name']!r} is not defined")
        value = self.names[request["name"]]
        return {"value": {OBJECT: self.keep(value), "type": type(value).__name__}} if callable(value) else self._value(value)

    def _call(self, request: Mapping[str, Any]) -> dict[str, Any]:
        arguments, named = self._unpack(request["args"]), self._unpack(request["kwargs"])
        return self._value(self.kept[request["object"]](*arguments, **named))

    def _member(self, request: Mapping[str, Any]) -> dict[str, Any]:
        value = getattr(self.kept[request["object"]], request["name"])
        return {"value": {OBJECT: self.keep(value), "type": type(value).__name__}} if callable(value) else self._value(value)

    def _next(self, request: Mapping[str, Any]) -> dict[str, Any]:
        source = self.kept[request["object"]]
        if not hasattr(source, "__next__"):
            source = self.kept[request["object"]] = iter(source)
        try:
            value = next(source)
        except StopIteration:
            return {"end": True}
        return self._value(value)

    def _load(self, request: Mapping[str, Any]) -> dict[str, Any]:
        from ..backends.registry import load

        return self._value(load(request["model"], **request["options"]))


def described(error: BaseException) -> dict[str, Any]:
    """An error as plain data: the names of its classes, its text, and the line of the learner's code that raised it."""
    try:
        text = str(error)[:TEXT]
    except Exception:
        text = ""
    kinds = [kind.__name__ for kind in type(error).__mro__ if kind not in (object, BaseException)]
    if isinstance(error, TooMuchError):
        kinds.insert(0, "TooMuchError")
    kit = str(Path(__file__).parents[1])
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(kit)]
    line = f"{own[-1].line or ''}".strip()[:200] if own else ""
    return {"kinds": kinds, "text": text, "line": line}
