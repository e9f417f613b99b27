"""The index of words gives bm25s's own scores, and says of a passage what its text says."""

from __future__ import annotations

import bm25s
import numpy as np
import pytest

import labkit as lab
from labkit.rag import words
from labkit.rag.chunks import Passage
from labkit.rag.index import Index, WordIndex

TEXTS = [
    "The library opens at nine, and the libraries of other towns open at ten.",
    "La biblioteca abre a las nueve; el profesor trae los libros.",
    "Cats sleep. Cats sleep all day, and the library cat sleeps at night.",
    "of the and a",
    "",
    "Books: open books, opened books, opening books.",
]
QUESTIONS = ["When does the library open?", "¿Cuándo abre la biblioteca?", "Where do cats and books sleep?", "the", "zebra", "Open, zebra!"]


@pytest.mark.parametrize("question", QUESTIONS)
def test_scores_are_those_of_bm25s(question):
    rows = [words.words(text) for text in TEXTS]
    peer = bm25s.BM25()
    peer.index(rows, show_progress=False)
    asked = words.words(question)
    known = [word for word in asked if any(word in row for row in rows)]
    wanted = peer.get_scores(known) if known else np.zeros(len(TEXTS))
    assert WordIndex(TEXTS).scores(question) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("question", QUESTIONS)
def test_share_of_a_passage_is_that_of_its_text(question):
    index = Index()
    index.add({3 * n: Passage("a.txt", text) for n, text in enumerate(TEXTS, 1)})
    weights, share = index.words().weights(question), index.sharing(question)
    for number, passage in index.passages.items():
        assert share(number) == WordIndex.share(weights, passage.searched)
    assert share(4) == share(999) == 0.0


def test_an_index_of_nothing():
    for texts in ([], [""], ["the of"]):
        index = WordIndex(texts)
        assert index.scores("library").tolist() == [0.0] * len(texts)
        assert all(index.sharing(index.weights("library"))(n) == 0 for n in range(len(texts)))


def test_typographic_signs_embed_as_typed_ones():
    typeset = "Don’t open the “red” crate… the ﬁrst one."
    as_typed = 'Don\'t open the "red" crate... the first one.'
    with lab.load("mini-embed") as model:
        index = Index(model)
        one, other = index.embed([typeset, as_typed])
        raw = model.embed([typeset, as_typed])
        assert one @ other == pytest.approx(1, abs=1e-5) and raw[0] @ raw[1] < 0.9  # which the vocabulary alone does not give
        index.add({1: Passage("a", typeset), 2: Passage("b", "Cats sleep.")}, index.embed([typeset, "Cats sleep."]))
        assert index.by_meaning(as_typed, 1) == [(1, pytest.approx(1, abs=1e-5))]
