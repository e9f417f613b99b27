"""A second context of a loaded model, for many sequences at once: a `Crowd` has seats, each with tokens of its own.

As in `_llama`, there are no messages and no options here. One thread uses a crowd; the weights are shared with the model's own context.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OutOfMemoryError, UnexpectedResponseError
from ._llama import ABORTED, BATCH, Engine, _says_stop, last_log

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Crowd:
    """A context with room for many sequences.

    Parameters
    ----------
    engine : Engine
        With the weights. It must stay open for as long as the crowd.
    seats : int
        Sequences at once.
    cells : int
        Tokens of all together.
    threads : int
        CPU threads.
    abort : ctypes array of char
        When it holds a text, the computation ends: from any thread.
    unified : bool
        All sequences in one pool of cells: a beginning that they share is kept and read once. Otherwise each has its own part.
    flash : bool or None
        Flash attention; None leaves it to llama.cpp.
    """

    def __init__(self, engine: Engine, seats: int, cells: int, threads: int, abort: Any, *, unified: bool, flash: bool | None) -> None:
        self.engine, self.lib, self.seats, self.unified = engine, engine.lib, seats, unified
        self.batch = max(BATCH, seats)
        lib = self.lib
        c = lib.llama_context_default_params()
        c.n_ctx, c.n_seq_max = cells, seats
        c.n_batch, c.n_ubatch = self.batch, self.batch
        c.n_outputs_max = seats  # one token of each sequence needs logits
        c.n_threads = c.n_threads_batch = threads
        c.kv_unified = unified
        if flash is not None:
            c.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_ENABLED if flash else lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        c.no_perf = True
        self.context = lib.llama_init_from_model(engine._held.model, c)
        if not self.context:
            raise OutOfMemoryError(
                f"There is no memory for {seats} sequences, {cells:,} tokens together.", last_log(), "Ask one by one: chat()."
            )
        lib.llama_set_abort_callback(self.context, _says_stop(lib), ctypes.cast(abort, ctypes.c_void_p))
        self.memory = lib.llama_get_memory(self.context)
        self.held: list[list[int]] = [[] for _ in range(seats)]  # what the context remembers for each seat
        # The batch as numpy arrays: filling it costs microseconds, whatever the number of sequences.
        size = self.batch
        self._tokens, self._places = np.zeros(size, np.int32), np.zeros(size, np.int32)
        self._counts, self._flags = np.ones(size, np.int32), np.zeros(size, np.int8)
        self._ids = np.arange(seats, dtype=np.int32)
        self._pointers = np.zeros(size, np.uintp)
        self._batch = lib.llama_batch(
            n_tokens=0,
            token=_pointer(self._tokens, ctypes.c_int32),
            pos=_pointer(self._places, ctypes.c_int32),
            n_seq_id=_pointer(self._counts, ctypes.c_int32),
            seq_id=_pointer(self._pointers, ctypes.POINTER(ctypes.c_int32)),
            logits=_pointer(self._flags, ctypes.c_int8),
        )

    def close(self) -> None:
        """Give the memory back, before the engine gives back the weights."""
        context, self.context = self.context, None
        if context:
            self.lib.llama_free(context)

    def compute(self, wanted: Sequence[tuple[int, Sequence[int], bool]]) -> list[int] | None:
        """Append tokens to sequences, all in one pass.

        Parameters
        ----------
        wanted : sequence of (int, sequence of int, bool)
            Seat, its new tokens, and whether the logits after the last one are needed; by seat, at most `batch` tokens together.

        Returns
        -------
        list of int or None
            Where the logits of those that need them are; None when the computation was aborted.
        """
        tokens, places, flags = self._tokens, self._places, self._flags
        base, end = self._ids.ctypes.data, 0
        outputs = []
        for seat, new, needed in wanted:
            start, end = end, end + len(new)
            held = self.held[seat]
            tokens[start:end] = new
            places[start:end] = range(len(held), len(held) + len(new)) if len(new) > 1 else len(held)
            flags[start:end] = 0
            self._pointers[start:end] = base + 4 * seat
            if needed:
                flags[end - 1] = 1
                outputs.append(end - 1)
        self._batch.n_tokens = end
        code = self.lib.llama_decode(self.context, self._batch)
        if code == ABORTED:
            return None
        if code:
            raise UnexpectedResponseError(f"llama.cpp could not compute {end} tokens of {len(wanted)} sequences (code {code}).", last_log())
        for seat, new, _ in wanted:
            self.held[seat] += new
        return outputs

    def keep(self, seat: int, count: int) -> None:
        """Forget all tokens of a seat but the first `count`."""
        held = self.held[seat]
        if len(held) > count:
            self.lib.llama_memory_seq_rm(self.memory, seat, count, -1)
            del held[count:]

    def copy(self, source: int, target: int, count: int) -> None:
        """Give a seat the first `count` tokens of another one, already computed."""
        self.keep(target, 0)
        self.lib.llama_memory_seq_cp(self.memory, source, target, -1, -1)
        self.held[target] = list(self.held[source])
        self.keep(target, count)

    def save(self) -> Any:
        """A copy of what the context remembers for seat 0; None where it cannot be had."""
        size = self.lib.llama_state_seq_get_size(self.context, 0)
        state = (ctypes.c_uint8 * size)()
        return state if size and self.lib.llama_state_seq_get_data(self.context, state, size, 0) == size else None

    def restore(self, state: Any, tokens: Sequence[int]) -> None:
        """Put such a copy of these tokens, from a crowd of the same kind, into the empty seat 0."""
        if self.lib.llama_state_seq_set_data(self.context, state, len(state), 0):
            self.held[0] = list(tokens)

    def logits(self, place: int) -> NDArray[np.float32]:
        """The logits at a place that `compute` returned; valid until the next computation."""
        pointer = self.lib.llama_get_logits_ith(self.context, place)
        return np.ctypeslib.as_array(pointer, (self.engine.vocabulary,))


def padded(window: int) -> int:
    """Cells that llama.cpp takes for a window of so many tokens."""
    return (window + 255) // 256 * 256


def _pointer(array: NDArray[Any], kind: Any) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(kind))
