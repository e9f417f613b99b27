"""`doctor()`: run every check and show the result as a table, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from .. import display
from ..wording import chosen
from .texts import HEADINGS, MARKS


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    name : str
        What was looked at, in the reader's language.
    status : {'ok', 'note', 'problem'}
        A note is worth knowing and stops nothing; a problem stops a lesson.
    found : str
        What is there.
    advice : str
        The command or change that mends it; empty where nothing is to be done.
    """

    name: str
    status: str
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Report:
    """The checks of one machine; the last line of a cell shows it as a table.

    Attributes
    ----------
    checks : tuple of Check
    lang : {'en', 'es'}
    """

    checks: tuple[Check, ...]
    lang: str = "en"

    @property
    def ok(self) -> bool:
        """Whether every lesson that needs no server can run."""
        return all(check.status != "problem" for check in self.checks)

    def json(self) -> str:
        """The report as JSON, for programs or to send to the teacher."""
        return json.dumps([asdict(check) for check in self.checks], ensure_ascii=False, indent=1)

    def _rows(self) -> list[tuple[str, ...]]:
        return [(f"{MARKS[c.status]} {HEADINGS[self.lang][c.status]}", c.name, c.found, c.advice) for c in self.checks]

    def __str__(self) -> str:
        lines = []
        for state, name, found, advice in self._rows():
            lines.append(f"{state:10} {name}: {found}")
            if advice:
                lines.append(f"{'':10}   → {advice}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return display.table_html([HEADINGS[self.lang][key] for key in ("state", "what", "found", "advice")], self._rows())


def doctor(lang: str | None = None) -> Report:
    """Look at this machine: Python, packages, the engine, the shipped models, memory, disk, Ollama and its settings.

    Parameters
    ----------
    lang : {'en', 'es'}, optional
        By default the reader's: the variable `lang` of a notebook, else `LABKIT_LANG`, else the system's settings.

    Returns
    -------
    Report
        Its `ok` tells whether the lessons can run; nothing on the machine is changed.
    """
    from .checks import CHECKS

    lang = chosen(lang)
    return Report(tuple(found for check in CHECKS for found in _guarded(check, lang)), lang)


def _guarded(check: object, lang: str) -> Sequence[Check]:
    """A check that breaks is a finding, not the end of the report."""
    try:
        return check(lang)  # type: ignore[operator, no-any-return]
    except Exception as error:
        name = getattr(check, "__name__", "check").lstrip("_")
        return [Check(name, "problem", f"{type(error).__name__}: {error}", HEADINGS[lang]["report"])]
