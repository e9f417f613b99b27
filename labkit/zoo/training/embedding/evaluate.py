"""How well mini-embed finds: held-out questions over all documents with new names, beside BM25 on the same passages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from .. import texts
from ..evaluate import SEED, Scores, score
from ..fill import plain
from ..sample import Draw
from .pairs import Pair, about

NEW = frozenset({"names", "wordings", "documents", "domains"})
FIRST = (1, 5)  # recall at 1 and at 5
CELLS = (("en", "en"), ("es", "es"), ("en", "es"), ("es", "en"))


def questions(lang: str, passage_lang: str, n: int, seed: int = SEED) -> tuple[list[str], list[Pair], list[int]]:
    """A passage for every document, questions in held-out wordings, and the passage that each asks for.

    Parameters
    ----------
    lang, passage_lang : {'en', 'es'}
        Of questions and passages.
    n : int
        Questions, about evenly over the documents.
    """
    passages: list[str] = []
    asked: list[tuple[Pair, int]] = []
    documents = texts.all_documents()
    for number, document in enumerate(documents):
        start = f"{seed} {document.domain} {document.number}"
        found: dict[str, Pair] = {}
        for turn in range(2 + 2 * n // len(documents)):
            draw = Draw(Random(start), lang, 1.0, NEW)  # the same names each time
            draw.random.seed(start)
            values = draw.random.random()
            draw.random = _Then(values, Random(f"{start} {turn}"))
            pair = about(draw, document, passage_lang, lang, whole=True)
            if pair:
                found[pair.query] = pair
        passages.append(next(iter(found.values())).passage)
        asked += [(pair, number) for pair in found.values()]
    Random(seed).shuffle(asked)
    kept = asked[:n]
    return passages, [pair for pair, _ in kept], [number for _, number in kept]


class _Then(Random):
    """Gives one number first, then those of another generator: so that a document keeps its names while its question changes."""

    def __init__(self, first: float, then: Random) -> None:
        super().__init__()
        self._first: list[float] = [first]
        self.setstate(then.getstate())

    def random(self) -> float:
        return self._first.pop() if getattr(self, "_first", None) else super().random()


def content_words(text: str) -> set[str]:
    """Words of four letters or more, without capitals and accents, cut to five letters so that endings do not count."""
    return {word[:5] for word in re.findall(r"\w{4,}", plain(text))}


def skills_of(file: Path, n: int = 500, cells: Sequence[tuple[str, str]] = CELLS) -> Scores:
    """Recall of a model file and of BM25: over all questions, those that share no content word with their passage, and across languages.

    Parameters
    ----------
    file : Path
        A GGUF file that embeds.
    n : int
        Questions in each language.
    cells : sequence of (str, str)
        Languages of question and passage.
    """
    from ....backends import registry

    scores: Scores = {}
    with registry.load(str(file)) as model:
        for lang, passage_lang in cells:
            passages, asked, wanted = questions(lang, passage_lang, n)
            queries = [pair.query for pair in asked]
            order = {"": ranked(model.embed(queries) @ model.embed(passages).T), "bm25_": ranked(bm25(passages, queries))}
            other = [not content_words(q) & content_words(passages[w]) for q, w in zip(queries, wanted, strict=True)]
            across = "across_" if lang != passage_lang else ""
            for engine, ranks in order.items():
                places = [list(row).index(w) for row, w in zip(ranks, wanted, strict=True)]
                for k in FIRST:
                    right = [place < k for place in places]
                    scores.setdefault(f"{across}{engine}recall_at_{k}", {})[lang] = score(sum(right), len(right))
                    if not across:
                        few = [r for r, o in zip(right, other, strict=True) if o]
                        scores.setdefault(f"other_words_{engine}recall_at_{k}", {})[lang] = score(sum(few), len(few))
    return scores


def ranked(likeness: Any) -> Any:
    """Numbers of the passages, the likeliest first: (queries, passages)."""
    return np.argsort(-np.asarray(likeness), axis=1, kind="stable")


def bm25(passages: list[str], queries: list[str]) -> Any:
    """Scores of BM25 over plain words: (queries, passages)."""
    import bm25s  # type: ignore[import-untyped]

    def words(found: list[str]) -> list[list[str]]:
        return [re.findall(r"\w+", plain(text)) for text in found]

    index = bm25s.BM25()
    index.index(words(passages), show_progress=False)
    return np.stack([index.get_scores(query) for query in words(queries)])
