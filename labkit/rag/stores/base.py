"""What a vector store can be asked, and the one way in which all of them score."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import OptionError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    Numbers = Sequence[int] | NDArray[np.int64]

Where = Mapping[str, Any]
SPARE = 16  # candidates that a store is asked for beyond k
MOST = 5000  # candidates at which looking for equal ones ends


@dataclass(frozen=True, slots=True)
class Entry:
    """A vector and what a search can filter it by.

    Attributes
    ----------
    id : int
        The passage's number.
    vector : ndarray of float32
        Of length 1.
    metadata : dict
    """

    id: int
    vector: Vectors
    metadata: Mapping[str, Any] = field(default_factory=dict)


class VectorStore(Protocol):
    """Keeps vectors of length 1 and finds the nearest."""

    def add(self, entries: Sequence[Entry]) -> None:
        """Put vectors in, all or none; an id that is there is replaced."""

    def remove(self, ids: Iterable[int]) -> None:
        """Take vectors out; ids that are not there do not matter."""

    def search(self, vector: Vectors, k: int, where: Where | None = None) -> list[tuple[int, float]]:
        """Ids and cosines of the k nearest, best first; equal ones by id."""

    def ids(self) -> set[int]:
        """The ids that are there."""

    def close(self) -> None:
        """Give back what the store holds."""


def nearest(fetch: Callable[[int], tuple[Numbers, Vectors]], vector: Vectors, k: int) -> list[tuple[int, float]]:
    """The k best of what a store finds, scored alike for every store.

    Engines round differently and order equal scores by chance. So the store is asked for some more than k, their cosines are computed
    anew in double precision, and equal ones go by id; where the last one asked for is still as good as the k-th, more are asked for.

    Parameters
    ----------
    fetch : callable
        How many -> ids and vectors of so many nearest, in any order.
    vector : ndarray, shape (dimension,)
    k : int
    """
    count = k + SPARE
    while True:
        ids, vectors = fetch(count)
        ranked = _scored(vector, ids, vectors)
        if len(ids) < count or count > MOST or ranked[-1][1] < ranked[k - 1][1] - 1e-6:
            return ranked[:k]
        count *= 8


def _scored(vector: Vectors, ids: Numbers, vectors: Vectors) -> list[tuple[int, float]]:
    import numpy as np

    if not len(ids):
        return []
    # Row by row: a product of matrices rounds by where a row stands.
    scores = np.vecdot(np.asarray(vectors, dtype=np.float64), np.asarray(vector, dtype=np.float64))
    numbers = np.asarray(ids, dtype=np.int64)
    order = np.lexsort((numbers, -scores.round(6)))
    return list(zip(numbers[order].tolist(), scores[order].tolist(), strict=True))


def check_where(where: Where | None) -> dict[str, tuple[Any, ...]]:
    """A filter with every value as a tuple of those that are allowed.

    >>> check_where({"kind": "pdf", "page": [1, 2]})
    {'kind': ('pdf',), 'page': (1, 2)}
    """
    if where is None:
        return {}
    if not isinstance(where, Mapping):
        raise OptionError(f"where={where!r} is no filter.", fix='Give names and values: where={"source": "rules.pdf"} or {"page": [1, 2]}.')
    found = {}
    for name, value in where.items():
        values = tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)
        for one in values:
            if not isinstance(one, str | int | bool | float) or (isinstance(one, float) and not math.isfinite(one)):
                raise OptionError(
                    f"where={{{name!r}: {value!r}}}: a filter compares texts and numbers.", fix="Give one, or a list of them."
                )
        found[str(name)] = values
    return found


def matches(metadata: Mapping[str, Any], wanted: Mapping[str, tuple[Any, ...]]) -> bool:
    """Whether metadata has one of the allowed values under each name; of a list, one of its members. True is not 1 here, as in JSON.

    >>> matches({"days": ["Monday", "Friday"]}, check_where({"days": "Friday"}))
    True
    """
    return all(any(_same(one, value) for one in _members(metadata, name) for value in values) for name, values in wanted.items())


def _members(metadata: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = metadata.get(name, ())
    return value if isinstance(value, list | tuple) else (value,)


def _same(one: Any, other: Any) -> bool:
    return bool(isinstance(one, bool) == isinstance(other, bool) and isinstance(one, str) == isinstance(other, str) and one == other)
