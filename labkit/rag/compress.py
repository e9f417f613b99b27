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
BEST = {"mini-s": 2, "mini-m": 2, "mini-l": 3}  # sentences of which a shipped model makes most right answers (benchmarks/kb_quality.py)
# How much each part says, chosen on texts and questions of domains apart from those that the figures of the documentation are of.
WEIGHTS = {"words": 2.0, "vector": 1.0, "vector_before": 1.0, "passage": 1.0}


def sentences(text: str) -> list[tuple[Span, str]]:
    """Where the sentences of a passage are, and what comes before each: a heading, or another sentence.

    Headings answer nothing and are not among them; the rows of a table are, one by one, all after what stands above them.

    >>> text = "# Opening hours\\nWe open at nine. On Fridays at ten."
    >>> [(text[start:end], before) for (start, end), before in sentences(text)]
    [('We open at nine.', '# Opening hours'), ('On Fridays at ten.', 'We open at nine.')]
    >>> text = "Course Fee\\nSail Sewing 445 euros\\nSteam Bending 310 euros"
    >>> [(text[start:end], before) for (start, end), before in sentences(text)]
    [('Sail Sewing 445 euros', 'Course Fee'), ('Steam Bending 310 euros', 'Course Fee')]
    """
    found, before = [], ""
    for start, end in _units(text):
        piece = text[start:end]
        heading = _is_heading(piece)
        if not heading:
            found.append(((start, end), before))
        if heading or _CLOSED.search(piece):  # not the row of a table: the next row is under the same heading
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

    Each is compared together with what comes before it, since "It opens at nine" tells neither what nor where; by meaning also alone,
    so that what stands before the answer is not taken for it.

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
        Of passages that are one sentence each. A hit's `relevance`, by which it is ranked as well, is the mean of its `parts`, weighted
        by `WEIGHTS`: the share of the question's words (as of `retrieve.Hit.relevance`) in the sentence with what comes before
        ('words'), the cosines of the sentence alone ('vector') and with what comes before ('vector_before'), and the relevance of
        the passage that it is of ('passage'); of those that the search was by.
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
    parts: list[dict[str, float]] = [{"passage": hit.relevance} for hit, _, _ in found]
    if hits.how != "vector":
        weights = index.words().weights(hits.question)
        for own, passage in zip(parts, with_before, strict=True):
            own["words"] = index.words().share(weights, passage.searched)
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
    mean = sum(WEIGHTS[name] * part for name, part in parts.items()) / sum(WEIGHTS[name] for name in parts)
    relevance = min(1.0, max(0.0, mean))
    return Hit(sentence, relevance, hit.rank, parts, relevance, hit.id)
