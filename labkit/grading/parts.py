"""Exercises, their tasks, and the parts of a task: each part checks one thing and gives its points whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..errors import ExerciseError, LabError
from ..prompts import language
from .answers import Answer, Channel, Log, WrongError, loaded, named
from .plain import shown
from .texts import HINTS

Texts = Mapping[str, str]
Test = Callable[["Trial"], None]
DEFAULTS: Mapping[str, Any] = {"model": "mini-m", "seed": 1}


@dataclass(frozen=True)
class Part:
    """One thing that a task is checked for.

    Attributes
    ----------
    name : str
    points : float
    test : callable
        Takes a `Trial`; what it does not object to is right.
    hidden : bool
        Whether it stays with the teacher.
    """

    name: str
    points: float
    test: Test
    hidden: bool = False


@dataclass
class Task:
    """What one answer is asked for.

    Attributes
    ----------
    id : str
        As `lab.check` takes it, such as '01.2'.
    points : float
        All of them: those of its own parts, and the rest in hidden ones.
    asks : dict of str
        The question in one sentence, by language.
    start : dict of str
        The hint for who has not begun.
    parts : list of Part
    """

    id: str
    points: float
    asks: Texts
    start: Texts
    parts: list[Part] = field(default_factory=list)


@dataclass
class Exercise:
    """The tasks of one notebook, and the hints that they share.

    Parameters
    ----------
    number : str
        As the notebook's file name begins: '01'.
    hints : dict
        Key -> language -> text. A hint helps to find the mistake and never says the answer.
    """

    number: str
    hints: Mapping[str, Texts] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)

    def task(self, id: str, points: float, asks: Texts, start: Texts) -> None:
        """Add a task; see `Task`."""
        if not re.fullmatch(rf"{self.number}\.\d+", id):
            raise ExerciseError(f"Task {id!r} does not belong to exercise {self.number!r}.", fix=f"Call it {self.number}.1 and so on.")
        self.tasks[id] = Task(id, points, asks, start)

    def part(self, id: str, points: float, hidden: bool = False) -> Callable[[Test], Test]:
        """Add the decorated function as a part of a task; one of the same name takes the other's place."""

        def add(test: Test) -> Test:
            task = self.tasks[id]
            task.parts = [part for part in task.parts if part.name != test.__name__]
            task.parts.append(Part(test.__name__, points, test, hidden))
            return test

        return add

    def hint(self, key: str, task: Task, lang: str) -> str:
        """The text of a hint."""
        if key == "blank":
            return f"{HINTS['blank'][lang]} {task.start[lang]}"
        return {**HINTS, **self.hints}.get(key, HINTS["broken_check"])[lang]


def exercise(number: str) -> Exercise:
    """The exercise of that number, with its visible parts: `labkit/grading/checks/exNN.py`.

    Raises
    ------
    ExerciseError
        When there is none.
    """
    name = f"{__package__}.checks.ex{number}"
    if not re.fullmatch(r"\d\d", number) or find_spec(name) is None:
        raise ExerciseError(f"There is no exercise {number!r}.", fix='A task is called like "01.2": exercise 01, task 2.')
    found = import_module(name).exercise
    assert isinstance(found, Exercise)
    return found


def task(id: str) -> tuple[Exercise, Task]:
    """The task of that name and its exercise."""
    book = exercise(str(id).partition(".")[0])
    if id not in book.tasks:
        raise ExerciseError(f"There is no task {id!r}.", fix=f"Exercise {book.number} has {', '.join(book.tasks)}.")
    return book, book.tasks[id]


def hidden(id: str, points: float) -> Callable[[Test], Test]:
    """Add a hidden part to a task: for the hidden block of a test cell in `solutions/`."""
    return task(id)[0].part(id, points, hidden=True)


class Trial:
    """What a part works with: the learner's answers, and ways to object.

    Attributes
    ----------
    answers : tuple
        What was given to `lab.check`, in its order: an `Answer` (something to call) or plain data.
    lang : {'en', 'es'}
    model : str
        The model to use, as `labkit.load` takes it.
    seed : int
    """

    def __init__(self, channel: Channel, names: Sequence[str], lang: str, model: str, seed: int) -> None:
        self._channel, self._log = channel, Log()
        self.lang, self.model, self.seed = lang, model, seed
        self.answers = tuple(named(channel, name, self._log) for name in names)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call the first answer: plain data, or an `Answer`. An error that it raises is a wrong answer, with a fitting hint."""
        return self._first()(*args, **kwargs)

    def error(self, *args: Any, **kwargs: Any) -> Any:
        """Call the first answer; return the `Failure` that it raises, or None."""
        return self._first().error(*args, **kwargs)

    def _first(self) -> Answer:
        if not isinstance(self.answers[0], Answer):
            raise WrongError("blank" if self.answers[0] is None else "not_callable", shown(self.answers[0]))
        return self.answers[0]

    def load(self, model: str = "", **options: Any) -> Answer:
        """A model, loaded where the learner's code runs, to be given to it as an argument."""
        return loaded(self._channel, model or self.model, options, self._log)

    def expect(self, right: object, hint: str, expected: object = "") -> None:
        """Object unless `right` is true.

        Parameters
        ----------
        right : object
        hint : str
            Key of the hint that helps here.
        expected : object
            Shown as it is if it is text, as its repr otherwise; a dict with the keys 'en' and 'es' is shown in the learner's language.
        """
        if not right:
            raise WrongError(hint, self._log.got, self._said(expected))

    def expect_type(self, value: Any, *kinds: type) -> None:
        """Object unless the value is of exactly one of these types (so True is no int)."""
        if type(value) not in kinds:
            raise WrongError("type", self._log.got or shown(value), " / ".join(kind.__name__ for kind in kinds))

    def note(self, input: object = None, got: object = None) -> None:
        """Say in the feedback what was given and what came, where the last call does not tell."""
        self._log.input = self._log.input if input is None else self._said(input)
        self._log.got = self._log.got if got is None else self._said(got)

    def _said(self, value: object) -> str:
        if isinstance(value, dict) and set(value) == {"en", "es"}:
            value = value[self.lang]
        return value if isinstance(value, str) else shown(value)


@dataclass(frozen=True)
class PartResult:
    """How one part went; the texts are in the learner's language, and empty where it is right."""

    name: str
    points: float
    of: float
    hidden: bool = False
    hint: str = ""
    advice: str = ""
    input: str = ""
    got: str = ""
    expected: str = ""

    @property
    def ok(self) -> bool:
        return not self.hint


@dataclass(frozen=True)
class TaskResult:
    """How one task went.

    Attributes
    ----------
    id : str
    of : float
        Points that the whole task gives.
    parts : tuple of PartResult
    """

    id: str
    of: float
    parts: tuple[PartResult, ...]

    @property
    def points(self) -> float:
        return sum(part.points for part in self.parts)


def judge(id: str, channel: Channel, names: Sequence[str], lang: str = "en", hidden: bool | None = None, **params: Any) -> TaskResult:
    """Check one task, part by part: all, or the hidden or visible ones alone.

    A part that fails, or a check that breaks, never keeps the next one from being looked at.
    """
    language(lang)
    book, task_ = task(id)
    results = []
    for part in (part for part in task_.parts if hidden in (None, part.hidden)):
        log, wrong = Log(), None
        try:
            trial = Trial(channel, names, lang, **{**DEFAULTS, **params})
            log = trial._log
            part.test(trial)
        except WrongError as error:
            wrong = error
        except KeyError as error:
            wrong = WrongError("no_key", log.got, str(error.args[0]))
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError, LabError) as error:
            # Mostly an answer of a shape that the check did not think of: its author should have called expect_type.
            wrong = WrongError("broken_check", f"{type(error).__name__}: {error}")
        if wrong is None:
            results.append(PartResult(part.name, part.points, part.points, part.hidden))
            continue
        advice = book.hint(wrong.hint, task_, lang)
        got = wrong.got or log.got
        results.append(PartResult(part.name, 0.0, part.points, part.hidden, wrong.hint, advice, log.input, got, wrong.expected))
    return TaskResult(id, task_.points, tuple(results))
