"""Third step: what makes passages findable, by meaning (vectors) and by words (BM25).

`embed` turns passages into vectors, `WordIndex` counts their words (bm25s), `Index` holds both for the search.
"""

from __future__ import annotations

import bisect
import itertools
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..errors import ContextWindowExceededError, LabError, OptionError, UnexpectedResponseError
from ..typography import typed
from . import words
from .chunks import Passage
from .stores.base import Entry, VectorStore, Where, check_where, matches
from .stores.memory import NumpyStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..backends.base import Model
    from .stores.base import Vectors

BATCH = 64  # texts embedded in one call
KNOWN = 20_000  # vectors of single sentences that are kept: 20 MB of mini-embed
PROBE = "The library opens at nine. La biblioteca abre a las nueve."  # tells one embedding model from another


def facts(passage: Passage) -> dict[str, Any]:
    """What a search can filter a passage by: its document's metadata, and labkit's own source, file, title and page."""
    own: dict[str, Any] = {"source": passage.source, "file": passage.source.rpartition("#")[0] or passage.source, "title": passage.title}
    return {**passage.metadata, **own, **({"page": passage.page} if passage.page else {})}


def embed(
    passages: Sequence[Passage | str],
    model: Model,
    progress: Callable[[int, int], object] | None = None,
) -> Vectors:
    """A vector for each passage.

    Parameters
    ----------
    passages : sequence of Passage or str
    model : Model
        An embedding model.
    progress : callable
        Called with (number done, total).

    Returns
    -------
    ndarray of float32, shape (number of passages, dimension)
        Each of length 1, so that the cosine of two is their product.

    Raises
    ------
    ContextWindowExceededError
        When a passage does not fit the model, even without its title: nothing is cut.
    """
    import numpy as np

    rows: list[Vectors] = []
    for start in range(0, len(passages), BATCH):
        batch = passages[start : start + BATCH]
        texts = [words_of(passage) for passage in batch]
        try:
            found = model.embed(texts)
        except ContextWindowExceededError:
            found = np.concatenate([_alone(passage, text, model) for passage, text in zip(batch, texts, strict=True)])
        rows.append(checked(found, len(batch), model.name))
        if progress is not None:
            progress(start + len(batch), len(passages))
    return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)


def words_of(passage: Passage | str) -> str:
    """The text by which a passage is found: title and text, without characters that nobody sees, and as a keyboard has them."""
    from . import hidden

    text = typed(hidden.strip(passage if isinstance(passage, str) else passage.searched))
    return text if text.strip() else "-"


def _alone(passage: Passage | str, text: str, model: Model) -> Vectors:
    """The vector of one passage, without its title or the header above it where all together do not fit."""
    texts = list(dict.fromkeys([text, words_of(passage.given), words_of(passage.text)] if isinstance(passage, Passage) else [text]))
    for last, one in enumerate(texts, 1):
        try:
            return model.embed([one])
        except ContextWindowExceededError as error:
            if last == len(texts):
                where = passage.place if isinstance(passage, Passage) else "a text"
                error.what = f"A passage of {where} does not fit the embedding model {model.name!r}: {error.what}"
                error.fix = f"Cut the documents into shorter passages: size={max(10, (error.context_window or 128) // 2)}."
                raise
    raise AssertionError


def checked(vectors: Any, count: int, name: str) -> Vectors:
    """Vectors as they must be: so many, finite, of length 1.

    >>> import numpy as np
    >>> checked(np.array([[3.0, 4.0]]), 1, "x").tolist()[0][0].__round__(3)
    0.6
    """
    import numpy as np

    found = np.asarray(vectors, dtype=np.float32)
    if found.ndim != 2 or len(found) != count or not found.shape[1]:
        raise UnexpectedResponseError(f"{name!r} gave an array of shape {found.shape} for {count} texts.", "", "Use an embedding model.")
    squares = np.einsum("ij,ij->i", found, found)
    if not all(0 < square < math.inf for square in squares.tolist()):
        raise UnexpectedResponseError(f"{name!r} gave a vector that has no direction (zeros or NaN).", "Its weights may be damaged.")
    unit: Vectors = found / np.sqrt(squares)[:, None]
    return unit


class _Numbers(dict[str, int]):
    """The number of each word's stem, by the word as it stands; -1 for the commonest words. Each is looked up once, not at every place."""

    def __init__(self) -> None:
        super().__init__()
        self.vocabulary: dict[str, int] = {}

    def __missing__(self, form: str) -> int:
        known = self.vocabulary
        number = self[form] = -1 if words.is_stop(form) else known.setdefault(words.stem(form), len(known))
        return number


_asked = lru_cache(maxsize=64)(words.words)  # a question's words are looked up to rank, and for what each hit holds of them


class WordIndex:
    """BM25 over texts (bm25s, Lucene's form: k1 = 1.5, b = 0.75).

    Parameters
    ----------
    texts : iterable of str
    """

    def __init__(self, texts: Iterable[str]) -> None:
        import bm25s  # type: ignore[import-untyped]
        import numpy as np
        from bm25s.tokenization import Tokenized  # type: ignore[import-untyped]

        numbers = _Numbers()
        self.vocabulary = numbers.vocabulary
        rows = [[number for number in map(numbers.__getitem__, words.forms(text)) if number >= 0] for text in texts]
        self.size = len(rows)
        # Text, and score in it, of every place where a word stands: those of the n-th word from starts[n] to starts[n + 1], by text.
        self._texts, self._scores = np.zeros(0, np.int32), np.zeros(0, np.float32)
        starts, idf = np.zeros(1, np.int32), np.zeros(0)
        if self.vocabulary:
            bm25 = bm25s.BM25()
            bm25.index(Tokenized(ids=rows, vocab=self.vocabulary), show_progress=False, create_empty_token=False)
            self._texts, self._scores, starts = (bm25.scores[name] for name in ("indices", "data", "indptr"))
            holding = np.diff(starts)[: len(self.vocabulary)]
            idf = np.log(1 + (self.size - holding + 0.5) / (holding + 0.5))
        self._starts, self._look_up, self._idf = starts.data, self._texts.data, idf.data  # one number comes sooner out of a memoryview

    def scores(self, question: str) -> NDArray[np.float64]:
        """The BM25 score of every text; 0 where it shares no word with the question."""
        import numpy as np

        places = [slice(*self._places(word)) for word in _asked(question) if word in self.vocabulary]
        if not places:
            return np.zeros(self.size)
        texts, scores = (np.concatenate([row[place] for place in places]) for row in (self._texts, self._scores))
        return np.asarray(np.bincount(texts, scores, self.size), np.float64)

    def _places(self, word: str) -> tuple[int, int]:
        number = self.vocabulary[word]
        return self._starts[number], self._starts[number + 1]

    def weights(self, question: str) -> dict[str, float]:
        """The question's words, each with its inverse document frequency ln(1 + (N - n + 0.5) / (n + 0.5)); rare ones weigh more."""
        rarest = math.log(1 + (self.size + 0.5) / 0.5)
        return {w: self._idf[self.vocabulary[w]] if w in self.vocabulary else rarest for w in set(_asked(question))}

    @staticmethod
    def share(weights: Mapping[str, float], text: str) -> float:
        """How much of a question's words a text holds, by their weight, from 0 to 1."""
        there = set(words.words(text))
        return sum(weight for word, weight in weights.items() if word in there) / (sum(weights.values()) or 1.0)

    def sharing(self, weights: Mapping[str, float]) -> Callable[[int], float]:
        """What says the same of a text that is in the index, by its number from 0."""
        texts, whole = self._look_up, sum(weights.values()) or 1.0
        known = [(weight, *self._places(word)) for word, weight in weights.items() if word in self.vocabulary]

        def share(text: int) -> float:
            held = 0.0
            for weight, start, stop in known:
                place = bisect.bisect_left(texts, text, start, stop)
                if place < stop and texts[place] == text:
                    held += weight
            return held / whole

        return share


class Index:
    """Passages with what makes them findable.

    Parameters
    ----------
    model : Model or None
        The embedding model; None finds by words alone.
    store : VectorStore
        By default numpy, in this process.
    """

    def __init__(self, model: Model | None = None, store: VectorStore | None = None) -> None:
        self.model, self.store = model, store if store is not None else NumpyStore()
        self.passages: dict[int, Passage] = {}
        self._words: WordIndex | None = None
        self._ids: list[int] = []
        self._known: dict[tuple[str, str], Vectors] = {}
        self._lock = threading.RLock()

    def add(self, passages: Mapping[int, Passage], vectors: Vectors | None = None) -> None:
        """Put passages in, by number; with their vectors where there is an embedding model."""
        with self._lock:
            if vectors is not None and len(passages):
                rows = zip(passages.items(), vectors, strict=True)
                self.store.add([Entry(number, row, facts(passage)) for (number, passage), row in rows])
            self.passages.update(passages)
            self._words = None

    def remove(self, ids: Iterable[int]) -> None:
        """Take passages out."""
        with self._lock:
            gone = list(ids)
            self.store.remove(gone)
            for number in gone:
                self.passages.pop(number, None)
            self._words = None

    def put_vectors(self, vectors: Mapping[int, Vectors]) -> None:
        """Put vectors of passages that are there into the store."""
        self.store.add([Entry(number, row, facts(self.passages[number])) for number, row in vectors.items()])

    def embed(self, texts: Sequence[Passage | str]) -> Vectors:
        """Vectors of texts that come again, such as the sentences of passages: each is computed once, and the last 20,000 are kept."""
        import numpy as np

        assert self.model is not None
        with self._lock:
            keys = [(self.model.name, words_of(text)) for text in texts]
            new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
            self._known.update(zip(new, embed(list(new.values()), self.model), strict=True))
            found = np.stack([self._known[key] for key in keys])
            for key in list(itertools.islice(self._known, max(0, len(self._known) - KNOWN))):
                del self._known[key]
        return found

    def forget_words(self) -> None:
        """Make the index of words anew when it is next needed."""
        with self._lock:
            self._words = None

    def words(self) -> WordIndex:
        """The index of words, made anew after a change."""
        with self._lock:
            if self._words is None:
                self._ids = sorted(self.passages)
                self._words = WordIndex(self.passages[number].searched for number in self._ids)
            return self._words

    def by_words(self, question: str, k: int, where: Where | None = None) -> list[tuple[int, float]]:
        """Ids and BM25 scores of the k best, those without a common word left out."""
        import numpy as np

        with self._lock:
            index, ids, wanted = self.words(), self._ids, check_where(where)
            scores = index.scores(question)
            if wanted:
                allowed = (matches(facts(self.passages[number]), wanted) for number in ids)
                scores = np.where(np.fromiter(allowed, dtype=bool, count=len(ids)), scores, 0)
        if not len(scores):
            return []
        count = min(k, len(scores))
        # The k-th best score and everything above it, so that ties are settled by number and not by chance.
        edge = max(float(np.partition(scores, -count)[-count]), 1e-9)
        best = np.flatnonzero(scores >= edge)
        order = best[np.argsort(-scores[best], kind="stable")][:k]
        return [(ids[place], score) for place, score in zip(order.tolist(), scores[order].tolist(), strict=True)]

    def sharing(self, question: str) -> Callable[[int], float]:
        """What says, of the number of a passage, how much of a question's words it holds, from 0 to 1; see `WordIndex.share`."""
        with self._lock:
            index, ids = self.words(), self._ids
        shares = index.sharing(index.weights(question))

        def share(number: int) -> float:
            place = bisect.bisect_left(ids, number)
            there = place < len(ids) and ids[place] == number  # another process may have taken it out
            return shares(place) if there else 0.0

        return share

    def by_meaning(self, question: str, k: int, where: Where | None = None) -> list[tuple[int, float]]:
        """Ids and cosines of the k nearest."""
        if self.model is None:
            what = "This knowledge base has no embedding model, so it cannot search by meaning."
            raise OptionError(what, fix='Use how="lexical", or make it with one: embedder="mini-embed".')
        if not self.passages:
            return []
        try:
            vector = checked(self.model.embed([words_of(question)]), 1, self.model.name)[0]
        except ContextWindowExceededError as error:
            error.what = f"The question does not fit the embedding model {self.model.name!r}: {error.what}"
            error.fix = 'Ask a shorter question, or search by words alone: how="lexical".'
            raise
        return self.store.search(vector, k, where)


def build(passages: Iterable[Passage], model: Model | None = None, store: VectorStore | None = None) -> Index:
    """An index of some passages, in one call.

    >>> from labkit.rag.chunks import Passage
    >>> index = build([Passage("a.txt", "The library opens at nine."), Passage("b.txt", "Cats sleep.")])
    >>> index.by_words("When does the library open?", k=2)[0][0]
    1
    """
    numbered = dict(enumerate(passages, 1))
    index = Index(model, store)
    index.add(numbered, None if model is None else embed(list(numbered.values()), model))
    return index


def probe(model: Model) -> Vectors:
    """The vector of a fixed text: what tells whether two embedding models are the same."""
    vector: Vectors = checked(model.embed([PROBE]), 1, model.name)[0]
    return vector


def same_model(model: Model, name: str, known: Vectors) -> LabError | None:
    """The error of a knowledge base that was made with another embedding model; None where it is the same."""
    import numpy as np

    now = probe(model)
    made = f"This knowledge base was made with the embedding model {name!r} ({len(known)} numbers for each text)"
    mend = f"Open it with embedder={name!r}, or make it anew with the other one."
    if now.shape != known.shape:
        what = f"{made}, and {model.name!r} gives {len(now)}."
        return OptionError(
            what, "Vectors of two models cannot be compared.", f"Open it with embedder={name!r}, or make it anew with the other one."
        )
    if float(np.dot(now, known)) < 0.999:
        cause = "Vectors of two models cannot be compared." if model.name != name else "Its weights were changed since then."
        what = f"{made}, and {model.name!r} gives other vectors for the same text."
        return OptionError(what, cause, mend)
    return None
