"""The logits of the next token, from the in-process engine, and the names of tokens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..chat import Message, Options
from ..errors import CapabilityError
from ._desk import Generation
from ._sampling import Sampler
from .base import Request

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .llama_cpp import LlamaCppModel


class _Reader:
    """Stands where a sampler does, and keeps the logits instead of drawing."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.logits: NDArray[np.float32] = np.empty(0, np.float32)

    def next(self) -> int:
        self.logits = np.ctypeslib.as_array(self._engine.logits(), (self._engine.vocabulary,)).copy()
        return int(self.logits.argmax())


def next_logits(
    model: LlamaCppModel, messages: Sequence[Message], so_far: str = "", options: Options | None = None
) -> tuple[list[int], NDArray[np.float32]]:
    """Tokens of the prompt, and the logits of what may follow.

    Parameters
    ----------
    model : LlamaCppModel
    messages : sequence of Message
    so_far : str
        What the model has answered already.
    options : Options
        For `tools`, `think`, `truncate` and the deadline.
    """
    if model.header.embeds:
        raise CapabilityError(f"Model {model.name!r} makes vectors, not text.", fix='Load a chat model: load("mini-m").')
    model._desk.check()
    given = options or Options()
    request = Request(tuple(messages), None, given, time.monotonic() + given.timeout)
    ids = model._fit(request).ids
    ids = ids + (model._engine.tokenize(so_far, special=False) if so_far else [])
    if len(ids) >= model.context_window:
        from .llama_cpp import too_long

        raise too_long(len(ids), model.context_window, model.name, model.header.context_length)
    reader = _Reader(model._engine)
    generation = Generation(model._desk, ids, cast(Sampler, reader), request)
    try:
        generation.step()
    finally:
        model._desk.leave(generation)
    return ids, reader.logits


def token_text(model: LlamaCppModel, token: int) -> str:
    r"""What a token says; bytes that are no whole character as \xNN."""
    return model._engine._piece(token, True).decode("utf-8", "backslashreplace")
