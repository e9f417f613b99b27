"""What an error says, in Spanish.

An error is written once, in English, where it is raised. Its Spanish stands in `errors.es.toml`, beside the English that it renders, with
`{name}` for what changes from one time to the next. So `error.what` stays as it was raised, for programs and reports, and a
reader who has chosen Spanish reads Spanish in a traceback, a widget or a terminal.
"""

from __future__ import annotations

import re
import string
import tomllib
from functools import cache
from pathlib import Path

from .wording import THIN

_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+")
TABLE = Path(__file__).with_name("errors.es.toml")


def spanish(text: str) -> str:
    """A text of an error in Spanish; as it is, where `errors.es.toml` does not know it.

    >>> spanish("Model 'mini-m' was closed.")
    "El modelo 'mini-m' está cerrado."
    """
    for pattern, rendering in _patterns():
        if found := pattern.fullmatch(text):
            return rendering.format(**{name: spanish(value) for name, value in found.groupdict().items()})
    return text.replace(",", THIN) if _THOUSANDS.fullmatch(text) else text


def translated(text: str, lang: str) -> str:
    """A text of an error in a language."""
    return spanish(text) if lang == "es" else text


def pairs() -> dict[str, str]:
    """English and Spanish of `errors.es.toml`, the rooms of the package put together."""
    return {english: rendering for room in tomllib.loads(TABLE.read_text(encoding="utf-8")).values() for english, rendering in room.items()}


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """The most words first: what fits two texts is the longer one."""
    table = pairs()
    return [(_pattern(english), table[english]) for english in sorted(table, key=_words, reverse=True)]


def _words(english: str) -> int:
    return sum(len(text) for text, *_ in string.Formatter().parse(english))


def _pattern(english: str) -> re.Pattern[str]:
    parts = [re.escape(text) + (f"(?P<{name}>.*?)" if name else "") for text, name, *_ in string.Formatter().parse(english)]
    return re.compile("".join(parts), re.DOTALL)
