"""Vectors in this process: one matrix, every cosine computed. Exact, and fast enough for a hundred thousand passages."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ...wording import say
from .base import Entry, Where, check_where, matches, nearest

if TYPE_CHECKING:
    from .base import Vectors


class NumpyStore:
    """A matrix of vectors, and their metadata."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._entries: dict[int, Entry] = {}
        self._ids: list[int] = []
        self._matrix: Vectors | None = None

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
        if not ids:
            return []
        scores = matrix @ np.asarray(vector, dtype=np.float32)
        if wanted:
            allowed = np.fromiter((matches(entries[number].metadata, wanted) for number in ids), dtype=bool, count=len(ids))
            scores[~allowed] = -np.inf

        def fetch(count: int) -> tuple[list[int], Vectors]:
            near = np.argpartition(scores, -count)[-count:] if count < len(ids) else np.arange(len(ids))
            near = near[np.isfinite(scores[near])]
            return [ids[place] for place in near], matrix[near]

        return nearest(fetch, vector, k)

    def _built(self) -> tuple[list[int], Vectors]:
        import numpy as np

        if self._matrix is None:
            self._ids = sorted(self._entries)
            self._matrix = np.zeros((0, 0), np.float32) if not self._ids else np.stack([self._entries[n].vector for n in self._ids])
            for number, row in zip(self._ids, self._matrix, strict=True):  # rows of the matrix, so that each vector is held once
                self._entries[number] = Entry(number, row, self._entries[number].metadata)
        return self._ids, self._matrix

    def ids(self) -> set[int]:
        """The ids that are there."""
        return set(self._entries)

    def close(self) -> None:
        """Forget everything."""
        self._entries, self._ids, self._matrix = {}, [], None

    def __repr__(self) -> str:
        return say("numpy, in this process")
