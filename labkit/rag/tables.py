"""Tables in a text: lines whose cells are parted by bars, as Markdown writes them and as PDF files are read (`_pdf_worker`).

A row says little without the header of its table, and a table is often longer than a passage. So each piece of one that a model is
given, or that is searched, comes under that header.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 300  # characters of a header that is repeated
_ROW = re.compile(r"\s*\||.*\S\s+\|\s+\S")
_RULE = re.compile(r"[\s:|-]+")


@dataclass(frozen=True)
class Table:
    """Where a table is in a text, and the first of its rows, without the bars around it.

    Attributes
    ----------
    starts : tuple of int
        Of each of its lines, Markdown's rule under the header included.
    end : int
    header : str
        Empty where it is too long to be repeated.
    ruled : bool
        Whether Markdown's rule is under the header; without it, the first row may be a row like the others.
    """

    starts: tuple[int, ...]
    end: int
    header: str
    ruled: bool


def find(text: str) -> list[Table]:
    """The tables of a text: at least two lines with bars that follow one another.

    >>> [(table.header, len(table.starts), table.ruled) for table in find("Fees\\n| Course | Fee |\\n|---|---|\\n| Rope | 9 |\\nEnd.")]
    [('Course | Fee', 3, True)]
    """
    return list(_find(text)) if "|" in text else []


def _find(text: str) -> Iterator[Table]:
    places, place = [], 0
    for line in text.splitlines(keepends=True):
        places.append((place, line))
        place += len(line)
    for rows, group in itertools.groupby(places, lambda item: bool(_ROW.match(item[1]))):
        lines = list(group)
        if rows and len(lines) > 1 and not is_rule(lines[0][1]):
            start, last = lines[-1]
            header = inner(lines[0][1])
            header = header if len(header) <= LONGEST else ""
            yield Table(tuple(start for start, _ in lines), start + len(last), header, is_rule(lines[1][1]))


def is_rule(line: str) -> bool:
    """Whether a line is the rule under the header of a Markdown table."""
    return bool(_RULE.fullmatch(line)) and "-" in line and "|" in line


def inner(row: str) -> str:
    """A row without the bars around it.

    >>> inner("| Rope | 9 euros |")
    'Rope | 9 euros'
    """
    return row.strip().removeprefix("|").removesuffix("|").strip()


class Headers:
    """The headers of a text's tables, by place."""

    def __init__(self, text: str) -> None:
        self._tables = find(text)
        self._starts = [table.starts[0] for table in self._tables]

    def above(self, place: int) -> str:
        """The header of the table that a place is in; empty in its first line and outside of tables.

        >>> text = "Course | Fee\\nRope | 9 euros\\nSewing | 20 euros"
        >>> Headers(text).above(text.index("Sewing")), Headers(text).above(0)
        ('Course | Fee', '')
        """
        number = bisect.bisect_right(self._starts, place) - 1
        if number < 0:
            return ""
        table = self._tables[number]
        return table.header if table.starts[1] <= place < table.end else ""
