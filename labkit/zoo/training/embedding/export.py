"""Weights of mini-embed to a GGUF file of architecture `bert`, which llama.cpp and Ollama embed alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer

from ..export import contents, describe, finish, half, single
from .model import EPSILON, Config
from .tokenizer import CLS, PAD, SEP, SPECIAL, of

WORD = "\u2581"  # before a token that begins a word
# Our name of a matrix with its bias, or of a norm -> llama.cpp's.
MATRICES = {"q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output", "up": "ffn_up", "down": "ffn_down"}
NORMS = {"attention_norm": "attn_output_norm", "feed_norm": "layer_output_norm"}


def to_gguf(checkpoint: Path, tokenizer: Tokenizer, out: Path, name: str) -> dict[str, Any]:
    """Write a checkpoint as F16 GGUF; parameters and result as in `labkit.zoo.training.export.to_gguf`."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=False)
    config, weights = Config(**state["config"]), state["model"]
    writer = gguf.GGUFWriter(str(out), "bert")
    _describe(writer, config, name)
    _vocabulary(writer, tokenizer)
    writer.add_tensor("token_embd.weight", half(weights["embedding.weight"]))
    writer.add_tensor("position_embd.weight", single(weights["position_embedding.weight"]))
    writer.add_tensor("token_types.weight", np.zeros((2, config.width), dtype=np.float32))  # one kind of text only
    for kind in ("weight", "bias"):
        writer.add_tensor(f"token_embd_norm.{kind}", single(weights[f"norm.{kind}"]))
    for block in range(config.layers):
        for ours, theirs in MATRICES.items():
            writer.add_tensor(f"blk.{block}.{theirs}.weight", half(weights[f"blocks.{block}.{ours}.weight"]))
            writer.add_tensor(f"blk.{block}.{theirs}.bias", single(weights[f"blocks.{block}.{ours}.bias"]))
        for ours, theirs in NORMS.items():
            for kind in ("weight", "bias"):
                writer.add_tensor(f"blk.{block}.{theirs}.{kind}", single(weights[f"blocks.{block}.{ours}.{kind}"]))
    return finish(writer, state)


def from_gguf(file: Path) -> tuple[Config, dict[str, torch.Tensor], Tokenizer]:
    """Read what `to_gguf` wrote, to train it further: sizes, weights by our names, and the tokenizer."""
    found, sizes, tokens = contents(gguf.GGUFReader(str(file)))
    config = Config(**sizes)
    weights = {"embedding.weight": found["token_embd.weight"], "position_embedding.weight": found["position_embd.weight"]}
    for kind in ("weight", "bias"):
        weights[f"norm.{kind}"] = found[f"token_embd_norm.{kind}"]
        for block in range(config.layers):
            for ours, theirs in (MATRICES | NORMS).items():
                weights[f"blocks.{block}.{ours}.{kind}"] = found[f"blk.{block}.{theirs}.{kind}"]
    pieces = [t if t in SPECIAL else t[1:] if t.startswith(WORD) else f"##{t}" for t in tokens]
    return config, weights, of(pieces)


def _describe(writer: gguf.GGUFWriter, config: Config, name: str) -> None:
    describe(writer, config, name, "A tiny bilingual embedding model trained from scratch for the labkit course.")
    writer.add_layer_norm_eps(EPSILON)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)


def _vocabulary(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    ids = tokenizer.get_vocab()
    tokens = sorted(ids, key=ids.__getitem__)
    # llama.cpp marks where a word begins, WordPiece where it goes on
    pieces = [t if t in SPECIAL else t[2:] if t.startswith("##") else WORD + t for t in tokens]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(pieces)
    writer.add_token_types([gguf.TokenType.CONTROL if t in SPECIAL else gguf.TokenType.NORMAL for t in tokens])
    writer.add_token_type_count(2)
    writer.add_pad_token_id(PAD)
    writer.add_unk_token_id(SPECIAL.index("[UNK]"))
    writer.add_uint32("tokenizer.ggml.cls_token_id", CLS)
    writer.add_bos_token_id(CLS)
    writer.add_sep_token_id(SEP)
    writer.add_eos_token_id(SEP)
    writer.add_mask_token_id(SPECIAL.index("[MASK]"))
