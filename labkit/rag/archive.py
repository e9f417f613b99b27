"""Where a knowledge base is kept: one SQLite file. What is committed survives a kill; what is not was never there.

Documents, passages, and vectors by the hash of their text, so that nothing is embedded twice. Several processes may read it while
one writes.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sqlite3
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import LabError, OptionError
from . import tables
from .chunks import Passage
from .documents import Document

if TYPE_CHECKING:
    from .stores.base import Vectors

VERSION = "1"
WAIT = 30.0  # seconds to wait for another process that writes
_TABLES = {"meta", "files", "documents", "passages", "vectors"}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (root TEXT, path TEXT, size INTEGER, changed INTEGER, sha256 TEXT, reason TEXT, PRIMARY KEY (root, path));
CREATE TABLE IF NOT EXISTS documents (id INTEGER PRIMARY KEY AUTOINCREMENT, root TEXT, path TEXT, source TEXT, text TEXT, rest TEXT);
CREATE TABLE IF NOT EXISTS passages (id INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER REFERENCES documents ON DELETE CASCADE,
    start INTEGER, stop INTEGER, page INTEGER, tokens INTEGER, vector BLOB);
CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS documents_of_file ON documents (root, path);
CREATE INDEX IF NOT EXISTS passages_of_document ON passages (document);
"""


@dataclass(frozen=True)
class FileState:
    """A file as it was when it was read; `reason` says why it was left out, where it was."""

    size: int
    changed: int
    sha256: str
    reason: str


def key_of(text: str) -> bytes:
    """By what a vector is found again."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()[:16]


class Archive:
    """The file of a knowledge base, or the same in memory.

    Parameters
    ----------
    path : str or Path
        ':memory:' until it is saved.
    make : bool
        Make a new file where there is none.
    """

    def __init__(self, path: str | Path = ":memory:", make: bool = True) -> None:
        self.path = None if str(path) == ":memory:" else Path(path).expanduser()
        self._lock = threading.RLock()
        if self.path is not None:
            _check_file(self.path, make)
        self._connection = self._connect(str(self.path or ":memory:"))
        with self._guard(), self.writing():
            for statement in _SCHEMA.split(";\n"):
                self._connection.execute(statement)
            version = self.meta("version")
            if version is None:
                self.put_meta("version", VERSION)
                # Passages of two files share no number, so that vectors that a store kept of another file are told from this one's.
                start = secrets.randbits(32) << 20
                self._connection.execute("INSERT INTO sqlite_sequence VALUES ('passages', ?)", (start,))
            elif version != VERSION:
                what = f"{self.path} was written in form {version}; this labkit reads form {VERSION}."
                raise OptionError(what, fix="Update labkit, or make the knowledge base anew.")
        self._seen = self._version()

    def _connect(self, name: str) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(name, timeout=WAIT, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA trusted_schema = OFF")
            return connection
        except sqlite3.Error as error:
            raise _meaning(error, self.path) from None

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            raise _meaning(error, self.path) from None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All of it or nothing: also when the process is killed in the middle."""
        with self._guard():
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    # -- what is in it ------------------------------------------------------------------------------------------------------------

    def meta(self, name: str) -> Any:
        """A note about the whole."""
        with self._guard():
            row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def put_meta(self, name: str, value: str | bytes) -> None:
        """Set such a note."""
        with self.writing():
            self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def files(self, root: str) -> dict[str, FileState]:
        """The files of a folder as they were."""
        with self._guard():
            rows = self._connection.execute("SELECT path, size, changed, sha256, reason FROM files WHERE root = ?", (root,)).fetchall()
        return {path: FileState(*rest) for path, *rest in rows}

    def places(self) -> list[tuple[str, str]]:
        """Every file that was read or left out: its folder, and its path in it."""
        with self._guard():
            return self._connection.execute("SELECT root, path FROM files ORDER BY root, path").fetchall()

    def skipped(self) -> list[tuple[str, str]]:
        """Files that were left out, and why."""
        with self._guard():
            return self._connection.execute("SELECT path, reason FROM files WHERE reason != '' ORDER BY path").fetchall()

    def documents(self) -> list[Document]:
        """The documents, in the order of their sources."""
        with self._guard():
            rows = self._connection.execute("SELECT source, text, rest FROM documents ORDER BY path, id").fetchall()
        return [_document(source, text, rest) for source, text, rest in rows]

    def passages(self, after: int = 0) -> dict[int, Passage]:
        """The passages, by number."""
        statement = (
            "SELECT p.id, d.id, d.source, d.text, d.rest, p.start, p.stop, p.page, p.tokens FROM passages p JOIN documents d "
            "ON d.id = p.document WHERE p.id > ? ORDER BY p.id"
        )
        found: dict[int, Passage] = {}
        last, document, headers = -1, Document("", ""), tables.Headers("")
        with self._guard():
            for number, owner, source, text, rest, start, stop, page, tokens in self._connection.execute(statement, (after,)):
                if owner != last:
                    last, document, headers = owner, _document(source, text, rest), tables.Headers(text)
                about = document.title, _metadata(document), headers.above(start)
                found[number] = Passage(source, text[start:stop], start, stop, page, tokens, *about)
        return found

    def vectors(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The vectors that are known, by key."""
        wanted = list(dict.fromkeys(keys))
        found: dict[bytes, bytes] = {}
        with self._guard():
            for start in range(0, len(wanted), 500):
                part = wanted[start : start + 500]
                marks = ",".join("?" * len(part))
                found.update(self._connection.execute(f"SELECT key, value FROM vectors WHERE key IN ({marks})", part).fetchall())
        return found

    def vectors_of(self, ids: Iterable[int] | None = None) -> dict[int, Vectors]:
        """Passage -> its vector, for all passages or some."""
        import numpy as np

        chosen = None if ids is None else set(ids)
        statement = "SELECT p.id, v.value FROM passages p JOIN vectors v ON v.key = p.vector"
        with self._guard():
            rows = self._connection.execute(statement)
            return {number: np.frombuffer(value, np.float32) for number, value in rows if chosen is None or number in chosen}

    def counts(self) -> tuple[int, int, int]:
        """How many files were read, documents and passages there are."""
        with self._guard():
            one = self._connection.execute
            files = one("SELECT count(*) FROM files WHERE reason = ''").fetchone()[0]
            return files, one("SELECT count(*) FROM documents").fetchone()[0], one("SELECT count(*) FROM passages").fetchone()[0]

    # -- changes --------------------------------------------------------------------------------------------------------------------

    def replace(
        self,
        root: str,
        path: str,
        state: FileState,
        documents: Sequence[tuple[Document, Sequence[Passage], Sequence[bytes]]],
        vectors: Mapping[bytes, Vectors],
    ) -> tuple[list[int], dict[int, Passage]]:
        """Put what a file holds in the place of what it held. Gives the numbers that are gone and the new passages."""
        with self.writing():
            gone = self._drop(root, path)
            run = self._connection.execute
            run(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)",
                (root, path, state.size, state.changed, state.sha256, state.reason),
            )
            self._connection.executemany(
                "INSERT OR IGNORE INTO vectors VALUES (?, ?)", [(key, vector.astype("<f4").tobytes()) for key, vector in vectors.items()]
            )
            new: dict[int, Passage] = {}
            for document, passages, keys in documents:
                values = (root, path, document.source, document.text, _rest(document))
                owner = run("INSERT INTO documents (root, path, source, text, rest) VALUES (?, ?, ?, ?, ?)", values).lastrowid
                for passage, key in zip(passages, keys, strict=True):
                    row = (owner, passage.start, passage.end, passage.page, passage.tokens, key)
                    number = run(
                        "INSERT INTO passages (document, start, stop, page, tokens, vector) VALUES (?, ?, ?, ?, ?, ?)", row
                    ).lastrowid
                    assert number is not None
                    new[number] = Passage(**{**vars(passage), "metadata": _metadata(document)})
        return gone, new

    def _drop(self, root: str, path: str) -> list[int]:
        run = self._connection.execute
        statement = "SELECT p.id FROM passages p JOIN documents d ON d.id = p.document WHERE d.root = ? AND d.path = ?"
        gone = [row[0] for row in run(statement, (root, path))]
        run("DELETE FROM documents WHERE root = ? AND path = ?", (root, path))
        run("DELETE FROM files WHERE root = ? AND path = ?", (root, path))
        return gone

    def put_vectors(self, ids: Sequence[int], texts: Sequence[str], vectors: Vectors) -> None:
        """Give vectors to passages that had none."""
        with self.writing():
            run = self._connection.executemany
            keys = [key_of(text) for text in texts]
            run("INSERT OR IGNORE INTO vectors VALUES (?, ?)", [(k, v.astype("<f4").tobytes()) for k, v in zip(keys, vectors, strict=True)])
            run("UPDATE passages SET vector = ? WHERE id = ?", list(zip(keys, ids, strict=True)))

    def touch(self, root: str, path: str, state: FileState) -> None:
        """Note that a file has another date and the same bytes."""
        with self.writing():
            self._connection.execute(
                "UPDATE files SET size = ?, changed = ? WHERE root = ? AND path = ?", (state.size, state.changed, root, path)
            )

    def drop(self, root: str, paths: Iterable[str]) -> list[int]:
        """Take out what some files held. Gives the numbers of the passages that are gone."""
        with self.writing():
            gone = [number for path in paths for number in self._drop(root, path)]
        return gone

    def changed_elsewhere(self) -> bool:
        """Whether another process has written since this was last asked."""
        now = self._version()
        changed, self._seen = now != self._seen, now
        return changed

    def _version(self) -> int:
        with self._guard():
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    # -- the file -------------------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the whole to a file: first beside it, then in its place, so that there is always one that is whole."""
        target = Path(path).expanduser()
        if target.is_dir():
            raise OptionError(f"{str(target)!r} is a folder.", fix="Name a file, such as 'school.kb'.")
        if target.exists():
            _check_file(target, make=False)  # no other file is overwritten
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{target.name}-", suffix=".part", dir=target.parent)
            os.close(handle)
        except OSError as error:
            raise LabError(
                f"{target} cannot be written: {error.strerror or error}.", fix="Take a folder that is yours, with room on the disk."
            ) from None
        try:
            with self._guard():
                copy = sqlite3.connect(name, isolation_level=None)
                try:
                    self._connection.backup(copy)
                finally:
                    copy.close()
            with open(name, "rb+") as stream:
                os.fsync(stream.fileno())
            os.replace(name, target)
            _sync_folder(target.parent)
        except OSError as error:
            raise LabError(
                f"{target} cannot be written: {error.strerror or error}.", fix="Is it open elsewhere, or is the disk full?"
            ) from None
        finally:
            Path(name).unlink(missing_ok=True)

    def reopen(self, path: str | Path) -> None:
        """Go on with the file that was saved."""
        target = Path(path).expanduser()
        with self._lock:
            old, self._connection = self._connection, self._connect(str(target))
            old.close()
            self.path = target
            self._seen = self._version()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


def _check_file(path: Path, make: bool) -> None:
    if path.is_dir():
        raise OptionError(f"{str(path)!r} is a folder, not the file of a knowledge base.", fix="KnowledgeBase.from_folder reads folders.")
    if not path.exists():
        if not make:
            raise OptionError(f"There is no knowledge base {str(path)!r}.", fix=f"Make one: labkit kb add FOLDER --kb {path}")
        return
    with path.open("rb") as stream:
        head = stream.read(16)
    if head and not (head == b"SQLite format 3\x00" and _is_ours(path)):
        raise OptionError(f"{str(path)!r} is not the file of a knowledge base.", fix="Choose another name; this file was not touched.")


def _is_ours(path: Path) -> bool:
    """Whether a database is a knowledge base or holds nothing yet; another program's is only looked at."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", timeout=WAIT, uri=True)) as connection:
            there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error as error:
        raise _meaning(error, path) from None
    return not there or there >= _TABLES


def _meaning(error: sqlite3.Error, path: Path | None) -> LabError:
    text = str(error)
    if "locked" in text or "busy" in text:
        return LabError(
            f"{path} is being written by another process, for more than {WAIT:g} s.", fix="Wait until that has ended, then try again."
        )
    if "malformed" in text or "not a database" in text:
        return OptionError(
            f"{path} is damaged: {text}.", "It was changed or only partly copied.", "Make it anew from its documents, or take a copy."
        )
    if "full" in text or "readonly" in text or "unable to open" in text or "I/O" in text:
        return LabError(f"{path} cannot be used: {text}.", fix="Is there room on the disk, and may this user write there?")
    return LabError(f"The file of the knowledge base ({path or 'in memory'}): {text}.")


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _rest(document: Document) -> str:
    rest = {name: getattr(document, name) for name in ("pages", "title", "kind", "metadata", "notes", "sha256")}
    return json.dumps(rest, ensure_ascii=False, default=str).encode("utf-8", "replace").decode()


def _document(source: str, text: str, rest: str) -> Document:
    more = json.loads(rest)
    return Document(source, text, tuple(more.pop("pages")), notes=tuple(more.pop("notes")), **more)


def _metadata(document: Document) -> dict[str, Any]:
    return {**document.metadata, "kind": document.metadata.get("kind", document.kind)}  # a record's own comes first
