"""The logits of the next token, from the in-process engine, and the names of tokens."""

from __future__ import annotations

import threading
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
    """Stands where a sampler does, and keeps the logits instead of drawing: it is called while nobody else computes."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.logits: NDArray[np.float32] = np.empty(0, np.float32)

    def next(self) -> int:
        self.logits = np.ctypeslib.as_array(self._engine.logits(), (self._engine.vocabulary,)).copy()
        return 0


class Reading:
    """The logits of one place after another, with tokens that the caller takes. Close it, or use it with `with`.

    Parameters
    ----------
    model : LlamaCppModel
    messages : sequence of Message
    so_far : str or sequence of int
        What the model has answered already, as text or as tokens.
    options : Options
        For `tools`, `think`, `truncate` and the deadline.
    cancelled : threading.Event
        Set when nobody wants the rest.

    Attributes
    ----------
    prompt_tokens : int
        Of the prompt, without `so_far`.
    """

    def __init__(
        self,
        model: LlamaCppModel,
        messages: Sequence[Message],
        so_far: str | Sequence[int] = "",
        options: Options | None = None,
        cancelled: threading.Event | None = None,
    ) -> None:
        if model.header.embeds:
            raise CapabilityError(f"Model {model.name!r} makes vectors, not text.", fix='Load a chat model: load("mini-m").')
        model._desk.check()
        given = options or Options()
        request = Request(tuple(messages), None, given, time.monotonic() + given.timeout, cancelled or threading.Event())
        ids = model._fit(request).ids
        self.prompt_tokens = len(ids)
        if isinstance(so_far, str):
            so_far = model._engine.tokenize(so_far, special=False) if so_far else []
        self._model, self._reader = model, _Reader(model._engine)
        self._generation = Generation(model._desk, [*ids, *so_far], cast(Sampler, self._reader), request)

    @property
    def ids(self) -> list[int]:
        """Tokens of the prompt and of the answer so far."""
        return list(self._generation.tokens)

    def look(self) -> NDArray[np.float32]:
        """The logits of what may follow, one for each token of the vocabulary."""
        model, generation = self._model, self._generation
        if len(generation.tokens) >= model.context_window:
            from .llama_cpp import too_long

            raise too_long(len(generation.tokens), model.context_window, model.name, model.header.context_length)
        generation.step()
        generation.tokens.pop()  # what stands for the token that nobody has drawn yet
        return self._reader.logits

    def take(self, token: int) -> bool:
        """Let this token follow; False where it ends the answer."""
        self._generation.tokens.append(token)
        return self._model._engine.piece(token) is not None

    def close(self) -> None:
        """Give the engine back."""
        self._model._desk.leave(self._generation)

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def next_logits(
    model: LlamaCppModel, messages: Sequence[Message], so_far: str | Sequence[int] = "", options: Options | None = None
) -> tuple[list[int], NDArray[np.float32]]:
    """Tokens of the prompt and the answer so far, and the logits of what may follow. Parameters as in `Reading`."""
    with Reading(model, messages, so_far, options) as reading:
        return reading.ids, reading.look()


def token_text(model: LlamaCppModel, token: int) -> str:
    r"""What a token says; bytes that are no whole character as \xNN."""
    return model._engine._piece(token, True).decode("utf-8", "backslashreplace")
