"""Running lessons from start to end, with a page for each."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import LabError
from .places import ROOT
from .programs import News, Step, clock, run

MERGED = "--CoalesceStreamsPreprocessor.enabled=True"  # else each token of a stream is a line of its own


@dataclass(frozen=True)
class Result:
    """How a lesson went: `error` is empty where it ran to its end."""

    lesson: str
    error: str
    seconds: float
    report: Path


def find_lessons(names: Sequence[str], lang: str) -> list[Path]:
    """The lessons that are meant by `01`, `01_first_answer` or a path; all of them where none is named."""
    there = sorted((ROOT / "notebooks" / lang).glob("[0-9][0-9]_*.ipynb"))
    found: list[Path] = []
    for name in names:
        matches = [Path(name).resolve()] if name.endswith(".ipynb") else [path for path in there if path.stem.startswith(name)]
        if not matches or not matches[0].exists():
            raise LabError(
                f"There is no lesson {name!r} in notebooks/{lang}.", "", f"one of: {', '.join(path.stem for path in there) or 'none'}"
            )
        found += matches
    return found if names else there


def run_lesson(python: Path, lesson: Path, step: Step) -> Result:
    """Papermill runs it in its own folder, nbconvert makes the page, also of one that failed."""
    out = ROOT / "build" / lesson.parent.name / lesson.name
    out.parent.mkdir(parents=True, exist_ok=True)
    log, start = out.with_suffix(".log"), time.monotonic()
    log.unlink(missing_ok=True)

    def module(*arguments: str, news: News = None) -> str:
        try:
            run([str(python), "-m", *arguments], step, news, log)
        except LabError:
            return _error(log)
        return ""

    error = module("papermill", str(lesson), str(out), "--cwd", str(lesson.parent), "--kernel", "python3", news=_cell_news)
    seconds = time.monotonic() - start
    page_error = module("nbconvert", "--to", "html", "--embed-images", MERGED, str(out)) if out.exists() else ""
    return Result(lesson.stem, error or page_error, seconds, out.with_suffix(".html"))


def _cell_news(line: str) -> str:
    found = re.search(r"(\d+)/(\d+) \[", line)
    return f"cell {found[1]} of {found[2]}" if found else ""


def _error(log: Path) -> str:
    """The last error that a log names."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line for line in reversed(lines) if re.match(r"[\w.]*(Error|Exception|Interrupt)\b", line)), f"see {log}")


def report_table(results: Sequence[Result]) -> str:
    """One line for each lesson."""
    width = max((len(result.lesson) for result in results), default=0)
    rows = [f"\n{'lesson':{width}}  result   time  report"]
    for result in results:
        state = "failed" if result.error else "ok"
        rows.append(f"{result.lesson:{width}}  {state:6}  {clock(result.seconds):>5}  {result.report.relative_to(ROOT)}")
        rows += [f"{'':{width}}  {result.error}"] if result.error else []
    return "\n".join(rows)
