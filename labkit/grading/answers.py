"""The learner's answers as the checks see them: called from here, wherever they run, and always plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .plain import OBJECT, from_json, odd_number, shown
from .service import TEXT, Service

SLIPS = ("NameError", "ImportError", "ModuleNotFoundError")  # mistyped, whatever the task asks to raise


class WrongError(Exception):
    """An answer that is not right: which hint helps, what came, and what was expected."""

    def __init__(self, hint: str, got: str = "", expected: str = "") -> None:
        super().__init__(hint, got, expected)
        self.hint, self.got, self.expected = hint, got, expected


@dataclass(frozen=True)
class Failure:
    """An error that the learner's code raised.

    Attributes
    ----------
    kinds : tuple of str
        Names of its class and of the classes above it: ``"ServerNotRunningError" in failure.kinds``.
    text : str
        Its message.
    line : str
        The learner's line that raised it, where known.
    """

    kinds: tuple[str, ...]
    text: str
    line: str = ""

    def __str__(self) -> str:
        return f"{self.kinds[0] if self.kinds else 'Error'}: {self.text}"

    def told(self) -> str:
        """Itself, and the learner's line that raised it."""
        return f"{self} ← {self.line}" if self.line and self.hint() == "crash" else str(self)

    def hint(self) -> str:
        """The hint that fits, where a check did not expect an error."""
        if "NotImplementedError" in self.kinds:
            return "blank"
        if self.kinds and self.kinds[0] == "TooMuchError":
            return "too_much"
        return "ended" if "SystemExit" in self.kinds else "crash"


class Channel(Protocol):
    """The way to the learner's code."""

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request (see `Service.answer`) and return its answer; raises WrongError where none comes."""
        ...


class Here:
    """The learner's code in this very process, as in a notebook."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self.service = Service(names)

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        answer = from_json(self.service.answer(request))
        assert isinstance(answer, dict)
        return answer


@dataclass
class Log:
    """The last call and what came, for the feedback."""

    input: str = ""
    got: str = ""


class Answer:
    """A function, class, generator or object of the learner's.

    Call it with plain data and with other `Answer`s; what it returns is plain data, or an `Answer` where it is none.
    """

    def __init__(self, channel: Channel, number: int, name: str, log: Log) -> None:
        self._channel, self._number, self._name, self._log = channel, number, name, log

    def __repr__(self) -> str:
        return self._name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it; an error that it raises is a wrong answer."""
        result = self._ask(args, kwargs)
        if isinstance(result, Failure):
            raise WrongError(result.hint(), result.told())
        return result

    def error(self, *args: Any, **kwargs: Any) -> Failure | None:
        """Call it; return the error that it raises, or None. Nothing written yet, or a name mistyped, is a wrong answer."""
        result = self._ask(args, kwargs)
        if isinstance(result, Failure) and (result.hint() == "blank" or result.kinds[0] in SLIPS):
            raise WrongError(result.hint(), result.told())
        return result if isinstance(result, Failure) else None

    def member(self, name: str) -> Any:
        """An attribute: plain data, or an `Answer` that can be called."""
        answer = self._channel.ask({"op": "member", "object": self._number, "name": name})
        return self._read(answer, f"{self._name}.{name}", "missing")

    def __iter__(self) -> Iterator[Any]:
        """Item after item, each fetched when it is asked for, so that time can be taken in between."""
        while True:
            answer = self._channel.ask({"op": "next", "object": self._number})
            if "end" in answer:
                return
            yield self._read(answer, f"next({self._name})")

    def _ask(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        said = [shown(value, 120) for value in args] + [f"{key}={shown(value, 120)}" for key, value in kwargs.items()]
        self._log.input, self._log.got = f"{self._name}({', '.join(said)})", ""
        packed = {"args": _pack(list(args)), "kwargs": _pack(dict(kwargs))}
        result = _unpack(self._channel.ask({"op": "call", "object": self._number, **packed}), self._channel, self._name, self._log)
        self._log.got = str(result) if isinstance(result, Failure) else shown(result)
        return result

    def _read(self, answer: Mapping[str, Any], name: str, hint: str = "") -> Any:
        value = _unpack(answer, self._channel, name, self._log)
        if isinstance(value, Failure):
            raise WrongError(hint or value.hint(), str(value))
        return value


def named(channel: Channel, name: str, log: Log) -> Any:
    """The answer of that name: an `Answer`, or plain data."""
    value = _unpack(channel.ask({"op": "name", "name": name}), channel, name, log)
    if isinstance(value, Failure):
        raise WrongError("missing", str(value))
    return value


def loaded(channel: Channel, model: str, options: Mapping[str, Any], log: Log) -> Answer:
    """A model, loaded where the learner's code runs."""
    value = _unpack(channel.ask({"op": "load", "model": model, "options": dict(options)}), channel, model, log)
    if not isinstance(value, Answer):
        raise WrongError("crash", str(value))
    return value


def _pack(value: Any) -> Any:
    if isinstance(value, Answer):
        return {OBJECT: value._number}
    if isinstance(value, dict):
        return {str(key): _pack(item) for key, item in value.items()}
    return [_pack(item) for item in value] if isinstance(value, list | tuple) else value


def failure(error: Mapping[str, Any]) -> Failure:
    """An error as the learner's process describes it (see `service.described`), whatever is in it."""
    kinds = error.get("kinds")
    known = tuple(kind[:100] for kind in kinds[:20] if isinstance(kind, str)) if isinstance(kinds, list) else ()
    text, line = (value if isinstance(value, str) else "" for value in (error.get("text"), error.get("line")))
    return Failure(known or ("Error",), text[:TEXT], line[:200])


def _unpack(answer: Mapping[str, Any], channel: Channel, name: str, log: Log) -> Any:
    """An answer that nobody vouches for: its form is checked before its content is used."""
    if isinstance(answer.get("error"), dict):
        return failure(answer["error"])
    if "value" not in answer:
        raise WrongError("ended", shown(dict(answer)))
    value = answer["value"]
    if odd_number(value):
        log.got = shown(value)
        raise WrongError("odd_number", log.got)
    return _with_answers(value, channel, name, log)


def _with_answers(value: Any, channel: Channel, name: str, log: Log) -> Any:
    if isinstance(value, dict):
        number = value.get(OBJECT)
        if type(number) is int:
            return Answer(channel, number, name if value.get("type") == "function" else f"<{str(value.get('type'))[:60]}>", log)
        return {key: _with_answers(item, channel, name, log) for key, item in value.items()}
    return [_with_answers(item, channel, name, log) for item in value] if isinstance(value, list) else value
