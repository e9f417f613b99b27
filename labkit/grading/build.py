"""`labkit exercises build`: the learners' notebooks in `exercises/`, made from `solutions/`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .source import HIDDEN, SOLUTION, Cell, Source, cells, read_notebook, sources, split
from .texts import STUB


def blank(text: str, lang: str, where: str = "") -> str:
    """The text of a solution cell without its solutions.

    Inside a function stands `raise NotImplementedError()` instead; at the left margin only a comment, so that the notebook runs on.
    """
    out: list[str] = []
    for inside, indent, lines in split(text, SOLUTION, where):
        if inside:
            out.append(indent + STUB[lang])
            out += [f"{indent}raise NotImplementedError()"] if indent else []
        else:
            out += lines
    return "\n".join(out)


def without_hidden(text: str, where: str = "") -> str:
    """The text of a test cell without its hidden tests."""
    return "\n".join(line for inside, _, lines in split(text, HIDDEN, where) for line in lines if not inside).rstrip("\n")


def _metadata(raw: dict[str, Any], cell: Cell) -> dict[str, Any]:
    """What Jupyter is told of a cell: where learners are not to write, they cannot, but for the parameters."""
    return raw | ({"editable": False, "deletable": False} if cell.is_locked and "parameters" not in cell.tags else {})


def exercise_text(source: Source) -> str:
    """The learner's notebook, as the text of its file."""
    book = read_notebook(source.path)
    made: list[Any] = []
    for raw, cell in zip(book["cells"], cells(book), strict=True):
        where = f" in {source.path.name}, cell {cell.id!r}"
        text = blank(cell.source, source.lang, where) if cell.is_solution else without_hidden(cell.source, where)
        kept: dict[str, Any] = {
            "cell_type": cell.kind,
            "id": raw.get("id", cell.id),
            "metadata": _metadata(raw["metadata"], cell),
            "source": text,
        }
        if cell.kind == "code":
            kept |= {"execution_count": None, "outputs": []}
        made.append(kept | {"source": text.splitlines(keepends=True)})
    about = {"exercise": source.number, "lang": source.lang, "tests": source.fingerprint()}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "labkit": about, "language_info": {"name": "python"}}
    whole = {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def build(solutions: Path | None = None, out: Path | None = None, check: bool = False) -> Iterator[tuple[Path, str]]:
    """Write every exercise.

    Parameters
    ----------
    solutions : Path
        Default: ./solutions.
    out : Path
        Default: the folder `exercises` beside it.
    check : bool
        Only compare, and write nothing.

    Yields
    ------
    (Path, str)
        A notebook, and what became of it: 'unchanged', 'written', 'stale' (only with `check`) or 'removed'.
    """
    known = []
    for source in sources(solutions):
        base = out or source.path.parents[2] / "exercises"
        path = base / source.lang / source.path.name
        known.append(path)
        text = exercise_text(source)
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            yield path, "unchanged"
        elif check:
            yield path, "stale"
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            yield path, "written"
    for path in sorted(known[0].parents[1].glob("??/[0-9][0-9]_*.ipynb")) if known else []:
        if path not in known:
            yield path, "stale" if check else "removed"
            if not check:
                path.unlink()
