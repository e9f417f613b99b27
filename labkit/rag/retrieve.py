"""Fourth step: from a question to the passages that may answer it, with the score of each and where it comes from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from .. import display
from ..errors import OptionError
from ..wording import say
from . import hidden, words
from .chunks import Passage
from .index import Index
from .stores.base import Where, check_where

if TYPE_CHECKING:
    import pandas as pd

WAYS = ("hybrid", "vector", "lexical")
K = 4
RRF = 60  # Cormack, Clarke and Büttcher, Reciprocal Rank Fusion (2009)
DEPTH = 50  # passages of each ranking that are fused
Ranking = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Hit:
    """A passage that was found.

    Attributes
    ----------
    passage : Passage
    score : float
        By which it was ranked: a cosine, a BM25 score, or the sum of 1 / (60 + rank) over both.
    rank : int
        From 1.
    parts : dict
        What the score is made of: 'vector' (cosine), 'vector_rank', 'lexical' (BM25), 'lexical_rank'; those that there are.
    relevance : float
        From 0 to 1, what a threshold is compared with: the cosine, or the share of the question's words that the passage holds (rare
        ones count more); the greater one of a hybrid search.
    id : int
        The passage's number in its knowledge base.
    """

    passage: Passage
    score: float
    rank: int
    parts: dict[str, float]
    relevance: float
    id: int = field(default=0, repr=False)  # of another number in each knowledge base

    @property
    def text(self) -> str:
        """The passage's text."""
        return self.passage.text

    @property
    def source(self) -> str:
        """The passage's source."""
        return self.passage.source

    def row(self) -> dict[str, Any]:
        """The hit as one flat row, for a table."""
        p = self.passage
        return {
            "rank": self.rank,
            "source": p.source,
            "page": p.page,
            "score": self.score,
            **self.parts,
            "relevance": self.relevance,
            "text": p.text,
        }


class Hits(list[Hit]):
    """What a search found, best first.

    Attributes
    ----------
    question, how : str
    threshold : float or None
    below : int
        Passages that were found and left out, since they are below the threshold.
    repeats : int
        Passages that were left out, since a better one has the same words.
    unit : {'passages', 'sentences'}
        What each hit is; see `rag.compress`.
    seconds : float
        That the search took, where a knowledge base was searched.
    """

    def __init__(
        self,
        hits: Iterable[Hit] = (),
        question: str = "",
        how: str = "",
        threshold: float | None = None,
        below: int = 0,
        repeats: int = 0,
        unit: str = "passages",
    ) -> None:
        super().__init__(hits)
        self.unit, self.seconds = unit, 0.0
        self.question, self.how, self.threshold, self.below, self.repeats = question, how, threshold, below, repeats

    def frame(self) -> pd.DataFrame:
        """The hits as a pandas frame."""

        return display.frame([hit.row() for hit in self])

    def left_out(self, lang: str) -> str:
        """What was found and is not among the hits, as the end of a list; empty where that is nothing."""
        below = say(", {n} below the threshold {threshold:g}", lang, n=self.below, threshold=self.threshold) if self.below else ""
        return below + (say(", repeats left out: {n}", lang, n=self.repeats) if self.repeats else "")

    def _repr_html_(self) -> str:
        from .views import hits_html

        return hits_html(self)


def fuse(*rankings: Ranking, constant: float = RRF) -> list[tuple[int, float]]:
    """Several rankings as one: each gives 1 / (constant + rank) to what it ranks (reciprocal rank fusion).

    Parameters
    ----------
    *rankings : sequences of (id, score)
        Best first; the scores do not count, since cosines and BM25 scores cannot be compared.

    Returns
    -------
    list of (id, score)
        Best first, equal ones by id.

    >>> fuse([("a", 0.9), ("b", 0.8)], [("b", 7.0), ("c", 2.0)])
    [('b', 0.03252247488101534), ('a', 0.01639344262295082), ('c', 0.016129032258064516)]
    """
    total: dict[int, float] = {}
    for ranking in rankings:
        for rank, (number, _) in enumerate(ranking, 1):
            total[number] = total.get(number, 0.0) + 1 / (constant + rank)
    return sorted(sorted(total.items(), key=itemgetter(0)), key=itemgetter(1), reverse=True)


def search(
    index: Index,
    question: str,
    k: int = K,
    how: str = "hybrid",
    where: Where | None = None,
    threshold: float | None = None,
) -> Hits:
    """Find the passages nearest to a question.

    Parameters
    ----------
    index : Index
    question : str
    k : int
        Passages wanted, at most.
    how : {'hybrid', 'vector', 'lexical'}
        By meaning (cosine of vectors), by words (BM25), or both fused by rank.
    where : dict
        Names and values that a passage must have: ``{"source": "rules.pdf"}``, ``{"page": [1, 2]}``, any metadata.
    threshold : float
        Least relevance, from 0 to 1; see `Hit.relevance`. By default none.

    Returns
    -------
    Hits
        Maybe empty: nothing relevant is an answer too.

    Raises
    ------
    OptionError
        For an empty question, an unknown `how`, or a search by meaning without an embedding model.
    """
    question = check(question, k, how, threshold)
    check_where(where)
    depth = max(DEPTH, 10 * k)
    while True:
        rankings = _rankings(index, question, depth, how, where)
        order = fuse(*rankings.values()) if how == "hybrid" else next(iter(rankings.values()))
        hits = _hits(index, question, order, rankings, how, k, threshold)
        hits.threshold = threshold
        # Where repeats of one text took the places of others, look deeper.
        if len(hits) + hits.below >= k or not hits.repeats or depth >= len(index.passages):
            return hits
        depth *= 8


def check(question: str, k: int, how: str, threshold: float | None) -> str:
    """The question, cleaned; an OptionError for what cannot be searched."""
    if not isinstance(question, str) or not hidden.strip(question).strip():
        raise OptionError("The question is empty.", fix='Ask something: kb.search("When does the library open?").')
    if how not in WAYS:
        raise OptionError(f"how={how!r} is no way to search.", fix=f"Use one of {', '.join(map(repr, WAYS))}.")
    if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= 1000:
        raise OptionError(f"k={k!r} is out of range.", fix="It is a whole number from 1 to 1000.")
    if threshold is not None and (isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1):
        raise OptionError(f"threshold={threshold!r} is out of range.", fix="It is a number from 0 (everything) to 1, or None.")
    return question.encode("utf-8", "replace").decode().strip()


def _rankings(index: Index, question: str, depth: int, how: str, where: Where | None) -> dict[str, Ranking]:
    found: dict[str, Ranking] = {}
    if how in ("hybrid", "vector"):
        found["vector"] = index.by_meaning(question, depth, where)
    if how in ("hybrid", "lexical"):
        found["lexical"] = index.by_words(question, depth, where)
    return found


def _hits(index: Index, question: str, order: Ranking, rankings: dict[str, Ranking], how: str, k: int, threshold: float | None) -> Hits:
    ranks = {name: {number: rank for rank, (number, _) in enumerate(ranking, 1)} for name, ranking in rankings.items()}
    hits, seen = Hits(question=question, how=how), set()
    share = index.sharing(question) if how != "vector" else None
    for number, score in order:
        passage = index.passages.get(number)
        if passage is None:  # taken out by another process meanwhile
            continue
        key = " ".join(words.plain(passage.text).split())
        if key in seen:
            hits.repeats += 1
            continue
        seen.add(key)
        parts: dict[str, float] = {}
        for name, ranked in ranks.items():
            if rank := ranked.get(number):
                parts[f"{name}_rank"], parts[name] = rank, rankings[name][rank - 1][1]
        relevance = max(0.0, parts.get("vector", 0.0), share(number) if share else 0.0)
        if threshold is not None and relevance < threshold:
            hits.below += 1
            continue
        hits.append(Hit(passage, score, len(hits) + 1, parts, min(1.0, relevance), number))
        if len(hits) == k:
            break
    assert all(math.isfinite(hit.score) for hit in hits)
    return hits
