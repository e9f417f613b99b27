"""First step: from files to documents, with where each page begins, and with a reason for every file that was left out.

PDF (pypdf, in a process of its own), TXT, Markdown, JSON and JSONL. One broken file never ends the whole run: it stands in
`Documents.skipped`. No path and no link leads out of the folder.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import OptionError
from ..wording import say
from ._formats import FormatError, Part, from_json, from_text
from ._pdf import PdfReader

KINDS = {
    ".pdf": "pdf",
    ".txt": "txt",
    ".text": "txt",
    ".md": "md",
    ".markdown": "md",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
MAX_BYTES = 50_000_000  # of one file
MAX_CHARACTERS = 10_000_000  # of one document's text
MAX_FILES = 100_000


@dataclass(frozen=True)
class Document:
    """The text of a file, or of one record of a JSON file.

    Attributes
    ----------
    source : str
        Path inside its folder, with '/'; a record has its number: 'courses.json#3'.
    text : str
    pages : tuple of int
        Offset in `text` at which each page begins; empty where there are none.
    title : str
        From the file: its first heading, its metadata, or its name.
    kind : str
        'pdf', 'txt', 'md', 'json', 'jsonl', or 'text' for what was never a file.
    metadata : dict
        Numbers, short texts, True and False, and lists of them that a search can filter by. A filter by `source`, `file`, `title` or,
        where there are pages, `page` asks for labkit's own, not for what a record says under these names.
    notes : tuple of str
        What a reader should know: hidden text, an encoding that was guessed, pages without text.
    sha256 : str
        Of the file's bytes, in hexadecimal.
    """

    source: str
    text: str
    pages: tuple[int, ...] = ()
    title: str = ""
    kind: str = "text"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sha256: str = ""

    def page(self, offset: int) -> int | None:
        """Number of the page, from 1, on which a character stands; None where there are no pages."""
        if not self.pages:
            return None
        return max(1, sum(start <= offset for start in self.pages))

    def _repr_html_(self) -> str:
        from .views import document_html

        return document_html(self)


@dataclass(frozen=True)
class Skipped:
    """A file that was not read, and why; or a folder that could not be looked into.

    Attributes
    ----------
    source, reason : str
    again : bool
        Whether the reason lies outside of the file (rights, a lock, a missing package), so that the next try may succeed.
    """

    source: str
    reason: str
    again: bool = False

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


class Documents(list[Document]):
    """Documents, and the files that were left out.

    Attributes
    ----------
    skipped : list of Skipped
    """

    def __init__(self, documents: Iterable[Document] = (), skipped: Iterable[Skipped] = ()) -> None:
        super().__init__(documents)
        self.skipped = list(skipped)

    def _repr_html_(self) -> str:
        from .views import documents_html

        return documents_html(self)


@dataclass(frozen=True)
class File:
    """A file that can be read: its name in the folder, where it is, and its state when it was looked at."""

    source: str
    path: Path
    size: int
    changed: int  # st_mtime_ns


@dataclass
class Found:
    """What there is to read, by name alone.

    Attributes
    ----------
    files : list of File
    skipped : list of Skipped
        What cannot be read.
    passed_over : Counter of str
        How much there is of each kind that labkit does not read.
    """

    files: list[File] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)


def read(
    path: str | Path,
    *,
    fields: Sequence[str] | None = None,
    only: str | Sequence[str] | None = None,
    progress: Callable[[str, int, int], object] | None = None,
) -> Documents:
    """Read a folder, or one file.

    Parameters
    ----------
    path : str or Path
    fields : sequence of str
        The fields of JSON records that make the text, by name or by path ('author.name'); by default all. The others become metadata.
    only : str or sequence of str
        Patterns of the files to take, such as '*.pdf'; by default every file of a known kind.
    progress : callable
        Called with (source, number done, total).

    Returns
    -------
    Documents
        In the order of their names; what could not be read stands in `.skipped`, each with its reason.

    Raises
    ------
    OptionError
        When there is no such file or folder.

    Examples
    --------
    >>> read("no/such/folder")
    Traceback (most recent call last):
    ...
    labkit.errors.OptionError: There is no file or folder 'no/such/folder'. Check the name, or where this notebook runs: Path.cwd().
    """
    found = find(path, only)
    documents = Documents(skipped=found.skipped)
    with Reader(fields) as reader:
        for number, file in enumerate(found.files, 1):
            items = reader.read(file)
            documents.extend(item for item in items if isinstance(item, Document))
            documents.skipped.extend(item for item in items if isinstance(item, Skipped))
            if progress is not None:
                progress(file.source, number, len(found.files))
    return documents


def find(path: str | Path, only: str | Sequence[str] | None = None) -> Found:
    """The files under a folder that can be read, and those that cannot, by name alone."""
    found = Found()
    root = Path(path).expanduser()
    patterns = [only] if isinstance(only, str) else list(only or ())
    if root.is_file():
        folder, names = root.parent, [root.name]
    elif root.is_dir():
        folder, names = root, _walk(root, found)
    else:
        what = f"There is no file or folder {str(path)!r}."
        raise OptionError(what, fix="Check the name, or where this notebook runs: Path.cwd().")
    inside = folder.resolve()
    for name in names:
        if patterns and not any(Path(name).match(pattern) for pattern in patterns):
            continue
        if len(found.files) == MAX_FILES:
            found.skipped.append(Skipped(name, say("more than {most:,} files: the rest was left out", most=MAX_FILES)))
            break
        kind = KINDS.get(Path(name).suffix.lower())
        if kind is None and (root.is_dir() and not patterns):
            found.passed_over[Path(name).suffix.lower() or say("files without an ending")] += 1
            continue  # a folder may hold anything; a file that was asked for is answered
        file = _file(inside, folder / name, name, kind)
        (found.files if isinstance(file, File) else found.skipped).append(file)  # type: ignore[arg-type]
    return found


def _walk(root: Path, found: Found) -> list[str]:
    """Names under a folder, in order; hidden ones, and those of folders that are links, left out."""

    def unread(error: OSError) -> None:
        name = _text(Path(error.filename).relative_to(root).as_posix())
        found.skipped.append(Skipped(name, say("it cannot be opened: {reason}", reason=error.strerror or error), again=True))

    names = []
    for folder, folders, here in os.walk(root, onerror=unread, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        if links := sum(os.path.islink(os.path.join(folder, name)) for name in folders):
            found.passed_over[say("links to folders")] += links
        names += [Path(folder, name).relative_to(root).as_posix() for name in here if not name.startswith((".", "~$"))]
    return sorted(names)


def _text(name: str) -> str:
    return name.encode("utf-8", "replace").decode()  # a name on disk may be no text


def _file(inside: Path, path: Path, name: str, kind: str | None) -> File | Skipped:
    source = _text(name)
    if kind is None:
        other = path.suffix or say("files without an ending")
        return Skipped(source, say("labkit reads {kinds}, not {other}", kinds=", ".join(sorted(KINDS)), other=other))
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(inside):
            return Skipped(source, say("it is a link that leads out of the folder"))
        state = real.stat()
    except (OSError, RuntimeError) as error:
        reason = say("it cannot be opened: {reason}", reason=getattr(error, "strerror", None) or error)
        return Skipped(source, reason, again=not isinstance(error, FileNotFoundError))
    if not stat.S_ISREG(state.st_mode):
        return Skipped(source, say("it is no ordinary file"))
    if state.st_size == 0:
        return Skipped(source, say("it is empty"))
    if state.st_size > MAX_BYTES:
        said = "it has {size:.0f} MB, more than the {most:.0f} MB that one file may have"
        return Skipped(source, say(said, size=state.st_size / 1e6, most=MAX_BYTES / 1e6))
    return File(source, real, state.st_size, state.st_mtime_ns)


class Reader:
    """Reads files, PDF in a process that is started when the first one comes."""

    def __init__(self, fields: Sequence[str] | None = None) -> None:
        if isinstance(fields, str):
            raise OptionError(f"fields={fields!r} is one text, not a list of names.", fix=f"Use fields=[{fields!r}].")
        self._fields = tuple(fields) if fields is not None else None
        self._pdf = PdfReader()

    def read(self, file: File) -> list[Document | Skipped]:
        """The documents of a file; one Skipped where it cannot be read."""
        kind = KINDS[file.path.suffix.lower()]
        try:
            data = file.path.read_bytes()
        except (OSError, MemoryError) as error:
            reason = say("it cannot be read: {reason}", reason=getattr(error, "strerror", None) or error)
            return [Skipped(file.source, reason, again=True)]
        try:
            if kind == "pdf":
                parts = [self._pdf.read(file.path)]
            elif kind in ("json", "jsonl"):
                parts = from_json(data, kind, self._fields)
            else:
                parts = [from_text(data, kind)]
        except FormatError as error:
            return [Skipped(file.source, str(error), error.again)]
        digest = hashlib.sha256(data).hexdigest()
        return [_document(file, kind, part, digest) for part in parts]

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *error: object) -> None:
        self._pdf.close()


def _document(file: File, kind: str, part: Part, digest: str) -> Document | Skipped:
    source = f"{file.source}#{part.record}" if part.record else file.source
    if len(part.text) > MAX_CHARACTERS:
        return Skipped(source, say("its text has {n:,} characters, more than {most:,}", n=len(part.text), most=MAX_CHARACTERS))
    if not part.text.strip():
        return Skipped(source, say("it holds no text"))
    title = part.title.strip()[:200] or Path(file.source).stem.replace("_", " ").replace("-", " ")
    return Document(source, part.text, part.pages, title, kind, part.metadata, tuple(part.notes), digest)


def from_string(text: str, source: str = "text", **metadata: Any) -> Document:
    """A document from a text that never was a file.

    >>> from_string("The library opens at nine.", source="note").source
    'note'
    """
    if not isinstance(text, str) or not text.strip():
        raise OptionError("There is no text to make a document of.", fix="Give a text of at least one character.")
    text = text.encode("utf-8", "replace").decode()
    return Document(source, text, metadata=metadata, sha256=hashlib.sha256(text.encode()).hexdigest())
