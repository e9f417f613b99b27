"""`labkit exercises verify`: the promise of every exercise, tried: solution, blank, named wrong answers, unusual right ones."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ExerciseError
from .build import exercise_text
from .judges import Judges
from .source import Source, sources


@dataclass(frozen=True)
class Variant:
    """An answer whose points are known beforehand.

    Attributes
    ----------
    kind : {'solution', 'blank', 'wrong', 'unusual'}
    name : str
    task : str
        The task that it answers; '' for all.
    code : str
        What stands in the task's answer cell.
    points : float or None
        Of the task; None for all of them.
    hint : str
        Key of the hint that it must get.
    """

    kind: str
    name: str
    task: str = ""
    code: str = ""
    points: float | None = None
    hint: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a variant got, beside what it should get."""

    exercise: str
    lang: str
    variant: Variant
    points: float
    of: float
    hint: str
    advice: str
    problem: str

    def row(self) -> tuple[str, ...]:
        """As a line of the table."""
        share = f"{self.points:g} / {self.of:g}"
        return (self.exercise, self.lang, self.variant.kind, self.variant.name, share, self.hint, self.problem or "ok")


COLUMNS = ("exercise", "lang", "answer", "name", "points", "hint", "as intended")


def variants(source: Source) -> list[Variant]:
    """All answers of an exercise whose points are known.

    Raises
    ------
    ExerciseError
        When the head of a file cannot be read.
    """
    found = [Variant("solution", ""), Variant("blank", "", hint="blank")]
    for kind in ("wrong", "unusual"):
        for path in sorted((source.path.parents[1] / kind).glob(f"{source.number}.*.py")):
            task, _, name = path.stem.partition("_")
            text = path.read_text(encoding="utf-8")
            head = dict(re.findall(r"^# (points|hint): *(\S+) *$", text, re.MULTILINE))
            if kind == "wrong" and set(head) != {"points", "hint"}:
                raise ExerciseError(
                    f"{path} does not say what it must get.", fix="Its head needs the lines `# points: 1` and `# hint: key`."
                )
            found.append(Variant(kind, name, task, text, float(head["points"]) if head else None, head.get("hint", "")))
    return found


def submission(source: Source, variant: Variant) -> str:
    """The notebook that a learner with this answer would hand in."""
    book = json.loads(exercise_text(source))
    for cell in book["cells"]:
        id = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        original = next((known for known in source.cells if known.id == id and known.is_solution), None)
        if original and variant.kind != "blank":
            mine = variant.task and id == source.answer_cell(variant.task).id
            cell["source"] = variant.code if mine else original.source
    return json.dumps(book)


def verify(
    folder: Path | None = None, only: Sequence[str] = (), jobs: int = 2, kinds: Sequence[str] = (), **options: Any
) -> Iterator[Verdict]:
    """Grade every variant of every exercise in every language, as `labkit grade` would.

    Parameters
    ----------
    folder : Path
        Default: ./solutions.
    only : sequence of str
        Numbers of exercises; empty for all.
    jobs : int
        At once.
    kinds : sequence of str
        Of `Variant`; empty for all.
    **options
        Of `Job`: params, limits, isolation.
    """
    books = [source for source in sources(folder) if not only or source.number in only]
    work = [(source, variant) for source in books for variant in variants(source) if not kinds or variant.kind in kinds]
    with Judges() as judges, ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda pair: _verdict(pair[0], pair[1], judges, options), work)


def _verdict(source: Source, variant: Variant, judges: Judges, options: dict[str, Any]) -> Verdict:
    text = source.path.read_text(encoding="utf-8")
    result = judges.judged(text, submission(source, variant), source.path.name, source.lang, **options)
    tasks = [task for task in result["tasks"] if not variant.task or task["id"] == variant.task]
    wrong = [part for task in tasks for part in task["parts"] if part["hint"]]
    points, of = sum(task["points"] for task in tasks), sum(task["of"] for task in tasks)
    wanted = 0.0 if variant.kind == "blank" else of if variant.points is None else variant.points
    hint, problem = wrong[0]["hint"] if wrong else "", ""
    if points != wanted:
        where = "; ".join(f"{part['name']}: {part['hint']} ({part['got'][:80]})" for part in wrong)
        problem = f"{points:g} instead of {wanted:g} points. {where}{' '.join(result.get('notes', ()))}"
    elif variant.hint and hint != variant.hint:
        problem = f"hint {hint!r} instead of {variant.hint!r}"
    elif any(part["hint"] == "broken_check" for part in wrong):
        problem = "a check broke"
    if variant.kind == "unusual" and not problem and result["points"] != result["of"]:
        problem = "another task lost points"
    return Verdict(source.number, source.lang, variant, points, of, hint, wrong[0]["advice"] if wrong else "", problem)
