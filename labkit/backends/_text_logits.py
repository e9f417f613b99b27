"""How likely each token of a given text was: the logits at every place, in a context of its own beside the model's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OutOfMemoryError, UnexpectedResponseError
from ._crowd import padded
from ._llama import last_log

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .llama_cpp import LlamaCppModel

PIECE = 64  # tokens computed at once: their logits take 64 * vocabulary * 4 bytes, and Ctrl-C is heard in between


def logprobs(model: LlamaCppModel, prompt: Sequence[int], text: Sequence[int]) -> NDArray[np.float64]:
    """The natural logarithm of the probability of each token of `text` after `prompt` and the tokens before it.

    The context is freed before this returns; the one of the model, and a reply under way in it, are left alone.
    """
    engine, lib = model._engine, model._engine.lib
    ids = [*prompt, *text]
    c = lib.llama_context_default_params()
    c.n_ctx = padded(len(ids))
    c.n_batch = c.n_ubatch = c.n_outputs_max = PIECE
    c.n_seq_max = 1
    c.n_threads = c.n_threads_batch = model.threads
    c.no_perf = True
    with engine.reading():  # closing the model waits
        context = lib.llama_init_from_model(engine._held.model, c)
        if not context:
            raise OutOfMemoryError(f"There is no memory for another context of {len(ids):,} tokens.", last_log(), "Take a shorter text.")
        batch = lib.llama_batch_init(PIECE, 0, 1)
        try:
            out: list[float] = []
            for start in range(0, len(ids) - 1, PIECE):
                piece = ids[start : min(start + PIECE, len(ids) - 1)]
                _fill(batch, piece, start, len(prompt) - 1)
                if code := lib.llama_decode(context, batch):
                    raise UnexpectedResponseError(f"llama.cpp could not compute {len(piece)} tokens (code {code}).", last_log())
                for place in range(len(piece)):
                    if start + place >= len(prompt) - 1:
                        logits = np.ctypeslib.as_array(lib.llama_get_logits_ith(context, place), (engine.vocabulary,))
                        out.append(_logprob(logits, ids[start + place + 1]))
            return np.array(out)
        finally:
            lib.llama_batch_free(batch)
            lib.llama_free(context)


def _fill(batch: Any, tokens: Sequence[int], start: int, wanted: int) -> None:
    batch.n_tokens = len(tokens)
    for place, token in enumerate(tokens):
        batch.token[place], batch.pos[place] = token, start + place
        batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
        batch.logits[place] = int(start + place >= wanted)


def _logprob(logits: NDArray[np.float32], token: int) -> float:
    values = logits.astype(np.float64)
    top = values.max()
    return float(values[token] - top - np.log(np.exp(values - top).sum()))
