"""Vectors of texts: many texts in one decode, each a sequence of its own."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..errors import ContextWindowExceededError, OptionError, UnexpectedResponseError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ._desk import Desk


def embed(desk: Desk, texts: str | Sequence[str], window: int) -> NDArray[np.float32]:
    """One vector of length 1 for each text."""
    import numpy as np

    items = [texts] if isinstance(texts, str) else list(texts)
    for item in items:
        if not isinstance(item, str):
            raise OptionError(f"A text to embed must be a string, not {type(item).__name__}.", fix="Use str(...) first.")
    desk.check()
    engine = desk.engine
    tokens = [engine.tokenize(item.encode("utf-8", "replace").decode(), special=False, add=True) for item in items]
    for number, ids in enumerate(tokens):
        if len(ids) > window:
            raise _too_long(number, len(ids), window, desk.name)
        if not ids:
            raise OptionError(f"Text {number} has no tokens.", "It is empty.", "Leave it out.")
    vectors = np.zeros((len(items), engine.width), dtype=np.float32)
    for group in _groups(tokens, engine.batch, engine.sequences):
        with desk.lock:
            desk.check()
            vectors[group] = engine.embed([tokens[number] for number in group])
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise UnexpectedResponseError(f"Model {desk.name!r} gave a vector without length.", "Its weights are damaged.")
    unit: NDArray[np.float32] = vectors / lengths
    return unit


def _groups(tokens: Sequence[Sequence[int]], most: int, texts: int) -> Iterator[list[int]]:
    """Numbers of the texts that go into one decode."""
    group: list[int] = []
    size = 0
    for number, ids in enumerate(tokens):
        if group and (size + len(ids) > most or len(group) == texts):
            yield group
            group, size = [], 0
        group.append(number)
        size += len(ids)
    if group:
        yield group


def _too_long(number: int, count: int, window: int, name: str) -> ContextWindowExceededError:
    error = ContextWindowExceededError(
        f"Text {number} has {count:,} tokens, and the context window of {name!r} is {window:,}.",
        "Nothing was cut, since a vector of half a text would mislead.",
        "Split it into shorter chunks.",
    )
    error.prompt_tokens, error.context_window = count, window
    return error


def fill(batch: ctypes.Structure, sequences: Sequence[Sequence[int]]) -> None:
    """Put several texts into a batch, each from position 0."""
    place = 0
    for number, ids in enumerate(sequences):
        for position, token in enumerate(ids):
            batch.token[place] = token
            batch.pos[place] = position
            batch.n_seq_id[place] = 1
            batch.seq_id[place][0] = number
            batch.logits[place] = 1
            place += 1
    batch.n_tokens = place
