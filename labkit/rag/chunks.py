"""Second step: from documents to passages that are short enough to be compared, quoted and read by a small model.

Three ways to cut: `sentences` packs whole sentences up to a size; `recursive` prefers paragraphs, then lines, then sentences, then
words; `tokens` cuts after so many tokens wherever that is. Sizes are counted by a function, usually a model's own `count_tokens`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import OptionError
from . import tables, words
from .documents import Document

if TYPE_CHECKING:
    from ..backends.base import Model

SIZE = 120  # tokens: the shipped models learn from passages of one to six sentences
LONGEST = (
    16  # characters for each token: a piece with more is too long without being counted, so that a long word is not read again and again
)
WAYS = ("sentences", "recursive", "tokens")
Span = tuple[int, int]
Count = Callable[[str], int]


@dataclass(frozen=True)
class Passage:
    """A piece of a document.

    Attributes
    ----------
    source : str
        The document that it is from.
    text : str
    start, end : int
        Where in the document's text it is.
    page : int or None
        Number of the page on which it begins.
    tokens : int
        As counted when the document was cut.
    title : str
        Of the document.
    metadata : dict
        Of the document.
    above : str
        The header of the table that it begins in the midst of; else empty.
    """

    source: str
    text: str
    start: int = 0
    end: int = 0
    page: int | None = None
    tokens: int = 0
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    above: str = ""

    @property
    def place(self) -> str:
        """Source and page, for people: 'rules.pdf, p. 2'."""
        return f"{self.source}, p. {self.page}" if self.page else self.source

    @property
    def searched(self) -> str:
        """What is indexed: title and text, so that a passage is found by what its document is about."""
        return f"{self.title}\n{self.given}" if self.title else self.given

    @property
    def given(self) -> str:
        """What a model is given: the text, rows of a table under its header."""
        return f"{self.above}\n{self.text}" if self.above else self.text

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        from .views import passage_html

        return passage_html(self)


class Passages(list[Passage]):
    """Passages; in a notebook, the documents with each passage in a colour of its own."""

    def __init__(self, passages: Iterable[Passage] = (), documents: Iterable[Document] = ()) -> None:
        super().__init__(passages)
        self.documents = list(documents)

    def _repr_html_(self) -> str:
        from .views import passages_html

        return passages_html(self)


_ABOUT_A_TOKEN = re.compile(rb"[A-Za-z ]{1,3}|[^A-Za-z ]")


def estimate(text: str) -> int:
    """About how many tokens a text has, where no tokenizer is at hand: one for three letters or spaces, one for any other byte.

    More than most tokenizers make of it, so that what fits by this estimate fits.

    >>> estimate("The library opens at nine.")
    10
    """
    return len(_ABOUT_A_TOKEN.findall(text.encode("utf-8", "replace")))


def counter(model: Model | None) -> Count:
    """A function that counts the tokens of a text as this model does; `estimate` where the model cannot, or only slowly."""
    return estimate if model is None or not model.counts_fast else model.count_tokens


def cut(
    documents: Document | Iterable[Document],
    *,
    how: str = "sentences",
    size: int = SIZE,
    overlap: int = 0,
    count: Count = estimate,
) -> Passages:
    """Cut documents into passages.

    Parameters
    ----------
    documents : Document or iterable of Document
    how : {'sentences', 'recursive', 'tokens'}
    size : int
        Tokens that a passage may have.
    overlap : int
        Tokens of the end of a passage that the next one begins with; whole sentences where `how` keeps them whole.
    count : callable
        Text -> number of tokens: a model's `count_tokens`.

    Returns
    -------
    Passages

    Examples
    --------
    >>> from labkit.rag.documents import from_string
    >>> text = "The library opens at nine. It closes at six. Cats are not allowed."
    >>> [passage.text for passage in cut(from_string(text), size=18)]
    ['The library opens at nine. It closes at six.', 'Cats are not allowed.']
    """
    if how not in WAYS:
        raise OptionError(f"how={how!r} is no way to cut a document.", fix=f"Use one of {', '.join(map(repr, WAYS))}.")
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise OptionError(f"size={size!r} is no number of tokens.", fix="It is a whole number of at least 1.")
    if not isinstance(overlap, int) or isinstance(overlap, bool) or not 0 <= overlap < size:
        raise OptionError(f"overlap={overlap!r} is out of range.", fix=f"It is a whole number of at least 0 and less than size={size}.")
    items = [documents] if isinstance(documents, Document) else list(documents)
    return Passages((passage for document in items for passage in _passages(document, how, size, overlap, count)), items)


def _passages(document: Document, how: str, size: int, overlap: int, count: Count) -> Iterator[Passage]:
    text = document.text
    if how == "tokens":
        spans = _windows(text, (0, len(text)), size, overlap, count)
    else:
        spans = (_by_sentences if how == "sentences" else _by_parts)(text, size - overlap, count)
        spans = _overlapping(text, spans, overlap, count) if overlap else spans
    headers = tables.Headers(text)
    for start, end in spans:
        piece, page = text[start:end], document.page(start)
        yield Passage(document.source, piece, start, end, page, count(piece), document.title, document.metadata, headers.above(start))


def _by_sentences(text: str, size: int, count: Count) -> Iterator[Span]:
    """Whole paragraphs where they fit, a heading with what follows it; a longer one in parts of about the same length."""
    spans: list[Span] = []
    for block in _blocks(text, words.sentences(text)):
        whole = count(text[block[0][0] : block[-1][1]])
        if whole <= size:
            spans.append((block[0][0], block[-1][1]))
            continue
        pieces = [part for a, b in block for part in ([(a, b)] if count(text[a:b]) <= size else _windows(text, (a, b), size, 0, count))]
        number = -(-whole // size)
        even = list(_packed(text, pieces, min(size, max(-(-whole // number) + 1, *(count(text[a:b]) for a, b in pieces))), count))
        spans += even if len(even) <= number else list(_packed(text, pieces, size, count))
    return _packed(text, spans, size, count)


def _blocks(text: str, sentences: Sequence[Span]) -> Iterator[list[Span]]:
    """Sentences of one paragraph together: an empty line or a heading begins a new one."""
    block: list[Span] = []
    for number, span in enumerate(sentences):
        gap = text[block[-1][1] : span[0]] if block else ""
        new = gap.count("\n") > 1 or _is_heading(text, sentences, number)
        if block and new and not all(_is_heading(text, sentences, n) for n in range(number - len(block), number)):
            yield block
            block = []
        block.append(span)
    if block:
        yield block


def _is_heading(text: str, sentences: Sequence[Span], number: int) -> bool:
    """A short line without an end, before a sentence that has one; or a line that Markdown marks."""
    start, end = sentences[number]
    if number + 1 == len(sentences):
        return False
    piece, following = text[start:end], text[sentences[number + 1][0] : sentences[number + 1][1]]
    alone = text[:start].rstrip(" \t").endswith("\n") or not text[:start].strip()
    if not alone or len(piece) > 80 or "\n" in piece or "\n" not in text[end : sentences[number + 1][0]]:
        return False
    return piece.startswith("#") or (piece[-1].isalnum() and following[-1] in ".!?…:" and ": " not in piece and not piece[0].isdigit())


def _packed(text: str, spans: Sequence[Span], size: int, count: Count) -> Iterator[Span]:
    """Neighbours together, up to the size."""
    first: Span | None = None
    last = 0
    for span in spans:
        if first is not None and count(text[first[0] : span[1]]) > size:
            yield first[0], last
            first = None
        first, last = first or span, span[1]
    if first is not None:
        yield first[0], last


def _overlapping(text: str, spans: Iterable[Span], overlap: int, count: Count) -> Iterator[Span]:
    """Each passage with the last sentences of the one before it, up to so many tokens."""
    starts = [start for start, _ in words.sentences(text)]
    before: Span | None = None
    for start, end in spans:
        begin = start
        for place in reversed(starts) if before is not None else ():
            if before is not None and before[0] < place < start and count(text[place:start]) <= overlap:
                begin = place
        yield begin, end
        before = (start, end)


_BREAKS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), None, re.compile(r"\s+"))


def _by_parts(text: str, size: int, count: Count) -> Iterator[Span]:
    return _packed(text, list(_parts(text, (0, len(text)), 0, size, count)), size, count)


def _parts(text: str, span: Span, level: int, size: int, count: Count) -> Iterator[Span]:
    """A text cut at the largest breaks that make every piece small enough."""
    start, end = _trimmed(text, span)
    if start == end:
        return
    if count(text[start:end]) <= size:
        yield start, end
    elif level == len(_BREAKS):
        yield from _windows(text, (start, end), size, 0, count)
    else:
        pattern = _BREAKS[level]
        if pattern is None:
            inner = [(start + a, start + b) for a, b in words.sentences(text[start:end])]
        else:
            places = [start, *(place for match in pattern.finditer(text, start, end) for place in match.span()), end]
            inner = list(zip(places[::2], places[1::2], strict=True))
        pieces = [part for piece in inner for part in _parts(text, piece, level + 1, size, count)]
        yield from _packed(text, pieces, size, count)


def _trimmed(text: str, span: Span) -> Span:
    piece = text[span[0] : span[1]]
    start = span[0] + len(piece) - len(piece.lstrip())
    return start, max(start, span[0] + len(piece.rstrip()))


_WORD = re.compile(r"\S+")


def _windows(text: str, span: Span, size: int, overlap: int, count: Count) -> Iterator[Span]:
    """Pieces of at most so many tokens, between words where a word is not longer itself."""
    units = [match.span() for match in _WORD.finditer(text, *span)]

    def fits(start: int, end: int) -> bool:
        return end - start <= LONGEST * size and count(text[start:end]) <= size

    first = 0
    while first < len(units):
        last = _most(units, first, lambda n, first=first: fits(units[first][0], units[n][1]))  # type: ignore[misc]
        if last < first:  # one word is longer than the size
            start, end = units[first]
            most = _most(range(start + 1, end + 1), 0, lambda n, start=start: fits(start, start + n + 1))  # type: ignore[misc]
            stop = start + max(1, most + 1)
            yield start, stop
            units[first] = (stop, end)
            first += stop == end
            continue
        yield units[first][0], units[last][1]
        if last + 1 == len(units):
            return
        back = last + 1
        while overlap and back - 1 > first and count(text[units[back - 1][0] : units[last][1]]) <= overlap:
            back -= 1
        first = back


def _most(units: Sequence[Any], first: int, fits: Callable[[int], bool]) -> int:
    """The last place at which something still fits; `first - 1` where nothing does. Looks near first, then halves."""
    step, good = 1, first - 1
    while good + step < len(units) and fits(good + step):
        good += step
        step *= 2
    low, high = good, min(good + step, len(units))
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    return low
