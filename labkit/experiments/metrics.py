"""What can be said of texts without knowing the right answer: how varied they are, how much they repeat themselves, how long.

Sources. distinct-n: Li et al. (2016), *A Diversity-Promoting Objective Function for Neural Conversation Models*. Repetition as the share
of n-grams that came before in the same text: Welleck et al. (2019), *Neural Text Generation with Unlikelihood Training* (seq-rep-n).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from ..backends.base import Model
from ..typography import typed

_WORD = re.compile(r"\w+(?:['’-]\w+)*")


def words(text: str) -> list[str]:
    """The words of a text, in small letters.

    >>> words("The fox's den, again.")
    ['the', "fox's", 'den', 'again']
    """
    return _WORD.findall(text.casefold())


def ngrams(text: str, n: int) -> list[tuple[str, ...]]:
    """Every n words in a row."""
    found = words(text)
    return [tuple(found[start : start + n]) for start in range(len(found) - n + 1)]


def distinct(texts: Sequence[str], n: int = 2) -> float:
    """Different n-grams as a share of all n-grams of some texts together: 1 where nothing recurs. NaN without any n-gram.

    It falls with the number and the length of the texts, so compare it only where both are about the same.

    >>> distinct(["the red fox", "the red hen"])
    0.75
    """
    found = [gram for text in texts for gram in ngrams(text, n)]
    return len(set(found)) / len(found) if found else math.nan


def repetition(text: str, n: int = 4) -> float:
    """Share of the n-grams of a text that stood in it before: 0 for none, near 1 for a text that is stuck. 0 for a shorter text.

    >>> repetition("a b a b a b", n=2)
    0.6
    """
    found = ngrams(text, n)
    return 1 - len(set(found)) / len(found) if found else 0.0


def word_overlap(one: str, other: str) -> float:
    """Words that two texts share, as a share of the words of both (Jaccard index): 1 for the same words, 0 for none in common.

    >>> word_overlap("the red fox", "the red hen")
    0.5
    """
    first, second = set(words(one)), set(words(other))
    return len(first & second) / len(first | second) if first | second else 1.0


def similarity(texts: Sequence[str], embedder: Model | None = None) -> float:
    """How alike some texts are: the mean over all pairs. NaN for fewer than two.

    Parameters
    ----------
    texts : sequence of str
    embedder : Model, optional
        Then the cosine of their vectors (meaning); without one, shared words.
    """
    if len(texts) < 2:
        return math.nan
    if embedder is None:
        return float(np.mean([word_overlap(one, other) for one, other in combinations(texts, 2)]))
    unlike = list(dict.fromkeys(texts))
    vectors = embedder.embed([typed(text) if text.strip() else "." for text in unlike])
    places = [unlike.index(text) for text in texts]
    cosines = vectors[places] @ vectors[places].T
    return float(cosines[np.triu_indices(len(texts), 1)].mean())
