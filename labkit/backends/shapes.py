"""How well-known open models are built, as their makers publish it: enough to predict memory before anything is downloaded."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import ModelNotFoundError, OptionError
from . import memory
from ._gguf_reader import Tensor
from .gguf import Header

# Bits for each parameter, on average over a whole model: blocks of a K quantization differ (llama.cpp, tools/quantize).
BITS = {"Q2_K": 3.2, "Q3_K_M": 4.0, "Q4_K_M": 4.85, "Q5_K_M": 5.7, "Q6_K": 6.56, "Q8_0": 8.5, "F16": 16.0}

# Name in Ollama's library -> parameters, vocabulary, tokens it was trained to read, layers, width, inner width, heads, heads with keys
# of their own, length of a key. From the configuration published beside each model.
_PUBLISHED = {
    "qwen3:0.6b": (596_049_920, 151_936, 40_960, 28, 1024, 3072, 16, 8, 128),
    "llama3.2:1b": (1_235_814_400, 128_256, 131_072, 16, 2048, 8192, 32, 8, 64),
    "llama3.2:3b": (3_212_749_824, 128_256, 131_072, 28, 3072, 8192, 24, 8, 128),
    "llama3.1:8b": (8_030_261_248, 128_256, 131_072, 32, 4096, 14_336, 32, 8, 128),
}


def names() -> list[str]:
    """Models whose shape is known here, smallest first."""
    return list(_PUBLISHED)


def header(name: str) -> Header:
    """What the header of such a model's file would say, stored with 16 bits; see `quantized`.

    Raises
    ------
    ModelNotFoundError
    """
    if name not in _PUBLISHED:
        near = difflib.get_close_matches(name, _PUBLISHED, 1)
        raise ModelNotFoundError(
            f"The shape of {name!r} is not known here.",
            f"Did you mean {near[0]!r}?" if near else "",
            f"Known: {', '.join(_PUBLISHED)}. Of any other model give the .gguf file.",
        )
    parameters, vocabulary, window, layers, width, inner, heads, kv_heads, key = _PUBLISHED[name]
    own: dict[str, Any] = {
        "block_count": layers,
        "context_length": window,
        "embedding_length": width,
        "feed_forward_length": inner,
        "attention.head_count": heads,
        "attention.head_count_kv": kv_heads,
        "attention.key_length": key,
        "attention.value_length": key,
    }
    metadata = {"general.architecture": "llama", "general.file_type": 1} | {f"llama.{key}": value for key, value in own.items()}
    tensors = (Tensor("all", (parameters,), "F16", 0, 2 * parameters),)
    return Header(Path(name), 2 * parameters, metadata, {"tokenizer.ggml.tokens": vocabulary}, tensors)


def quantized(header: Header, quantization: str) -> Header:
    """The same model, its numbers stored with the bits of another quantization.

    Parameters
    ----------
    header : Header
    quantization : str
        A key of `BITS`.

    >>> round(quantized(header("llama3.1:8b"), "Q4_K_M").weights / 1e9, 2)
    4.87
    """
    if quantization not in BITS:
        raise OptionError(f"The bits of quantization {quantization!r} are not known here.", fix=f"Known: {', '.join(BITS)}.")
    size = int(header.parameters * BITS[quantization] / 8)
    return replace(header, size=size, tensors=(Tensor("all", (header.parameters,), quantization, 0, size),))


def largest_window(header: Header, available: int) -> int:
    """Tokens of context for which the prediction stays within so many bytes; 0 where not even 256 do.

    Parameters
    ----------
    header : Header
    available : int
        Bytes.
    """
    low, high = 0, (header.context_length or 1_048_576) // 256
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if memory.predict(header, middle * 256).total <= available else (low, middle - 1)
    return low * 256
