"""How much memory a model will take, from the header of its file, before it is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from ..display import bytes_text
from ..errors import OutOfMemoryError
from ..machine import machine
from ._llama import BATCH as BATCH
from ._llama import EMBEDDING_BATCH
from .gguf import Header

# Measured against llama.cpp 0.3.36 on Linux; tests/backends/test_memory.py says how close it comes.
OVERHEAD = 6_000_000  # llama.cpp itself
PER_WORD = 380  # bytes for each word of the vocabulary, in its tables


@dataclass(frozen=True)
class Memory:
    """Bytes that a model will take.

    Attributes
    ----------
    weights : int
        The numbers of the model.
    kv_cache : int
        Keys and values of every token in the context window.
    compute : int
        Working space for one batch of tokens.
    overhead : int
        llama.cpp itself and the vocabulary.
    """

    weights: int
    kv_cache: int
    compute: int
    overhead: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.kv_cache + self.compute + self.overhead


def predict(header: Header, context_window: int) -> Memory:
    """What a model will take with a context window of so many tokens.

    Parameters
    ----------
    header : Header
        Of `gguf.read_header`.
    context_window : int

    Returns
    -------
    Memory
    """
    width, inner = header.width, header.number("feed_forward_length")
    keys = header.kv_heads * (header.key_length + header.value_length)
    queries = header.number("attention.head_count") * header.key_length
    inner = max(inner, header.number("expert_feed_forward_length") * header.number("expert_used_count"))
    if header.embeds:
        batch = cells = max(context_window, EMBEDDING_BATCH)
        floats = max(5 * width + queries, inner + 3 * width)
        reads_back = header.get("attention.causal") is not False and not header.architecture.endswith("bert")
        kv_cache = cells * header.layers * keys * 2 if reads_back else 0
    else:
        cells = (context_window + 255) // 256 * 256  # as llama.cpp rounds
        batch = min(BATCH, context_window)
        kv_cache = cells * header.layers * keys * 2
        floats = max(3 * width + queries + keys, 4 * width + 3 * inner)
    compute = batch * (4 * floats + 2 * cells + 2 * max(width, inner)) + 4 * header.vocabulary
    return Memory(header.weights, kv_cache, compute, OVERHEAD + PER_WORD * header.vocabulary)


def check(header: Header, context_window: int, name: str, limit: float | None = None) -> Memory:
    """Predict, and compare with what is free now, or with a limit in bytes that is lower.

    Raises
    ------
    OutOfMemoryError
        With the numbers and three ways out.
    """
    need, free = predict(header, context_window), machine().memory_available
    free = free if limit is None else int(min(free, limit))
    if need.total > free:
        raise OutOfMemoryError(
            f"{name} needs about {bytes_text(need.total)} of memory, and {bytes_text(free)} are free: weights {bytes_text(need.weights)}, "
            f"KV cache of {context_window:,} tokens {bytes_text(need.kv_cache)}, working space {bytes_text(need.compute + need.overhead)}.",
            f"The file is {header.quantization} with {header.parameters:,} parameters.",
            f"Take a smaller quantization of it (Q4_K_M), a smaller context window (context_window={max(256, context_window // 4)}), "
            "or a smaller model; closing other programs and kernels frees memory too.",
        )
    return need
