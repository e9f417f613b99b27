"""Vectors in Qdrant: the same code in memory, in a folder, against a server or a cluster."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import settings
from ...errors import LabError, MissingDependencyError, OptionError, ServerNotRunningError
from ...wording import say
from .base import Entry, Where, check_where, nearest

if TYPE_CHECKING:
    from .base import Vectors

BATCH = 500
WAIT = 30  # seconds for one answer of a server


class QdrantStore:
    """A collection of Qdrant.

    Parameters
    ----------
    where : str or Path
        ':memory:', a folder (one process at a time), or the address of a server: 'http://127.0.0.1:6333'.
    collection : str
        One for each knowledge base.
    api_key : str or None
        For a server that asks for one.
    """

    def __init__(self, where: str | Path = ":memory:", collection: str = "labkit", api_key: str | None = None) -> None:
        try:
            from qdrant_client import QdrantClient
        except ImportError:
            raise MissingDependencyError("The package qdrant-client is not installed.", fix=settings.command_for("stores")) from None
        self.where, self.collection = str(where), collection
        self._remote = self.where.startswith(("http://", "https://"))
        try:
            if self._remote:
                self._client = QdrantClient(url=self.where, api_key=api_key, timeout=WAIT, check_compatibility=False)
            elif self.where == ":memory:":
                self._client = QdrantClient(":memory:")
            else:
                self._client = QdrantClient(path=str(Path(where).expanduser()))
        except (RuntimeError, OSError) as error:
            if "already accessed" in str(error):
                what = f"The Qdrant folder {self.where!r} is open in another process."
                raise OptionError(what, "A folder serves one process.", "Close it there, or run a Qdrant server for both.") from None
            raise self._failed(error) from None
        self._dimension = self._known()

    def _known(self) -> int | None:
        def ask() -> int | None:
            if not self._client.collection_exists(self.collection):
                return None
            return int(self._client.get_collection(self.collection).config.params.vectors.size)  # type: ignore[union-attr]

        found: int | None = self._try(ask)
        return found

    def _try(self, call: Any) -> Any:
        """Call, and once more after a short wait where a server did not answer."""
        from httpx import HTTPError
        from qdrant_client.http.exceptions import ApiException

        for attempt in (1, 2):
            try:
                return call()
            except (ApiException, HTTPError, OSError) as error:
                if attempt == 2 or not self._remote or getattr(error, "status_code", 500) < 500:
                    raise self._failed(error) from None
                time.sleep(0.5)
        raise AssertionError

    def _failed(self, error: Exception) -> LabError:
        if not self._remote:
            return LabError(f"Qdrant at {self.where!r} failed: {error}", fix="Is the folder writable, and is there room on the disk?")
        cause = f"It said: {str(error)[:300]}"
        return ServerNotRunningError(
            f"The Qdrant server at {self.where} does not do what was asked.", cause, "Start it, or correct the address."
        )

    def add(self, entries: Sequence[Entry]) -> None:
        """Put vectors in; an id that is there is replaced."""
        from qdrant_client import models

        if not entries:
            return
        width = len(entries[0].vector)
        if self._dimension is None:
            # Vectors have length 1, so that the product is the cosine; as COSINE Qdrant would scale them again and round.
            params = models.VectorParams(size=width, distance=models.Distance.DOT)
            self._try(lambda: self._client.create_collection(self.collection, vectors_config=params))
            self._dimension = width
        check_width(width, self._dimension, f"The Qdrant collection {self.collection!r}")
        for start in range(0, len(entries), BATCH):
            batch = entries[start : start + BATCH]
            points = [models.PointStruct(id=e.id, vector=e.vector.tolist(), payload=dict(e.metadata)) for e in batch]
            self._try(lambda points=points: self._client.upsert(self.collection, points, wait=True))

    def remove(self, ids: Iterable[int]) -> None:
        """Take vectors out."""
        from qdrant_client import models

        gone = sorted(ids)
        if gone and self._dimension is not None:
            self._try(lambda: self._client.delete(self.collection, models.PointIdsList(points=list(gone)), wait=True))

    def search(self, vector: Vectors, k: int, where: Where | None = None) -> list[tuple[int, float]]:
        """Ids and cosines of the k nearest."""
        import numpy as np
        from qdrant_client import models

        if self._dimension is None:
            return []
        check_width(len(vector), self._dimension, f"The Qdrant collection {self.collection!r}")
        conditions: list[Any] = [_condition(name, values) for name, values in check_where(where).items()]
        chosen: dict[str, Any] = {
            "query": np.asarray(vector, dtype=np.float32).tolist(),
            "query_filter": models.Filter(must=conditions) if conditions else None,
            "search_params": models.SearchParams(exact=True) if self._remote else None,  # a folder is always searched exactly
        }

        def fetch(count: int) -> tuple[list[int], Vectors]:
            ask = self._client.query_points
            found = self._try(lambda: ask(self.collection, limit=count, with_vectors=True, with_payload=False, **chosen)).points
            rows = np.array([point.vector for point in found], dtype=np.float32).reshape(len(found), len(vector))
            return [int(point.id) for point in found], rows

        return nearest(fetch, vector, k)

    def ids(self) -> set[int]:
        """The ids that are there."""
        if self._dimension is None:
            return set()
        found: set[int] = set()
        offset: Any = None
        page: dict[str, Any] = {"limit": 10_000, "with_payload": False, "with_vectors": False}
        while True:
            points, offset = self._try(lambda offset=offset: self._client.scroll(self.collection, offset=offset, **page))
            found.update(int(point.id) for point in points)
            if offset is None:
                return found

    def close(self) -> None:
        """Close the folder or the connection."""
        self._client.close()

    def __repr__(self) -> str:
        return say("Qdrant, {where}, collection {name}", where=self.where, name=self.collection)


def check_width(width: int, known: int, who: str) -> None:
    """Refuse vectors of another length than those that are there."""
    if width != known:
        what = f"{who} holds vectors of {known} numbers, and this one has {width}."
        raise OptionError(what, "They come from another embedding model.", "Use a collection of its own for each embedding model.")


def _condition(name: str, values: tuple[Any, ...]) -> Any:
    from qdrant_client import models

    anyone: list[Any] = []
    for value in values:
        if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
            anyone.append(models.FieldCondition(key=name, range=models.Range(gte=value, lte=value)))  # matches 3 and 3.0 alike
        else:
            anyone.append(models.FieldCondition(key=name, match=models.MatchValue(value=value)))
    return models.Filter(should=anyone)
