"""Makes small GGUF models with random weights: what the shipped models are not (large, embedding, with another template)."""

from __future__ import annotations

import string
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from labkit.zoo import catalog

from .damaged import ARRAY, I32, STRING, U32, File, Info, parse

F16, F32, FLOAT, BOOL, U16 = 1, 0, 6, 7, 2


def text(value: str) -> bytes:
    """A string as it stands in a file."""
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def pair(key: str, value: object) -> tuple[bytes, int, bytes]:
    """An entry of metadata."""
    name = key.encode()
    if isinstance(value, bool):
        return name, BOOL, bytes([value])
    if isinstance(value, int):
        return name, U32, struct.pack("<I", value)
    if isinstance(value, float):
        return name, FLOAT, struct.pack("<f", value)
    if isinstance(value, str):
        return name, STRING, text(value)
    items = list(value)  # type: ignore[call-overload]
    if isinstance(items[0], str):
        return name, ARRAY, struct.pack("<IQ", STRING, len(items)) + b"".join(map(text, items))
    return name, ARRAY, struct.pack("<IQ", I32, len(items)) + b"".join(struct.pack("<i", item) for item in items)


def changed(path: Path, changes: Mapping[str, object], model: str = "mini-m") -> Path:
    """The shipped model with other metadata; None takes an entry away."""
    file, _ = parse(catalog.path(model).read_bytes())
    kept = [entry for entry in file.pairs if entry[0].decode() not in changes]
    made = [pair(key, value) for key, value in changes.items() if value is not None]
    path.write_bytes(replace(file, pairs=kept + made).build())
    return path


def parts(folder: Path, count: int = 2, model: str = "mini-m") -> list[Path]:
    """The shipped model in several files, as llama.cpp's gguf-split makes them."""
    file, _ = parse(catalog.path(model).read_bytes())
    paths = [folder / f"{model}-{number + 1:05}-of-{count:05}.gguf" for number in range(count)]
    for number, path in enumerate(paths):
        own = replace(file, pairs=file.pairs if number == 0 else [], tensors=file.tensors[number::count])
        own = own.with_pair("split.no", U16, struct.pack("<H", number)).with_pair("split.count", U16, struct.pack("<H", count))
        path.write_bytes(own.with_pair("split.tensors.count", I32, struct.pack("<i", len(file.tensors))).build())
    return paths


class Weights:
    """Random tensors, always the same for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self._draw = np.random.default_rng(seed)
        self.tensors: list[Info] = []

    def matrix(self, name: str, rows: int, columns: int) -> None:
        """Numbers in half precision, rows of them."""
        data = (self._draw.standard_normal((rows, columns), dtype=np.float32) * 0.08).astype(np.float16)
        self.tensors.append(Info(name.encode(), [columns, rows], F16, data.tobytes()))

    def vector(self, name: str, *shape: int, mean: float = 0.0) -> None:
        """Numbers in full precision."""
        data = (mean + self._draw.standard_normal(shape) * 0.02).astype(np.float32)
        self.tensors.append(Info(name.encode(), list(reversed(shape)), F32, data.tobytes()))


def llama(path: Path, width: int = 64, layers: int = 2, inner: int = 128, heads: int = 4, kv_heads: int = 4, length: int = 1024) -> Path:
    """A chat model with the vocabulary of mini-m."""
    source, _ = parse(catalog.path("mini-m").read_bytes())
    sizes = {"context_length": length, "embedding_length": width, "block_count": layers, "feed_forward_length": inner}
    sizes |= {"attention.head_count": heads, "attention.head_count_kv": kv_heads, "rope.dimension_count": width // heads}
    pairs = [
        entry
        for entry in source.pairs
        if not entry[0].startswith(b"llama.") or entry[0].endswith((b"epsilon", b"freq_base", b"vocab_size"))
    ]
    pairs += [pair(f"llama.{key}", value) for key, value in sizes.items()]
    vocabulary = source.tensors[0].shape[1]
    weights = Weights()
    weights.matrix("token_embd.weight", vocabulary, width)
    weights.vector("output_norm.weight", width, mean=1)
    narrow = width // heads * kv_heads
    for i in range(layers):
        shapes = {"attn_q": (width, width), "attn_k": (narrow, width), "attn_v": (narrow, width), "attn_output": (width, width)}
        shapes |= {"ffn_gate": (inner, width), "ffn_up": (inner, width), "ffn_down": (width, inner)}
        for name, (rows, columns) in shapes.items():
            weights.matrix(f"blk.{i}.{name}.weight", rows, columns)
        weights.vector(f"blk.{i}.attn_norm.weight", width, mean=1)
        weights.vector(f"blk.{i}.ffn_norm.weight", width, mean=1)
    path.write_bytes(File(pairs=pairs, tensors=weights.tensors).build())
    return path


def bert(path: Path, width: int = 64, layers: int = 2, inner: int = 128, heads: int = 4, length: int = 128, seed: int = 0) -> Path:
    """An embedding model: words and letters of English, mean pooling."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = ["the", "fox", "bear", "library", "opens", "at", "nine", "hello", "hola"]
    letters = list(string.ascii_lowercase + string.digits + string.punctuation)
    tokens = special + ["\u2581" + word for word in words + letters] + list(string.ascii_lowercase + string.digits)
    entries: dict[str, object] = {
        "general.architecture": "bert",
        "bert.context_length": length,
        "bert.embedding_length": width,
        "bert.block_count": layers,
        "bert.feed_forward_length": inner,
        "bert.attention.head_count": heads,
        "bert.attention.layer_norm_epsilon": 1e-12,
        "bert.attention.causal": False,
        "bert.pooling_type": 1,
        "general.file_type": 1,
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] * len(special) + [1] * (len(tokens) - len(special)),
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.unknown_token_id": 1,
        "tokenizer.ggml.cls_token_id": 2,
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.seperator_token_id": 3,
        "tokenizer.ggml.eos_token_id": 3,
        "tokenizer.ggml.mask_token_id": 4,
    }
    weights = Weights(seed)
    weights.matrix("token_embd.weight", len(tokens), width)
    weights.vector("position_embd.weight", length, width)
    weights.vector("token_types.weight", 2, width)
    weights.vector("token_embd_norm.weight", width, mean=1)
    weights.vector("token_embd_norm.bias", width)
    for i in range(layers):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"):
            rows, columns = {"ffn_up": (inner, width), "ffn_down": (width, inner)}.get(name, (width, width))
            weights.matrix(f"blk.{i}.{name}.weight", rows, columns)
            weights.vector(f"blk.{i}.{name}.bias", rows)
        for name in ("attn_output_norm", "layer_output_norm"):
            weights.vector(f"blk.{i}.{name}.weight", width, mean=1)
            weights.vector(f"blk.{i}.{name}.bias", width)
    path.write_bytes(File(pairs=[pair(key, value) for key, value in entries.items()], tensors=weights.tensors).build())
    return path


def bare(path: Path) -> Path:
    """The shipped model without a template, its control tokens under other names."""
    file, _ = parse(changed(path, {"tokenizer.chat_template": None}).read_bytes())
    pairs = [
        (key, kind, value.replace(b"<|im_start|>", b"<|xx_start|>").replace(b"<|im_end|>", b"<|xx_end|>"))
        for key, kind, value in file.pairs
    ]
    path.write_bytes(replace(file, pairs=pairs).build())
    return path
