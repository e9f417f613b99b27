"""The process that reads PDF files: a line of JSON in (a path), a line of JSON out. It imports nothing of labkit."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import math
import re
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

MEMORY = 1_500_000_000  # bytes of address space
PAGES = 5_000
CHARACTERS = 10_000_000
SMALLEST = 1.0  # points that text must have to be read
_SHOWS = (b"Tj", b"TJ", b"'", b'"')
ROW, CELLS, ROWS = 1_000, 40, 300  # characters and cells of a table's row, and rows of a table, at most
LAYOUT = 500_000  # characters of a page that tables are looked for on, blanks included
TABLES = 20.0  # seconds for the tables of a file, which has 60 for all
Span = tuple[int, int]
_GAP = re.compile(r"(?<=\S) {2,}(?=\S)")
_GREYS = ("/DeviceGray", "/G", "/CalGray")


def _text(piece: Any) -> str:
    """A string of a page's commands; the numbers between strings are distances."""
    return piece if isinstance(piece, str) else piece.decode("latin-1") if isinstance(piece, bytes) else ""


@dataclass
class Look:
    """How text is drawn: the colour that fills it, whether that is in a space of one number that is a shade, the mode, the size."""

    fill: tuple[float, ...] = (0.0,)
    grey: bool = True
    mode: int = 0
    size: float = 12.0


class Unseen:
    """Collects text that a reader may not see: white, not drawn at all, or smaller than a point."""

    def __init__(self) -> None:
        self.look = Look()
        self.stack: list[Look] = []
        self.drawn = False  # any text that is
        self.found: dict[str, list[str]] = {"white": [], "hidden": []}

    def __call__(self, operator: bytes, operands: Any, cm: Any, tm: Any) -> None:
        try:
            if operator in (b"g", b"rg", b"k"):
                self.look.fill, self.look.grey = tuple(float(value) for value in operands), True
            elif operator == b"cs":  # a new space begins with black
                self.look.fill, self.look.grey = (0.0,), str(operands[0]) in _GREYS
            elif operator in (b"sc", b"scn"):  # a pattern has a name for its last operand
                self.look.fill = tuple(0.0 if isinstance(value, str) else float(value) for value in operands)
            elif operator == b"Tr":
                self.look.mode = int(operands[0])
            elif operator == b"Tf":
                self.look.size = float(operands[1])
            elif operator == b"q":
                self.stack.append(replace(self.look))
            elif operator == b"Q" and self.stack:
                self.look = self.stack.pop()
            elif operator in _SHOWS:
                last = operands[-1]
                self._shown("".join(map(_text, last if isinstance(last, list) else [last])), abs(self.look.size) * _scale(cm) * _scale(tm))
        except (TypeError, ValueError, IndexError):
            pass

    def _shown(self, text: str, size: float) -> None:
        self.drawn = self.drawn or (self.look.mode != 3 and bool(text.strip()))
        if self.look.mode == 3 or size < SMALLEST:
            self.found["hidden"].append(text)
        elif self._white():
            self.found["white"].append(text)

    def _white(self) -> bool:
        fill = self.look.fill
        if len(fill) == 4:  # inks
            return not any(fill)
        return min(fill) > 0.98 and (len(fill) == 3 or self.look.grey)  # one number that is no shade is an ink

    def kinds(self) -> list[tuple[str, str]]:
        """'white', 'hidden' or, where nothing of the page's text is drawn, 'ocr'; each with the text."""
        kinds = [(kind, " ".join(texts)) for kind, texts in self.found.items() if "".join(texts).strip()]
        return kinds if self.drawn else [("ocr", text) for kind, text in kinds]


def _scale(matrix: Any) -> float:
    a, b, c, d = (float(value) for value in matrix[:4])
    return math.sqrt(abs(a * d - b * c))


def with_tables(text: str, layout: str) -> str:
    """A page's text with bars between the cells of its tables, as Markdown has them: "V-12 | Small Engines | 520 euros".

    Without them nobody can tell where a cell ends. What is beside what is seen in pypdf's layout mode, where blanks stand for distance:
    rows that follow one another are a table where at least two blanks run through all of them, from top to bottom. The rest of the
    text stays as it is, since the plain mode reads pages of several columns in order.

    >>> print(with_tables("Courses\\nA Rope 5 euros\\nB Sewing 20 euros", "Courses\\nA   Rope      5 euros\\nB   Sewing   20 euros"))
    Courses
    A | Rope | 5 euros
    B | Sewing | 20 euros
    """
    if len(layout) > LAYOUT:
        return text
    rows = {row: cells for table in _tables(layout.splitlines()) for row, cells in table.items()}
    if not rows:
        return text
    lines, out, place = text.split("\n"), [], 0
    while place < len(lines):
        # The plain mode may have each cell in a line of its own.
        squeezed, end = "", place
        while end < min(len(lines), place + CELLS) and (end == place or squeezed):
            squeezed, end = squeezed + _squeezed(lines[end]), end + 1
            if squeezed in rows:
                break
        found = rows.get(squeezed)
        out.append(lines[place] if found is None else found)
        place = place + 1 if found is None else end
    return "\n".join(out)


def _tables(lines: Sequence[str]) -> Iterator[dict[str, str]]:
    """The rows of each table, without their blanks and with bars."""
    table: list[str] = []
    gaps: set[Span] = set()  # of each row by itself
    seen = ""  # where any row has something
    for line in [*lines, ""]:
        own, both = set(_gaps(line)), _over(seen, line)
        # Each gap of a row is in the place of one that runs through all rows; those of justified prose are not.
        if own and len(line) <= ROW and len(table) < ROWS and all("  " in both[start:end] for start, end in gaps | own):
            table, gaps, seen = [*table, line], gaps | own, both
            continue
        borders = _gaps(seen)
        if len(table) >= 2 and len(borders) + len(table) >= 4:  # two rows of three cells, or three of two
            cells = list(zip([0, *(end for _, end in borders)], [*(start for start, _ in borders), None], strict=True))
            columns = _columns([[" ".join(row[start:end].split()) for row in table] for start, end in cells])
            yield {_squeezed(row): " | ".join(cells) for row, cells in zip(table, zip(*columns, strict=True), strict=True)}
        table, gaps, seen = ([line], own, line) if own and len(line) <= ROW else ([], set(), "")


def _columns(columns: list[list[str]]) -> list[list[str]]:
    """Neighbours of which no row fills both are one column: blanks come out a little wrong, so that its cells lie beside one another."""
    found = [columns[0]]
    for column in columns[1:]:
        if any(one and other for one, other in zip(found[-1], column, strict=True)):
            found.append(column)
        else:
            found[-1] = [one or other for one, other in zip(found[-1], column, strict=True)]
    return found


def _over(first: str, second: str) -> str:
    """Two lines printed over one another."""
    return "".join("x" if one != " " or other != " " else " " for one, other in itertools.zip_longest(first, second, fillvalue=" "))


def _gaps(line: str) -> list[Span]:
    """Where a line has at least two blanks, with something on both sides."""
    return [match.span() for match in _GAP.finditer(line)]


def _squeezed(line: str) -> str:
    return "".join(line.split())


def read(path: str, seconds: float = TABLES) -> dict[str, Any]:
    """What is in a file: `{"pages", "title", "unseen", "tables"}`, or `{"error", "values", "again"}`.

    `tables` is the number of pages on which tables were looked for, as many as took so many seconds; an error is a text for
    `wording.say`, and what is filled in.
    """
    try:
        from pypdf import PdfReader
        from pypdf.errors import DependencyError, PyPdfError
    except ImportError:
        return {"error": "reading PDF files needs the package pypdf: pip install pypdf", "again": True}

    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            return {"error": "it is encrypted and wants a password: save it without one"}
        count = len(reader.pages)
        if count > PAGES:
            return {"error": "it has {n:,} pages, more than {most:,}", "values": {"n": count, "most": PAGES}}
        pages, unseen, size, spent, tables = [], [], 0, 0.0, 0
        for number, page in enumerate(reader.pages, 1):
            watch = Unseen()
            text = page.extract_text(visitor_operand_before=watch)
            if spent <= seconds:
                start = time.monotonic()
                with contextlib.suppress(Exception):  # the text without its tables is better than none
                    text = with_tables(text, page.extract_text(extraction_mode="layout", layout_mode_space_vertically=False))
                spent += time.monotonic() - start
                tables = number
            pages.append(text.encode("utf-8", "replace").decode())
            size += len(text)
            if size > CHARACTERS:
                return {"error": "its text has more than {most:,} characters", "values": {"most": CHARACTERS}}
            unseen += [(number, kind, text[:200].encode("utf-8", "replace").decode()) for kind, text in watch.kinds()]
        title = str(reader.metadata.title or "") if reader.metadata else ""
        return {"pages": pages, "title": title.encode("utf-8", "replace").decode(), "unseen": unseen, "tables": tables}
    except DependencyError:
        needs = "it is encrypted in a way that needs another package: pip install 'pypdf[crypto]', or save it without a password"
        return {"error": needs, "again": True}
    except RecursionError:
        return {"error": "its parts are nested too deeply"}
    except MemoryError:
        return {"error": "it unpacks to more than memory holds"}
    except PyPdfError as error:
        return {"error": "it is damaged or no PDF: {reason}", "values": {"reason": str(error)[:200]}}
    except Exception as error:  # whatever a file does to the parser, the next file is read
        return {"error": "it is damaged: {reason}", "values": {"reason": f"{type(error).__name__}: {str(error)[:200]}"}}


def main() -> None:
    """Serve until the input ends."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    except (ImportError, ValueError, OSError):
        pass  # Windows, or a system that does not allow it: time stays limited
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(json.dumps(read(json.loads(line))).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
