"""A learner's notebook: which exercise it is, and which of its cells are run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .build import blank
from .source import Cell, Source, cells, parse_notebook


@dataclass(frozen=True)
class Prepared:
    """What the submission's process is given, and what was found on the way.

    Attributes
    ----------
    cells : tuple of Cell
        Code alone: the learner's answers and own cells, locked ones as the source has them, no test.
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
        if cell.kind != "code" or (known and known.is_test):
            if known and known.kind != cell.kind:
                notes.append("kind_changed")
            continue
        if known and cell.id in seen:  # the first one counts, so that nothing can take its place
            notes.append("answer_twice")
            continue
        if known and known.is_locked:
            if cell.source.strip() != known.source.strip() and "parameters" not in known.tags:
                notes.append("locked_changed")
            cell = known
        elif cell.id and not known:
            notes.append("unknown_id")
        seen.add(cell.id if known else "")
        run.append(cell)
    lost = [cell for id, cell in original.items() if id not in seen and not cell.is_test]
    notes += ["answer_missing" for cell in lost if cell.is_solution]
    stubs = [replace(cell, source=blank(cell.source, source.lang)) if cell.is_solution else cell for cell in lost]
    return Prepared((*stubs, *run), tuple(dict.fromkeys(notes)))


def _found(book: Mapping[str, Any], source: Source) -> list[str]:
    metadata = book.get("metadata")
    about = metadata.get("labkit") if isinstance(metadata, dict) else None
    if not isinstance(about, dict) or about.get("tests") != source.fingerprint():
        return ["other_tests"]
    return []
