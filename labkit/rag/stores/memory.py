"""Vectors in this process: one matrix, every cosine computed. Exact, and fast enough for a hundred thousand passages."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ...wording import say
from .base import Entry, Where, check_where, matches, nearest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .base import Vectors


class NumpyStore:
    """A matrix of vectors, and their metadata."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._entries: dict[int, Entry] = {}
        self._matrix: tuple[NDArray[np.int64], Vectors] | None = None  # ids, and a row for each

    def add(self, entries: Sequence[Entry]) -> None:
        """Put vectors in; an id that is there is replaced."""
        with self._lock:
            self._entries.update((entry.id, entry) for entry in entries)
            self._matrix = None

    def remove(self, ids: Iterable[int]) -> None:
        """Take vectors out."""
        with self._lock:
            for number in ids:
                self._entries.pop(number, None)
            self._matrix = None

    def search(self, vector: Vectors, k: int, where: Where | None = None) -> list[tuple[int, float]]:
        """Ids and cosines of the k nearest."""
        import numpy as np

        wanted = check_where(where)
        with self._lock:
            ids, matrix = self._built()
            entries = self._entries if wanted else {}
        if not len(ids):
            return []
        scores = matrix @ np.asarray(vector, dtype=np.float32)
        if wanted:
            allowed = np.fromiter((matches(entries[number].metadata, wanted) for number in ids.tolist()), dtype=bool, count=len(ids))
            scores[~allowed] = -np.inf

        def fetch(count: int) -> tuple[NDArray[np.int64], Vectors]:
            near = scores.argpartition(-count)[-count:] if count < len(ids) else np.arange(len(ids))
            near = near[np.isfinite(scores[near])]
            return ids.take(near), matrix.take(near, axis=0)

        return nearest(fetch, vector, k)

    def _built(self) -> tuple[NDArray[np.int64], Vectors]:
        import numpy as np

        if self._matrix is None:
            ids = sorted(self._entries)
            rows = np.stack([self._entries[number].vector for number in ids]) if ids else np.zeros((0, 0), np.float32)
            for number, row in zip(ids, rows, strict=True):  # rows of the matrix, so that each vector is held once
                self._entries[number] = Entry(number, row, self._entries[number].metadata)
            self._matrix = np.array(ids, np.int64), rows
        return self._matrix

    def ids(self) -> set[int]:
        """The ids that are there."""
        return set(self._entries)

    def close(self) -> None:
        """Forget everything."""
        self._entries, self._matrix = {}, None

    def __repr__(self) -> str:
        return say("numpy, in this process")
