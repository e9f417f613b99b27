"""Between search and answer: of the passages that were found, the sentences that may hold the answer (contextual compression).

A search wants passages that say what they are about; a small model reads single sentences best. So the passages are searched, and
their sentences ranked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from ..errors import OptionError
from . import words
from .index import Index, embed
from .retrieve import Hit, Hits

Span = tuple[int, int]
_LINE = re.compile(r"[^\n]*\S[^\n]*")
_CLOSED = re.compile(r"[.!?…:;][\"'”’»)\]]*$")
HEADING = 8  # words, at most


def sentences(text: str) -> list[tuple[Span, str]]:
    """Where the sentences of a passage are, and what comes before each: a heading, or another sentence.

    Headings answer nothing and are not among them; the rows of a table are, one by one.

    >>> text = "# Opening hours\\nWe open at nine. On Fridays at ten."
    >>> [(text[start:end], before) for (start, end), before in sentences(text)]
    [('We open at nine.', '# Opening hours'), ('On Fridays at ten.', 'We open at nine.')]
    """
    found, before = [], ""
    for start, end in _units(text):
        piece = text[start:end]
        if not _is_heading(piece):
            found.append(((start, end), before))
        before = piece
    return found


def _units(text: str) -> Iterator[Span]:
    for start, end in words.sentences(text):
        if "\n" in text[start:end] and not _CLOSED.search(text[start:end]):  # a table
            yield from (line.span() for line in _LINE.finditer(text, start, end))
        else:
            yield start, end


def _is_heading(piece: str) -> bool:
    marked = piece.lstrip().startswith("#")
    return marked or not (_CLOSED.search(piece) or re.search(r"\d", piece) or len(piece.split()) > HEADING)


def check(count: int) -> None:
    """An OptionError for a number of sentences that cannot be."""
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 1000:
        raise OptionError(f"sentences={count!r} is out of range.", fix="It is a whole number from 1 to 1000, or None for whole passages.")


def compress(index: Index, hits: Hits, count: int = 3, threshold: float | None = None) -> Hits:
    """The sentences of some passages that are nearest to the question.

    Each is compared twice: alone, and with what comes before it, since "It opens at nine" tells neither what nor where.

    Parameters
    ----------
    index : Index
        That the passages were found in.
    hits : Hits
        From `retrieve.search`.
    count : int
        Sentences wanted, at most.
    threshold : float
        Where not even the best sentence has this relevance, from 0 to 1, nothing is relevant; by default none.

    Returns
    -------
    Hits
        Of passages that are one sentence each. A hit's `relevance`, by which it is ranked as well, is the mean of its `parts`: the
        share of the question's words (as of `retrieve.Hit.relevance`) in the sentence ('words') and in it with what comes before
        ('words_before'), and the cosines of both ('vector', 'vector_before'); of those that the search was by.
    """
    check(count)
    found: dict[str, tuple[Hit, Span, str]] = {}
    repeats = hits.repeats
    for hit in hits:
        for span, before in sentences(hit.text):
            key = " ".join(words.plain(hit.text[slice(*span)]).split())
            repeats += key in found
            found.setdefault(key, (hit, span, before))
    ranked = sorted(_hits(index, hits, list(found.values())) if found else [], key=lambda hit: (-hit.score, hit.rank))
    if threshold is not None and ranked and ranked[0].relevance < threshold:
        return Hits([], hits.question, hits.how, threshold, below=len(ranked), repeats=repeats, unit="sentences")
    best = [replace(hit, rank=rank) for rank, hit in enumerate(ranked[:count], 1)]
    return Hits(best, hits.question, hits.how, threshold, repeats=repeats, unit="sentences")


def _hits(index: Index, hits: Hits, found: list[tuple[Hit, Span, str]]) -> list[Hit]:
    """A hit for each sentence, with the rank of its passage."""
    alone = [replace(hit.passage, title="", text=hit.text[slice(*span)]) for hit, span, _ in found]
    with_before = [
        replace(one, text=f"{before}\n{one.text}") if before else replace(one, title=hit.passage.title)
        for one, (hit, _, before) in zip(alone, found, strict=True)
    ]
    parts: list[dict[str, float]] = [{} for _ in found]
    if hits.how != "vector":
        weights = index.words().weights(hits.question)
        for own, one, two in zip(parts, alone, with_before, strict=True):
            own["words"], own["words_before"] = (index.words().share(weights, passage.searched) for passage in (one, two))
    if hits.how != "lexical" and index.model is not None:
        question, *vectors = embed([hits.question, *alone, *with_before], index.model)
        cosines = [float(question @ vector) for vector in vectors]
        for own, cosine, cosine_before in zip(parts, cosines[: len(found)], cosines[len(found) :], strict=True):
            own["vector"], own["vector_before"] = cosine, cosine_before
    return [_hit(hit, span, own) for (hit, span, _), own in zip(found, parts, strict=True)]


def _hit(hit: Hit, span: Span, parts: dict[str, float]) -> Hit:
    passage, (start, end) = hit.passage, span
    size = max(1, round(passage.tokens * (end - start) / max(1, len(passage.text))))
    sentence = replace(passage, text=passage.text[start:end], start=passage.start + start, end=passage.start + end, tokens=size)
    relevance = min(1.0, max(0.0, sum(parts.values()) / len(parts)))
    return Hit(sentence, relevance, hit.rank, parts, relevance, hit.id)
