"""`check`: instant feedback on one task, in the notebook, offline."""

from __future__ import annotations

import sys
from typing import Any

from .. import display
from ..errors import ExerciseError
from ..prompts import LANGUAGES
from .answers import Here
from .parts import PartResult, TaskResult, judge, task
from .texts import WORDS

_SO_FAR: dict[str, tuple[float, float]] = {}  # task -> points and points that could be seen, at its last check


class Feedback:
    """What `check` found: the last line of a cell shows it.

    Attributes
    ----------
    result : TaskResult
    ok : bool
        Whether everything that can be seen here is right.
    points : float
    """

    def __init__(self, result: TaskResult, asks: str, lang: str) -> None:
        self.result, self.asks, self.lang = result, asks, lang
        self.points, self.ok = result.points, all(part.ok for part in result.parts)
        seen = sum(part.of for part in result.parts)
        _SO_FAR[result.id] = (result.points, seen)
        self._hidden = result.of - seen

    def _rows(self) -> list[tuple[str, str]]:
        words = WORDS[self.lang]
        rows = [(f"{'✓' if part.ok else '✗'} {part.name}", f"{part.points:g} / {part.of:g}") for part in self.result.parts]
        wrong = next((part for part in self.result.parts if not part.ok), None)
        return rows + ([(words["asked"], self.asks), *part_rows(wrong, self.lang)] if wrong else [(words["asked"], words["all_right"])])

    def _closing(self) -> str:
        words = WORDS[self.lang]
        got, seen = (sum(values) for values in zip(*_SO_FAR.values(), strict=True))
        closing = words["points"].format(got=got, seen=seen)
        return f"{closing} · {words['hidden'].format(hidden=self._hidden)}" if self._hidden else closing

    def __repr__(self) -> str:
        return "\n".join([f"{self.result.id}", *(f"  {name}: {text}" for name, text in self._rows()), f"  {self._closing()}"])

    def _repr_html_(self) -> str:
        return display.table_html((self.result.id, ""), self._rows(), self._closing())


def part_rows(part: PartResult, lang: str) -> list[tuple[str, str]]:
    """What was given, what came, what was expected, and the hint; of a hidden part the hint alone."""
    words = WORDS[lang]
    told = [] if part.hidden else [("input", part.input), ("got", part.got), ("expected", part.expected)]
    return [(words[key], text) for key, text in [*told, ("hint", part.advice)] if text]


def check(id: str, *answers: Any, lang: str | None = None) -> Feedback:
    """Check your answer to a task of an exercise, as often as you like.

    Parameters
    ----------
    id : str
        The task, as the exercise names it: "01.2".
    *answers : object
        What you wrote: mostly one function.
    lang : {'en', 'es'}, optional
        By default the variable `lang` of the notebook, else 'en'.

    Returns
    -------
    Feedback
        What was asked, with which input, what came, what was expected, one hint, and the points so far.

    Raises
    ------
    ExerciseError
        When there is no such task.
    """
    return _checked(id, answers, lang or sys._getframe(1).f_globals.get("lang"), visible=True)


def points(id: str, *answers: Any, lang: str | None = None) -> float:
    """The points of a task, hidden parts included: the last line of a test cell in `solutions/`, which nbgrader reads."""
    return _checked(id, answers, lang or sys._getframe(1).f_globals.get("lang"), visible=False).points


def _checked(id: str, answers: tuple[Any, ...], lang: Any, visible: bool) -> Feedback:
    task_ = task(id)[1]
    if not answers:
        raise ExerciseError(f"check({id!r}) has nothing to look at.", fix=f'Give it what you wrote: lab.check("{id}", your_function).')
    lang = lang if lang in LANGUAGES else "en"
    named: dict[str, Any] = {}
    for answer in answers:
        name = str(getattr(answer, "__name__", "answer"))
        named[name if name not in named else f"{name} ({len(named) + 1})"] = answer
    result = judge(id, Here(named), list(named), lang)
    if visible:
        result = TaskResult(result.id, result.of, tuple(part for part in result.parts if not part.hidden))
    return Feedback(result, task_.asks[lang], lang)
