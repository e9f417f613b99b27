"""llama.cpp's C API behind plain methods: an `Engine` is one model with one context. It knows no messages and no options.

The caller holds a lock: two threads inside one context end the process.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadModelFileError, CapabilityError, OutOfMemoryError, UnexpectedResponseError
from ._aside import Aside, run_aside
from ._embedding import fill
from ._library import LOG, library
from ._library import last_log as last_log
from ._words import Words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH = 512  # tokens computed at once; Ctrl-C and the deadline are looked at in between
EMBEDDING_BATCH, TEXTS = 1024, 64  # tokens and texts that become vectors at once
LARGE_MODEL = 100_000_000  # parameters from which one decode may take long
ABORTED = 2  # returned by llama_decode when the abort callback said so


@dataclass
class _Held:
    """What C holds for an engine; freed once, and never in a forked child, which does not own it."""

    pid: int
    model: Any = None
    context: Any = None
    aside: Aside | None = None

    def free(self) -> None:
        model, context, aside = self.model, self.context, self.aside
        self.model = self.context = self.aside = None
        if aside is not None:
            aside.end()
        if self.pid != os.getpid():
            return
        if context is not None:
            library().llama_free(context)
        if model is not None:
            library().llama_model_free(model)


class Engine(Words):
    """A loaded model and its context.

    Parameters
    ----------
    path : Path
    window : int
        Tokens of the context.
    threads : int
    gpu_layers : int
        Layers on the graphics card; -1 all.
    mmap : bool
        Map the file instead of reading it. Faster for large files, but the process dies if somebody cuts the file short meanwhile.
    embedding : bool
        Make vectors, not text: then one decode takes many texts.
    """

    def __init__(self, path: Path, *, window: int, threads: int, gpu_layers: int = 0, mmap: bool = False, embedding: bool = False) -> None:
        super().__init__()
        self.lib = library()
        self.window = window
        self.sequences = TEXTS if embedding else 1
        self.batch = max(window, EMBEDDING_BATCH) if embedding else min(BATCH, window)
        self._held = _Held(os.getpid())
        self._finalizer = weakref.finalize(self, self._held.free)
        self._finalizer.atexit = False  # the system takes memory back; a daemon thread may still be computing
        LOG.clear()
        run_aside(lambda: self._load(path, threads, gpu_layers, mmap, embedding))
        lib, model, context = self.lib, self._held.model, self._held.context
        self.context = context
        self.vocab = lib.llama_model_get_vocab(model)
        self.vocabulary = int(lib.llama_vocab_n_tokens(self.vocab))
        self.memory = lib.llama_get_memory(context)
        self.width = int(lib.llama_model_n_embd_out(model))
        self.parameters = int(lib.llama_model_n_params(model))
        self.recurrent = bool(lib.llama_model_is_recurrent(model) or lib.llama_model_is_hybrid(model))
        self._buffer = (ctypes.c_int32 * self.batch)()
        self._batch = lib.llama_batch_get_one(self._buffer, 1)
        self._decode, self._sample = lib.llama_decode, lib.llama_sampler_sample
        self._abort = ctypes.create_string_buffer(2)
        self.aside: Aside | None = None
        if self.parameters >= LARGE_MODEL:
            self.aside = self._held.aside = Aside()
            lib.llama_set_abort_callback(context, _says_stop(lib), ctypes.cast(self._abort, ctypes.c_void_p))

    def _load(self, path: Path, threads: int, gpu_layers: int, mmap: bool, embedding: bool) -> None:
        lib = self.lib
        params = lib.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        if hasattr(lib, "LLAMA_LOAD_MODE_MMAP"):
            params.load_mode = lib.LLAMA_LOAD_MODE_MMAP if mmap else lib.LLAMA_LOAD_MODE_NONE
        else:  # llama-cpp-python up to 0.3.34, which conda-forge has
            params.use_mmap = mmap
        self._held.model = lib.llama_model_load_from_file(os.fsencode(path), params)
        if not self._held.model:
            self._held.model = None
            raise _load_error(path)
        c = lib.llama_context_default_params()
        c.n_ctx = self.batch if embedding else self.window
        c.n_batch = c.n_ubatch = self.batch
        c.n_seq_max = self.sequences
        c.n_threads = c.n_threads_batch = threads
        c.embeddings = c.kv_unified = embedding
        c.no_perf = True
        if not embedding:
            c.n_outputs_max = 1  # logits of one token are enough
        self._held.context = lib.llama_init_from_model(self._held.model, c)
        if not self._held.context:
            self._held.context = None
            raise _load_error(path)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._held.model is None

    @property
    def foreign(self) -> bool:
        """Whether this process is a fork of the one that loaded the model."""
        return self._held.pid != os.getpid()

    def close(self) -> None:
        """Give everything back. The caller makes sure that nobody computes; who reads the vocabulary is waited for."""
        with self._lock:
            self._finalizer()

    # -- computing --------------------------------------------------------------------------------------------------------------

    def compute(self, tokens: Sequence[int], watch: Callable[[], bool]) -> bool:
        """Append at most `batch` tokens to the context. False when `watch` had it aborted: then the context must be cleared."""
        count = len(tokens)
        self._buffer[:count] = list(tokens)
        self._batch.n_tokens = count
        if self.aside is None:
            code = self._decode(self.context, self._batch)
        else:
            self._abort[0] = b"\0"
            code = self.aside.run(lambda: self._decode(self.context, self._batch), watch, self._stop)
        if code == ABORTED:
            return False
        if code:
            raise UnexpectedResponseError(f"llama.cpp could not compute {count} tokens (code {code}).", last_log())
        return True

    def _stop(self) -> None:
        self._abort[0] = b"x"

    def sample(self, chain: Any) -> int:
        """The next token, drawn by a sampler chain, which also remembers it."""
        return int(self._sample(chain, self.context, -1))

    def logits(self) -> Any:
        """Pointer to the logits of the next token, `vocabulary` floats; valid until the next computation."""
        return self.lib.llama_get_logits_ith(self.context, -1)

    def embed(self, texts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """One vector for each text of tokens, as the model pools them; together at most `batch` tokens and `sequences` texts."""
        import numpy as np

        lib = self.lib
        self.clear()
        batch = lib.llama_batch_init(self.batch, 0, 1)
        try:
            fill(batch, texts)
            code = self._decode(self.context, batch)
        finally:
            lib.llama_batch_free(batch)
        if code:
            raise UnexpectedResponseError(f"llama.cpp could not embed {len(texts)} texts (code {code}).", last_log())
        vectors = [lib.llama_get_embeddings_seq(self.context, number) for number in range(len(texts))]
        if not all(vectors):
            raise CapabilityError("This model does not pool its tokens into one vector.")
        return np.stack([np.ctypeslib.as_array(vector, (self.width,)) for vector in vectors])

    def clear(self) -> None:
        """Forget all tokens."""
        if self.memory:  # bert has none
            self.lib.llama_memory_clear(self.memory, False)

    def keep(self, count: int) -> bool:
        """Forget all tokens but the first `count`."""
        return bool(self.lib.llama_memory_seq_rm(self.memory, 0, count, -1))

    def save(self, most: int) -> Any:
        """A copy of what the context remembers; None where it is larger than `most` bytes or cannot be had."""
        size = self.lib.llama_state_seq_get_size(self.context, 0)
        if not 0 < size <= most:
            return None
        state = (ctypes.c_uint8 * size)()
        return state if self.lib.llama_state_seq_get_data(self.context, state, size, 0) == size else None

    def restore(self, state: Any) -> bool:
        """Put a copy back into the cleared context."""
        return bool(self.lib.llama_state_seq_set_data(self.context, state, len(state), 0))


def _says_stop(lib: Any) -> Any:
    """C's strlen as abort callback: 0 for the empty string, else not. It needs no Python, where Ctrl-C would be lost."""
    libc = ctypes.CDLL("msvcrt" if os.name == "nt" else None)
    return ctypes.cast(libc.strlen, lib.ggml_abort_callback)


def _load_error(path: Path) -> BadModelFileError | OutOfMemoryError:
    said = last_log()
    if "alloc" in said and ("failed" in said or "unable" in said):
        return OutOfMemoryError(f"There is not enough memory for {path.name}.", said, "Take a smaller model or a smaller context_window.")
    return BadModelFileError(f"llama.cpp cannot load {path}.", said or "It gave no reason.", "Get the file again, or take another one.")
