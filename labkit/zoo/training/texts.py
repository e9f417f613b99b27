"""Reads the course's own text files under `text/`; a file that is not there yet reads as empty."""

from __future__ import annotations

import functools
import tomllib
import zlib
from pathlib import Path
from typing import Any

from . import documents

FOLDER = Path(__file__).parent / "text"


@functools.cache
def table(file: str) -> dict[str, Any]:
    """The content of `text/FILE.toml`; empty where it is absent or, while somebody writes it, not well formed."""
    path = FOLDER / f"{file}.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        print(f"left out {path.name}: {error}")
        return {}


def items(file: str, name: str) -> list[dict[str, Any]]:
    """The array of tables `[[name]]` of `text/FILE.toml`."""
    return list(table(file).get(name, []))


@functools.cache
def all_documents() -> tuple[documents.Document, ...]:
    """Every slotted document that is well formed; the others are named and left out."""
    found: list[documents.Document] = []
    for file in sorted(documents.FOLDER.glob("*.toml")):
        try:
            items = tomllib.loads(file.read_text(encoding="utf-8")).get("document", [])
        except ValueError as error:
            print(f"left out {file.name}: {error}")
            continue
        for number, item in enumerate(items, 1):
            try:
                found.append(documents._document(file.stem, number, item))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                print(f"left out {file.name} document {number}: {error!r}")
    return tuple(found)


def is_new_domain(document: documents.Document) -> bool:
    """Whether the document's whole domain is held out: about one in ten are."""
    return zlib.crc32(document.domain.encode()) % 10 == 3


def is_new_document(document: documents.Document) -> bool:
    """Whether the document is held out, of a domain that is trained: every seventh."""
    return not is_new_domain(document) and document.number % 7 == 4
