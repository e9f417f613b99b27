"""Bytes of text and JSON files, as parts of text with their notes."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..wording import say
from . import hidden

MAX_RECORDS = 200_000
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TITLE_FIELDS = ("title", "titulo", "título", "name", "nombre", "heading", "subject", "asunto")


class FormatError(Exception):
    """Why a file cannot be read, as the end of the sentence 'FILE: ...'; `again` where that may change though the file does not."""

    def __init__(self, reason: str, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


@dataclass
class Part:
    """One text of a file.

    Attributes
    ----------
    record : int
        Number of the record, from 1; 0 where the file is one text.
    """

    text: str
    title: str = ""
    pages: tuple[int, ...] = ()
    record: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def decode(data: bytes) -> tuple[str, list[str]]:
    """The text of some bytes: by their mark, else UTF-8, else Windows-1252, which a note then says.

    >>> decode("año".encode("cp1252"))
    ('año', ['read as Windows-1252, since it is not UTF-8'])
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            try:
                return data.decode(encoding), []
            except UnicodeDecodeError:
                raise FormatError(say("it begins as {encoding} and goes on as something else", encoding=encoding)) from None
    try:
        text, notes = data.decode("utf-8"), []
    except UnicodeDecodeError as error:
        text, notes = data.decode("cp1252", "replace"), [say("read as Windows-1252, since it is not UTF-8")]
        if error.reason == "unexpected end of data" and max(data[: error.start], default=0) >= 0x80:
            text, notes = data[: error.start].decode("utf-8"), [say("the last character was cut in half and left out")]
    if "\x00" in text:
        half = data[1::2].count(0), data[0::2].count(0)
        if max(half) > 0.3 * len(data) / 2:
            return data.decode("utf-16-le" if half[0] > half[1] else "utf-16-be", "replace"), [say("read as UTF-16 without a mark")]
        raise FormatError(say("it holds bytes of zero: it is no text file"))
    return text, notes


def from_text(data: bytes, kind: str) -> Part:
    """A TXT or Markdown file."""
    text, notes = decode(data)
    text = _lines(text)
    strange = sum(char < " " and char not in "\n\t\f" for char in text[:20_000])
    if strange > 0.1 * min(len(text), 20_000):
        raise FormatError(say("it is no text: most of it are control characters"))
    # The first heading of Markdown; of a text, a first line that stands alone and is no sentence.
    heading = re.search(r"^#{1,3}\s+(.+)$", text, re.M) if kind == "md" else re.match(r"\s*([^\n]{1,80}[^\n.!?:;,])\n[ \t]*\n", text)
    pages = (0, *(match.end() for match in re.finditer("\f", text))) if "\f" in text else ()
    return Part(text, heading[1] if heading else "", pages, notes=notes + about_hidden(text))


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def about_hidden(text: str) -> list[str]:
    """A note on characters that a reader does not see."""
    found = hidden.find(text)
    if not found:
        return []
    kinds = sorted({label for _, label in found})
    names = ", ".join(kinds[:3]) + (" …" if len(kinds) > 3 else "")
    one, several = "holds 1 hidden character: {names}", "holds {n} hidden characters: {names}"
    return [say(one if len(found) == 1 else several, n=len(found), names=names)]


def from_json(data: bytes, kind: str, fields: Sequence[str] | None) -> list[Part]:
    """The records of a JSON or JSONL file."""
    text, notes = decode(data)
    records, more = _lines_of_json(text) if kind == "jsonl" else _records(text)
    parts = []
    for number, record in records:
        body, metadata = _record(record, fields)
        title = next((str(record[key]) for key in _TITLE_FIELDS if isinstance(record, Mapping) and record.get(key)), "")
        parts.append(Part(body, title, (), number, metadata, notes + more + about_hidden(body)))
    if not any(part.text.strip() for part in parts):
        if not fields:
            raise FormatError(say("it holds no text"))
        said = "it holds no text in the fields {fields}; there are: {known}"
        raise FormatError(say(said, fields=", ".join(fields), known=", ".join(_known(records)) or say("none")))
    return [part for part in parts if part.text.strip()]


def _known(records: Sequence[tuple[int, Any]]) -> list[str]:
    return sorted({str(key) for _, record in records[:50] if isinstance(record, Mapping) for key in record})[:20]


def _records(text: str) -> tuple[list[tuple[int, Any]], list[str]]:
    value = _load(text)
    whole = value if isinstance(value, dict) else {}
    lists = [key for key, v in whole.items() if isinstance(v, list) and v and all(isinstance(i, dict) for i in v)]
    around = []
    if len(lists) == 1 and not any(isinstance(v, dict) for v in whole.values()):
        value = whole.pop(lists[0])  # {"school": "Velmar", "courses": [{...}, {...}]}
        around = [(0, whole)] if whole else []
    if not isinstance(value, list):
        return [(0, value)], []
    if len(value) > MAX_RECORDS:
        raise FormatError(say("it holds {n:,} records, more than {most:,}", n=len(value), most=MAX_RECORDS))
    return [*around, *enumerate(value, 1)], []


def _lines_of_json(text: str) -> tuple[list[tuple[int, Any]], list[str]]:
    records, broken = [], []
    for number, line in enumerate(_lines(text).split("\n"), 1):
        if line.strip():
            try:
                records.append((number, _load(line)))
            except FormatError:
                broken.append(number)
        if len(records) > MAX_RECORDS:
            raise FormatError(say("it holds more than {most:,} records", most=MAX_RECORDS))
    if not records:
        raise FormatError(say("none of its lines is JSON"))
    left = say("lines that are no JSON were left out: {lines}", lines=", ".join(map(str, broken[:10])))
    return records, [left] if broken else []


def _load(text: str) -> Any:
    try:
        value = json.loads(text)
        if "\\ud" in text.lower():  # JSON may hold half a character, such as "\ud83d", in names and values
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        return value
    except RecursionError:
        raise FormatError(say("its JSON is nested too deeply")) from None
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError):
            raise FormatError(say("it is no JSON in line {line}: {reason}", line=error.lineno, reason=error.msg)) from None
        raise FormatError(say("it is no JSON: {reason}", reason=error)) from None


def _record(record: Any, fields: Sequence[str] | None) -> tuple[str, dict[str, Any]]:
    """The text of a record, one line 'name: value' for each field, and what a search can filter by."""
    leaves = list(_leaves(record))
    if fields is None:
        chosen = leaves
    else:
        chosen = [leaf for name in fields for leaf in leaves if leaf[0] == name or leaf[0].startswith((f"{name}.", f"{name}["))]
    lines = [_line(name, value, alone=fields is not None and len(fields) == 1) for name, value in chosen]
    metadata = {name: value for name, value in leaves if "[" not in name and len(_said(value)) <= 80 and name}
    return "\n".join(line for line in lines if line), metadata


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(_said, value)) if isinstance(value, list) else str(value)


def _line(name: str, value: Any, alone: bool) -> str:
    text = _said(value).strip()
    label = re.sub(r"\[\d+\]", "", name).replace("_", " ").replace(".", " ")
    return text if alone or not label or not text else f"{label}: {text}"


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with the path to it, such as ('author.name', 'Ada') and ('days', ['Monday', 'Friday'])."""
    stack: list[tuple[str, Any]] = [(name, value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, Mapping):
            stack += reversed([(f"{path}.{key}" if path else str(key), inner) for key, inner in item.items()])
        elif isinstance(item, list):
            if item and all(_is_leaf(inner) for inner in item):
                yield path, item
            else:
                stack += reversed([(f"{path}[{number}]", inner) for number, inner in enumerate(item)])
        elif _is_leaf(item):
            yield path, item


def _is_leaf(item: Any) -> bool:
    return isinstance(item, str | int) or (isinstance(item, float) and math.isfinite(item))
