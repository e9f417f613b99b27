"""How good a ranking is: the measures of information retrieval, each a few lines (Manning et al., *Introduction to IR*, ch. 8)."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence


def recall(ranking: Sequence[Hashable], relevant: Collection[Hashable], k: int) -> float:
    """Share of what is relevant that stands among the first k.

    >>> recall(["b", "a", "c"], {"a", "d"}, k=2)
    0.5
    """
    return len(set(ranking[:k]) & set(relevant)) / len(set(relevant)) if relevant else 0.0


def precision(ranking: Sequence[Hashable], relevant: Collection[Hashable], k: int) -> float:
    """Share of the first k places that hold something relevant; a place that is empty holds nothing.

    >>> precision(["b", "a", "c"], {"a", "d"}, k=2)
    0.5
    """
    return len(set(ranking[:k]) & set(relevant)) / k


def reciprocal_rank(ranking: Sequence[Hashable], relevant: Collection[Hashable]) -> float:
    """1 / rank of the first that is relevant, 0 where none is; its mean over questions is the MRR.

    >>> reciprocal_rank(["b", "a", "c"], {"a", "d"})
    0.5
    """
    return next((1 / rank for rank, item in enumerate(ranking, 1) if item in relevant), 0.0)


def ndcg(ranking: Sequence[Hashable], relevant: Collection[Hashable] | Mapping[Hashable, float], k: int | None = None) -> float:
    """Gains, discounted by the logarithm of the rank, as a share of the best ranking's (Järvelin and Kekäläinen, 2002).

    Parameters
    ----------
    ranking : sequence
    relevant : collection, or dict of grades
        Without grades, each is worth 1.
    k : int
        Count the first k places alone.

    >>> round(ndcg(["b", "a", "c"], {"a": 1, "d": 1}), 4)
    0.3869
    """
    grades = dict(relevant) if isinstance(relevant, Mapping) else dict.fromkeys(relevant, 1.0)
    found = _dcg([grades.get(item, 0.0) for item in ranking[:k]])
    best = _dcg(sorted(grades.values(), reverse=True)[:k])
    return found / best if best else 0.0


def _dcg(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))
