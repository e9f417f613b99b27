"""Vectors in PostgreSQL with pgvector: a school's own database, for many users at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ... import settings
from ...errors import CapabilityError, LabError, MissingDependencyError, OptionError, ServerNotRunningError
from ...wording import say
from .base import Entry, Where, check_where, nearest
from .qdrant import check_width

if TYPE_CHECKING:
    from .base import Vectors

T = TypeVar("T")
WAIT = 15  # seconds to connect
STATEMENT = "60s"  # for one statement


class PostgresStore:
    """A table of a PostgreSQL database that has the extension pgvector.

    Parameters
    ----------
    url : str
        'postgresql://user:password@host:5432/database'.
    table : str
        One for each knowledge base. Made where it is not there.
    """

    def __init__(self, url: str, table: str = "labkit_vectors") -> None:
        try:
            import psycopg
        except ImportError:
            raise MissingDependencyError("The package psycopg is not installed.", fix=settings.command_for("stores")) from None
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,50}", table):
            raise OptionError(f"table={table!r} is no name for a table.", fix="Use letters, digits and _, at most 50.")
        self.url, self.table = url, table
        self._psycopg: Any = psycopg
        self._connection: Any = None
        self._dimension: int | None = self._do(self._known)

    def _do(self, work: Callable[[Any], T]) -> T:
        """Some work in one transaction, all of it or nothing. Once more where the connection had died before it began."""
        fresh = self._connection is None or self._connection.closed
        while True:
            try:
                if fresh:
                    self._connection = self._psycopg.connect(self.url, connect_timeout=WAIT, options=f"-c statement_timeout={STATEMENT}")
                with self._connection.transaction(), self._connection.cursor() as cursor:
                    return work(cursor)
            except self._psycopg.OperationalError as error:
                self.close()
                if fresh:
                    raise self._failed(error) from None
                fresh = True
            except self._psycopg.Error as error:
                raise self._failed(error) from None

    def _failed(self, error: Exception) -> LabError:
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if isinstance(error, self._psycopg.OperationalError):
            return ServerNotRunningError(f"PostgreSQL at {self._shown} does not answer: {said}", "", "Start it, or correct the address.")
        if "vector" in said and ("extension" in said or "not available" in said):
            return CapabilityError(
                f"PostgreSQL at {self._shown} has no pgvector: {said}", "", "Let its administrator run: CREATE EXTENSION vector"
            )
        return LabError(f"PostgreSQL at {self._shown} refused: {said}", fix="May this user create tables there?")

    @property
    def _shown(self) -> str:
        return re.sub(r"//[^@/]*@", "//", self.url)  # a password belongs into no message

    def _known(self, cursor: Any) -> int | None:
        cursor.execute("SELECT to_regtype('vector') IS NULL")
        if cursor.fetchone()[0]:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
        cursor.execute("SELECT atttypmod FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'vector'", (self.table,))
        row = cursor.fetchone()
        return int(row[0]) if row else None

    def add(self, entries: Sequence[Entry]) -> None:
        """Put vectors in, all or none; an id that is there is replaced."""
        if not entries:
            return
        width = len(entries[0].vector)

        def work(cursor: Any) -> None:
            if self._dimension is None:
                columns = f"id bigint PRIMARY KEY, vector vector({int(width)}) NOT NULL, metadata jsonb NOT NULL"
                cursor.execute(f"CREATE TABLE IF NOT EXISTS {self.table} ({columns})")
            instead = "ON CONFLICT (id) DO UPDATE SET vector = EXCLUDED.vector, metadata = EXCLUDED.metadata"
            insert = f"INSERT INTO {self.table} VALUES (%s, %s, %s) {instead}"
            cursor.executemany(insert, [(e.id, _literal(e.vector), json.dumps(_without_zero(dict(e.metadata)))) for e in entries])

        if self._dimension is not None:
            check_width(width, self._dimension, f"The table {self.table!r}")
        self._do(work)
        self._dimension = width

    def remove(self, ids: Iterable[int]) -> None:
        """Take vectors out."""
        gone = list(ids)
        if gone and self._dimension is not None:
            self._do(lambda cursor: cursor.execute(f"DELETE FROM {self.table} WHERE id = ANY(%s)", (gone,)))

    def search(self, vector: Vectors, k: int, where: Where | None = None) -> list[tuple[int, float]]:
        """Ids and cosines of the k nearest."""
        import numpy as np

        if self._dimension is None:
            return []
        check_width(len(vector), self._dimension, f"The table {self.table!r}")
        filters, values = [], []
        for name, allowed in check_where(where).items():
            filters.append("metadata -> %s @> ANY(%s::jsonb[])")
            values += [name, [json.dumps(value) for value in allowed]]
        condition = f"WHERE {' AND '.join(filters)}" if filters else ""

        statement = f"SELECT id, vector::text FROM {self.table} {condition} ORDER BY vector <=> %s::vector, id LIMIT %s"

        def fetch(count: int) -> tuple[list[int], Vectors]:
            def work(cursor: Any) -> list[tuple[int, str]]:
                cursor.execute(statement, (*values, _literal(vector), count))
                return list(cursor.fetchall())

            found = self._do(work)
            rows = np.array([json.loads(text) for _, text in found], dtype=np.float32).reshape(len(found), len(vector))
            return [number for number, _ in found], rows

        return nearest(fetch, vector, k)

    def ids(self) -> set[int]:
        """The ids that are there."""
        if self._dimension is None:
            return set()

        def work(cursor: Any) -> set[int]:
            cursor.execute(f"SELECT id FROM {self.table}")
            return {int(row[0]) for row in cursor.fetchall()}

        return self._do(work)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def __repr__(self) -> str:
        return say("PostgreSQL, {where}, table {name}", where=self._shown, name=self.table)


def _literal(vector: Vectors) -> str:
    return "[" + ",".join(repr(float(number)) for number in vector) + "]"


def _without_zero(value: dict[str, Any]) -> dict[str, Any]:
    """PostgreSQL's texts hold no NUL."""
    return {_text(name): [_text(one) for one in item] if isinstance(item, list) else _text(item) for name, item in value.items()}


def _text(value: Any) -> Any:
    return value.replace("\x00", "") if isinstance(value, str) else value
