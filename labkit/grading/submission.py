"""A learner's notebook: which exercise it is, and which of its cells are run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .build import blank, without_hidden
from .source import Cell, Source, cells, parse_notebook


@dataclass(frozen=True)
class Prepared:
    """What the submission's process is given, and what was found on the way.

    Attributes
    ----------
    cells : tuple of Cell
        Code alone: the learner's answers and own cells, locked ones as the source has them, no test of the source.
    notes : tuple of str
        Keys of what was found: 'other_tests', 'locked_changed', 'answer_missing', 'answer_twice', 'unknown_id', 'no_kernel'.
    """

    cells: tuple[Cell, ...]
    notes: tuple[str, ...]


def number_of(text: str, name: str) -> str:
    """The exercise that a notebook belongs to: by its metadata, else its file name, else ''."""
    book = parse_notebook(text, name)
    about = (book.get("metadata") or {}).get("labkit") if isinstance(book.get("metadata"), dict) else None
    number = str(about.get("exercise", "")) if isinstance(about, dict) else ""
    if re.fullmatch(r"\d\d", number):
        return number
    for cell in cells(book):
        if match := re.fullmatch(r"(?:answer|test)-(\d\d)-\d+", cell.id):
            return match[1]
    match = re.search(r"(?:^|[_\- ])(\d\d)[_\- .]", name)
    return match[1] if match else ""


def language_of(text: str, name: str) -> str:
    """'en' or 'es', by its metadata; '' where it does not say."""
    metadata = parse_notebook(text, name).get("metadata")
    about = metadata.get("labkit") if isinstance(metadata, dict) else None
    lang = about.get("lang") if isinstance(about, dict) else ""
    return lang if lang in ("en", "es") else ""


def begun(text: str, name: str, source: Source) -> bool:
    """Whether a learner wrote anything: an answer that is not blank, or most of the checked names where cells have lost their ids.

    A lesson is called like an exercise, and defines a name or two of it.
    """
    blanks = {cell.id: blank(cell.source, source.lang).strip() for cell in source.cells if cell.is_solution}
    found = [cell for cell in cells(parse_notebook(text, name)) if cell.kind == "code"]
    if any(cell.source.strip() != blanks[cell.id] for cell in found if cell.id in blanks):
        return True
    own = "\n".join(cell.source for cell in found if not cell.id)
    names = [name for check in source.checks() for name in check.names]
    there = [name for name in names if re.search(rf"^((def|class) {re.escape(name)}\b|{re.escape(name)} *=)", own, re.MULTILINE)]
    return 2 * len(there) > len(names)


def prepare(text: str, name: str, source: Source) -> Prepared:
    """The cells to run.

    Raises
    ------
    ExerciseError
        When the file is no notebook.
    """
    book = parse_notebook(text, name)
    original = {cell.id: cell for cell in source.cells if cell.id and cell.kind == "code"}
    notes, seen, run = _found(book, source), set[str](), list[Cell]()
    for cell in cells(book):
        known = original.get(cell.id)
        if known and known.kind != cell.kind:
            notes.append("kind_changed")
        if cell.kind != "code":
            continue
        if known and known.is_locked:
            if cell.id not in seen:
                theirs = _changed(cell, known)
                notes += ["locked_changed" for _ in theirs]
                run += [*theirs, *([] if known.is_test else [known])]
            seen.add(cell.id)
            continue
        if known and cell.id in seen:  # split in two, as JupyterLab does it with all metadata
            notes.append("answer_twice")
        elif cell.id and not known:
            notes.append("unknown_id")
        seen.add(cell.id if known else "")
        run.append(cell)
    lost = [cell for id, cell in original.items() if id not in seen and not cell.is_test]
    notes += ["answer_missing" for cell in lost if cell.is_solution]
    stubs = [replace(cell, source=blank(cell.source, source.lang)) if cell.is_solution else cell for cell in lost]
    return Prepared((*stubs, *run), tuple(dict.fromkeys(notes)))


def _changed(cell: Cell, known: Cell) -> list[Cell]:
    """What a learner made of a locked or test cell: it runs before the restored one, since an import added there is part of the answer."""
    same = "parameters" in known.tags or cell.source.strip() in (known.source.strip(), without_hidden(known.source).strip())
    return [] if same else [cell]


def _found(book: Mapping[str, Any], source: Source) -> list[str]:
    metadata = book.get("metadata")
    about = metadata.get("labkit") if isinstance(metadata, dict) else None
    if not isinstance(about, dict) or about.get("tests") != source.fingerprint():
        return ["other_tests"]
    return []
