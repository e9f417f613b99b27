"""Between search and answer: of the passages that were found, the sentences that may hold the answer (contextual compression).

A search wants passages that say what they are about; a small model reads single sentences best. So the passages are searched, and
their sentences ranked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import OptionError
from . import tables, words
from .index import Index
from .retrieve import Hit, Hits, K

if TYPE_CHECKING:
    from ..backends.base import Model

Span = tuple[int, int]
_LINE = re.compile(r"[^\n]*\S[^\n]*")
_INNER = re.compile(r"\|?\s*(.*?)\s*\|?", re.DOTALL)
_CLOSED = re.compile(r"[.!?…:;][\"'”’»)\]]*$")
HEADING = 8  # words, at most
PASSAGES = 10  # that are searched for sentences: more than a model is given whole, since a sentence has to be found twice
BEST = {"mini-s": 3, "mini-m": 2, "mini-l": 2}  # sentences of which a shipped model makes most right answers (benchmarks/kb_quality.py)
# How much each part says, chosen on texts and questions of domains apart from those that the figures of the documentation are of.
WEIGHTS = {"words": 2.0, "vector": 1.0, "vector_before": 1.0, "passage": 1.0}


class Sentence(NamedTuple):
    """Where a sentence of a passage is, and what it needs to be understood.

    Attributes
    ----------
    start, end : int
    before : str
        What comes before it: a heading, or another sentence.
    above : str
        The header of the table that it is a row of; else empty.
    """

    start: int
    end: int
    before: str
    above: str = ""


def sentences(text: str, above: str = "") -> list[Sentence]:
    """The sentences of a passage.

    Headings answer nothing and are not among them; the rows of a table are, one by one, all after what stands above them: its header,
    which is `above` where the passage begins in the midst of a table.

    >>> text = "# Opening hours\\nWe open at nine. On Fridays at ten."
    >>> [(text[one.start : one.end], one.before) for one in sentences(text)]
    [('We open at nine.', '# Opening hours'), ('On Fridays at ten.', 'We open at nine.')]
    >>> text = "| Course | Fee |\\n|---|---|\\n| Sail Sewing | 445 euros |\\n| Steam Bending | 310 euros |"
    >>> [(text[one.start : one.end], one.before) for one in sentences(text)]
    [('Sail Sewing | 445 euros', 'Course | Fee'), ('Steam Bending | 310 euros', 'Course | Fee')]
    """
    rows = _rows(text, above)
    found, before = [], above
    for start, end in _units(text):
        piece = text[start:end]
        line = text.rfind("\n", 0, start) + 1
        if line in rows:
            if (header := rows[line]) is not None:
                left, right = _INNER.fullmatch(piece).span(1)  # type: ignore[union-attr]
                found.append(Sentence(start + left, start + right, header or before, header))
            continue
        heading = _is_heading(piece)
        if not heading:
            found.append(Sentence(start, end, before))
        if heading or _CLOSED.search(piece):  # not the row of a table: the next row is under the same heading
            before = piece
    return found


def _rows(text: str, above: str) -> dict[int, str | None]:
    """The lines of tables: where each begins, and its header; None for a header above a rule, and for the rule."""
    found: dict[int, str | None] = {0: above} if above else {}
    for table in tables.find(text):
        continued = bool(above) and not table.starts[0]
        for number, start in enumerate(table.starts):
            found[start] = None if table.ruled and number < 2 else above if continued else table.header if number else ""
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
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= 1000:
        raise OptionError(f"sentences={count!r} is out of range.", fix="It is a whole number from 1 to 1000, or 0 for whole passages.")


def passages(k: int | None, sentences: int | None) -> int:
    """How many passages are searched for: `k`, or by default 4, 10 where sentences of them are wanted."""
    return (PASSAGES if sentences else K) if k is None else k


def best_for(model: Model | str | Path) -> int:
    """Of how many sentences a model makes most right answers; 0, whole passages, for all but the shipped ones.

    >>> best_for("mini-l"), best_for("ollama:mini-m"), best_for("mini-l:Q4_K_M"), best_for("ollama:llama3.2:1b")
    (2, 2, 2, 0)
    """
    name = str(model) if isinstance(model, str | Path) else model.name
    return BEST.get(name.removeprefix("ollama:").partition(":")[0], 0)


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
    found: dict[str, tuple[Hit, Sentence]] = {}
    repeats = hits.repeats
    for hit in hits:
        for one in sentences(hit.text, hit.passage.above):
            key = " ".join(words.plain(hit.text[one.start : one.end]).split())
            repeats += key in found
            found.setdefault(key, (hit, one))
    ranked = sorted(_hits(index, hits, list(found.values())) if found else [], key=lambda hit: (-hit.score, hit.rank))
    if threshold is not None and ranked and ranked[0].relevance < threshold:
        return Hits([], hits.question, hits.how, threshold, below=len(ranked), repeats=repeats, unit="sentences")
    best = [replace(hit, rank=rank) for rank, hit in enumerate(ranked[:count], 1)]
    return Hits(best, hits.question, hits.how, threshold, repeats=repeats, unit="sentences")


def _hits(index: Index, hits: Hits, found: list[tuple[Hit, Sentence]]) -> list[Hit]:
    """A hit for each sentence, with the rank of its passage."""
    alone = [replace(hit.passage, title="", text=hit.text[one.start : one.end], above="") for hit, one in found]
    with_before = [
        replace(text, above=one.before) if one.before else replace(text, title=hit.passage.title)
        for text, (hit, one) in zip(alone, found, strict=True)
    ]
    parts: list[dict[str, float]] = [{"passage": hit.relevance} for hit, _ in found]
    if hits.how != "vector":
        weights = index.words().weights(hits.question)
        for own, passage in zip(parts, with_before, strict=True):
            own["words"] = index.words().share(weights, passage.searched)
    if hits.how != "lexical" and index.model is not None:
        question, *vectors = index.embed([hits.question, *alone, *with_before])
        cosines = [float(question @ vector) for vector in vectors]
        for own, cosine, cosine_before in zip(parts, cosines[: len(found)], cosines[len(found) :], strict=True):
            own["vector"], own["vector_before"] = cosine, cosine_before
    return [_hit(hit, one, own) for (hit, one), own in zip(found, parts, strict=True)]


def _hit(hit: Hit, one: Sentence, parts: dict[str, float]) -> Hit:
    passage, start, end = hit.passage, hit.passage.start + one.start, hit.passage.start + one.end
    size = max(1, round(passage.tokens * (end - start) / max(1, len(passage.text))))
    sentence = replace(passage, text=hit.text[one.start : one.end], start=start, end=end, tokens=size, above=one.above)
    mean = sum(WEIGHTS[name] * part for name, part in parts.items()) / sum(WEIGHTS[name] for name in parts)
    relevance = min(1.0, max(0.0, mean))
    return Hit(sentence, relevance, hit.rank, parts, relevance, hit.id)
