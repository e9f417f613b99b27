"""The same answers through the real nbgrader: `generate_assignment` from our source, `autograde` in its kernel, and what differs.

python -m tests.grading.round_trip 01          print the table
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labkit.grading.judges import Judges
from labkit.grading.source import KIT, Source, sources
from labkit.grading.verify import Variant, variants

CONFIG = """
c = get_config()
c.CourseDirectory.course_id = "labkit"
c.Execute.timeout = 120
# Engines may log to stderr, which nbgrader takes for a failure unless told otherwise.
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = ".*"
"""


@dataclass(frozen=True)
class Row:
    """One answer, graded by both."""

    name: str
    ours: float
    nbgraders: float
    of: float


def nbgrader(course: Path, *arguments: str) -> str:
    """Run nbgrader as a teacher would; its own programs (alembic) are found on PATH."""
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(command, cwd=course, env=env, capture_output=True, text=True, timeout=500)
    if done.returncode != 0:
        raise RuntimeError(f"nbgrader {arguments}: {done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout + done.stderr


def filled(released: str, source: Source, variant: Variant) -> str:
    """The notebook that nbgrader released, with an answer written into it."""
    book = json.loads(released)
    for cell in book["cells"]:
        id = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        original = next((known for known in source.cells if known.id == id and known.is_solution), None)
        if original and variant.kind != "blank":
            mine = variant.task and id == source.answer_cell(variant.task).id
            cell["source"] = variant.code if mine else original.source
    return json.dumps(book)


def through_nbgrader(source: Source, chosen: list[Variant], course: Path) -> dict[str, float]:
    """Points of each answer, as nbgrader's gradebook has them."""
    (course / "nbgrader_config.py").write_text(CONFIG)
    folder = course / "source" / "ps1"
    folder.mkdir(parents=True)
    shutil.copy(source.path, folder / source.path.name)
    nbgrader(course, "generate_assignment", "ps1", "--create")
    released = (course / "release" / "ps1" / source.path.name).read_text(encoding="utf-8")
    assert "BEGIN SOLUTION" not in released and "HIDDEN TESTS" not in released
    for number, variant in enumerate(chosen):
        path = course / "submitted" / f"s{number}" / "ps1" / source.path.name
        path.parent.mkdir(parents=True)
        path.write_text(filled(released, source, variant), encoding="utf-8")
    nbgrader(course, "autograde", "ps1", "--create")
    query = """select s.student_id, sum(coalesce(g.manual_score, g.auto_score, 0)) from grade g
        join submitted_notebook n on g.notebook_id = n.id join submitted_assignment s on n.assignment_id = s.id group by s.student_id"""
    with sqlite3.connect(course / "gradebook.db") as book:
        points = dict(book.execute(query).fetchall())
    book.close()
    return {key(variant): float(points[f"s{number}"]) for number, variant in enumerate(chosen)}


def key(variant: Variant) -> str:
    return " ".join(part for part in (variant.kind, variant.task, variant.name) if part)


def compare(source: Source, chosen: list[Variant]) -> Iterator[Row]:
    """Each answer through both graders; ours takes what nbgrader released as well."""
    with tempfile.TemporaryDirectory(prefix="labkit-nbgrader-") as folder:
        theirs = through_nbgrader(source, chosen, Path(folder))
        released = (Path(folder) / "release" / "ps1" / source.path.name).read_text(encoding="utf-8")
        text = source.path.read_text(encoding="utf-8")
        with Judges() as judges:
            for variant in chosen:
                result = judges.judged(text, filled(released, source, variant), source.path.name, source.lang)
                yield Row(key(variant), result["points"], theirs[key(variant)], result["of"])


def main() -> int:
    differ = 0
    for source in sources(KIT / "solutions"):
        if source.lang == "en" and (len(sys.argv) < 2 or source.number in sys.argv[1:]):
            for row in compare(source, variants(source)):
                same = "same" if row.ours == row.nbgraders else "DIFFERS"
                print(source.number, row.name, f"labkit {row.ours:g}", f"nbgrader {row.nbgraders:g}", f"of {row.of:g}", same, sep=" | ")
                differ += row.ours != row.nbgraders
    print(f"{differ} differ")
    return int(bool(differ))


if __name__ == "__main__":
    sys.exit(main())
