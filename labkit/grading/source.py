"""The notebooks in `solutions/`: the one source of an exercise, with its answers and its hidden tests.

They carry nbgrader's cell metadata and markers, so `nbgrader generate_assignment` reads them as they are.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ExerciseError

KIT = Path(__file__).parents[2]
SOLUTION, HIDDEN = ("### BEGIN SOLUTION", "### END SOLUTION"), ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")
SIZE = 20_000_000  # bytes that a notebook may have


@dataclass(frozen=True)
class Cell:
    """One cell of a notebook.

    Attributes
    ----------
    kind : str
        'code', 'markdown' or 'raw'.
    source : str
    id : str
        The `grade_id` of nbgrader, or ''.
    grader : dict
        The cell's nbgrader metadata.
    tags : tuple of str
    """

    kind: str
    source: str
    id: str = ""
    grader: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    @property
    def is_solution(self) -> bool:
        """Whether the learner writes here."""
        return bool(self.grader.get("solution"))

    @property
    def is_test(self) -> bool:
        """Whether it gives points."""
        return bool(self.grader.get("grade"))

    @property
    def is_locked(self) -> bool:
        """Whether the learner's version of it does not count."""
        return not self.is_solution and (self.is_test or bool(self.grader.get("locked")))


@dataclass(frozen=True)
class Check:
    """A test cell: `lab.check("01.2", fits)` and, in the source, the hidden parts.

    Attributes
    ----------
    id : str
        The task.
    names : tuple of str
        The learner's names that it looks at.
    hidden : str
        Definitions of the hidden parts, as Python.
    points : float
        As the cell's metadata says.
    """

    id: str
    names: tuple[str, ...]
    hidden: str
    points: float


@dataclass(frozen=True)
class Source:
    """One exercise in one language, as it stands in `solutions/`.

    Attributes
    ----------
    path : Path
    lang : str
    cells : tuple of Cell
    """

    path: Path
    lang: str
    cells: tuple[Cell, ...]

    @property
    def number(self) -> str:
        """The exercise: '01'."""
        return self.path.name[:2]

    def checks(self) -> list[Check]:
        """Its test cells, in order."""
        return [read_check(cell) for cell in self.cells if cell.is_test]

    def answer_cell(self, task: str) -> Cell:
        """The solution cell of a task: `answer-01-2`."""
        for cell in self.cells:
            if cell.is_solution and cell.id == f"answer-{task.replace('.', '-')}":
                return cell
        raise ExerciseError(f"{self.path} has no solution cell 'answer-{task.replace('.', '-')}'.", "It is the cell's grade_id.")

    def fingerprint(self) -> str:
        """Sixteen hex digits of everything that is judged: locked cells, tests and hidden tests, the visible parts and points."""
        content = [(cell.kind, cell.source, cell.id, cell.grader.get("points")) for cell in self.cells if cell.is_locked]
        parts = Path(__file__).with_name("checks") / f"ex{self.number}.py"
        visible = parts.read_text(encoding="utf-8") if parts.is_file() else ""
        return hashlib.sha256(json.dumps([content, visible]).encode()).hexdigest()[:16]


def read_text(path: Path) -> str:
    """The text of a notebook's file.

    Raises
    ------
    ExerciseError
        When it cannot be read, is no text, or is too large.
    """
    try:
        if path.stat().st_size > SIZE:
            raise ExerciseError(f"{path.name} has {path.stat().st_size:,} bytes.", fix="Clear its outputs and save it again.")
        return path.read_text(encoding="utf-8-sig")  # some editors of Windows put a mark before the text
    except UnicodeDecodeError:
        raise ExerciseError(f"{path.name} is not UTF-8 text.", "It is no notebook, or was saved by another program.") from None
    except OSError as error:
        raise ExerciseError(f"{path.name} cannot be read: {error.strerror}.") from None


def read_notebook(path: Path) -> dict[str, Any]:
    """A notebook as JSON, checked as far as it is used.

    Raises
    ------
    ExerciseError
        When it is no notebook, or too large.
    """
    return parse_notebook(read_text(path), path.name)


def parse_notebook(text: str, name: str) -> dict[str, Any]:
    """The same, from text."""
    try:
        book = json.loads(text)
    except (ValueError, RecursionError):
        raise ExerciseError(f"{name} is no notebook: it holds no JSON.", "It was saved half, or is another file.") from None
    if not isinstance(book, dict) or not isinstance(book.get("cells"), list):
        raise ExerciseError(f"{name} is no notebook: it has no cells.", "Version 3 notebooks must be saved anew with JupyterLab.")
    return book


def cells(book: Mapping[str, Any]) -> Iterator[Cell]:
    """The cells of a notebook that nobody vouches for; what is no cell is left out."""
    for raw in book["cells"]:
        if not isinstance(raw, dict) or raw.get("cell_type") not in ("code", "markdown", "raw"):
            continue
        source = raw.get("source", "")
        source = "".join(map(str, source)) if isinstance(source, list) else str(source)
        metadata = _dict(raw.get("metadata"))
        grader, tags = _dict(metadata.get("nbgrader")), metadata.get("tags")
        tags = tags if isinstance(tags, list) else []
        yield Cell(raw["cell_type"], source, str(grader.get("grade_id", "")), grader, tuple(map(str, tags)))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def read_source(path: Path) -> Source:
    """An exercise of `solutions/{en,es}/NN_topic.ipynb`."""
    return Source(path, path.parent.name, tuple(cells(read_notebook(path))))


def sources(folder: Path | None = None) -> list[Source]:
    """Every exercise in every language, in order.

    Raises
    ------
    ExerciseError
        When there are none.
    """
    folder = folder or (Path("solutions") if Path("solutions").is_dir() else KIT / "solutions")
    found = [read_source(path) for path in sorted(folder.glob("??/[0-9][0-9]_*.ipynb"))]
    if not found:
        raise ExerciseError(f"There are no exercises in {folder}/en or {folder}/es.", fix="Give the folder: --solutions FOLDER")
    return sorted(found, key=lambda source: (source.number, source.lang))


def split(text: str, marks: tuple[str, str], where: str = "") -> Iterator[tuple[bool, str, list[str]]]:
    """(inside, indentation, lines) of a cell's text, part by part, the marks left out.

    Raises
    ------
    ExerciseError
        When a mark is missing or stands inside another region.
    """
    inside, indent, lines = False, "", list[str]()
    for line in text.split("\n"):
        if marks[0] in line or marks[1] in line:
            if inside == (marks[0] in line):
                raise ExerciseError(f"A mark is missing before {line.strip()!r}{where}.", fix=f"Write {marks[0]!r}, then {marks[1]!r}.")
            yield inside, indent, lines
            inside, indent, lines = marks[0] in line, re.match(r"\s*", line)[0], []  # type: ignore[index]
        else:
            lines.append(line)
    if inside:
        raise ExerciseError(f"{marks[1]!r} is missing{where}.")
    yield False, "", lines


def read_check(cell: Cell) -> Check:
    """What a test cell of a source checks.

    Raises
    ------
    ExerciseError
        When it is not of the form `lab.check("01.2", name, ...)`.
    """
    regions = list(split(cell.source, HIDDEN, f" in cell {cell.id!r}"))
    seen = "\n".join(line for inside, _, lines in regions for line in lines if not inside)
    concealed = "\n".join(line for inside, _, lines in regions for line in lines if inside)
    try:
        for node in ast.walk(ast.parse(seen)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "check":
                task, *names = node.args
                if isinstance(task, ast.Constant) and names and all(isinstance(name, ast.Name) for name in names):
                    words = tuple(name.id for name in names if isinstance(name, ast.Name))
                    return Check(str(task.value), words, concealed, float(cell.grader.get("points", 0)))
    except (SyntaxError, ValueError):
        pass
    raise ExerciseError(f"Test cell {cell.id!r} checks nothing.", fix='Its first line is like: lab.check("01.2", fits)')


def hidden_definitions(check: Check) -> Any:
    """Its hidden block as code: imports, functions, classes and assignments; its last line is for nbgrader alone."""
    tree = ast.parse(check.hidden)
    tree.body = [node for node in tree.body if not isinstance(node, ast.Expr)]
    return compile(tree, f"hidden tests of {check.id}", "exec")
