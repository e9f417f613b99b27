"""Weights to a GGUF file that llama.cpp and Ollama read, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer

from ... import prompts
from .model import EPSILON, ROPE_BASE, Config
from .sample import END
from .tokenizer import END_OF_TEXT, SPECIAL
from .tokenizer import of as tokenizer_of

# Our name of a matrix -> llama.cpp's.
MATRICES = {
    "attention.q": "attn_q",
    "attention.k": "attn_k",
    "attention.v": "attn_v",
    "attention.o": "attn_output",
    "feed.gate": "ffn_gate",
    "feed.up": "ffn_up",
    "feed.down": "ffn_down",
}
THEN = ", then "  # between the machines that trained a model
NORMS = {"attention_norm": "attn_norm", "feed_norm": "ffn_norm"}


def to_gguf(
    checkpoint: Path,
    tokenizer: Tokenizer,
    out: Path,
    name: str,
    before: Mapping[str, torch.Tensor] | None = None,
    keep: float = 0.0,
    average: Sequence[Path] = (),
) -> dict[str, Any]:
    """Write a checkpoint as F16 GGUF.

    Parameters
    ----------
    checkpoint : Path
        What `Trainer.save` wrote.
    tokenizer : Tokenizer
    out : Path
    name : str
        Name of the model, kept in the file.
    before : dict of Tensor
        The weights that the training began with, by our names.
    keep : float
        Share of them to blend in: see `blended`.
    average : sequence of Path
        Earlier checkpoints of the same model, with whose weights it is averaged: see `averaged`.

    Returns
    -------
    dict
        The checkpoint's training figures: tokens and seconds, those of the weights it began with included, progress of its schedule,
        and the machine.
    """
    state = torch.load(checkpoint, map_location="cpu", weights_only=False)
    earlier = [torch.load(file, map_location="cpu", weights_only=False)["model"] for file in average]
    config, weights = Config(**state["config"]), blended(averaged([state["model"], *earlier]), before or {}, keep)
    writer = gguf.GGUFWriter(str(out), "llama")
    _describe(writer, config, name)
    _vocabulary(writer, tokenizer)
    writer.add_tensor("token_embd.weight", half(weights["embedding.weight"]))
    writer.add_tensor("output_norm.weight", single(weights["norm.weight"]))
    for block in range(config.layers):
        for ours, theirs in MATRICES.items():
            writer.add_tensor(f"blk.{block}.{theirs}.weight", half(weights[f"blocks.{block}.{ours}.weight"]))
        for ours, theirs in NORMS.items():
            writer.add_tensor(f"blk.{block}.{theirs}.weight", single(weights[f"blocks.{block}.{ours}.weight"]))
    return finish(writer, state)


def averaged(sets: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The mean of several sets of weights, each the end of a run that began with another of them.

    What the runs agree on stays, what each of them forgot by chance comes back (Wortsman et al., *Model soups*, 2022).
    """
    return {name: torch.stack([weights[name].float() for weights in sets]).mean(0) for name in sets[0]}


def blended(weights: Mapping[str, torch.Tensor], before: Mapping[str, torch.Tensor], keep: float) -> dict[str, torch.Tensor]:
    """Weights after further training, drawn back towards those before it: keep · before + (1 - keep) · weights.

    What was learned last weakens a little, what it had displaced comes back (Wortsman et al., *Robust fine-tuning of zero-shot models*,
    2022).
    """
    return {name: torch.lerp(weight.float(), before[name].float(), keep) if name in before else weight for name, weight in weights.items()}


def from_gguf(file: Path) -> tuple[Config, dict[str, torch.Tensor], Tokenizer]:
    """Read what `to_gguf` wrote, to train it further: sizes, weights by our names, and the tokenizer."""
    reader = gguf.GGUFReader(str(file))
    found, sizes, tokens = contents(reader)
    config = Config(**sizes)
    weights = {"embedding.weight": found["token_embd.weight"], "norm.weight": found["output_norm.weight"]}
    for block in range(config.layers):
        for ours, theirs in (MATRICES | NORMS).items():
            weights[f"blocks.{block}.{ours}.weight"] = found[f"blk.{block}.{theirs}.weight"]
    return config, weights, tokenizer_of(tokens, reader.fields["tokenizer.ggml.merges"].contents())


def contents(reader: gguf.GGUFReader) -> tuple[dict[str, torch.Tensor], dict[str, int], list[str]]:
    """What a file of any of our models holds: tensors by llama.cpp's names, the sizes of its `Config`, and its tokens."""
    architecture = reader.fields["general.architecture"].contents()
    found = {tensor.name: torch.from_numpy(np.array(tensor.data, dtype=np.float32)) for tensor in reader.tensors}

    def number(name: str) -> int:
        return int(reader.fields[f"{architecture}.{name}"].contents())

    width = number("embedding_length")
    sizes = {
        "width": width,
        "layers": number("block_count"),
        "inner": number("feed_forward_length"),
        "head": width // number("attention.head_count"),
        "vocabulary": len(found["token_embd.weight"]),
        "context": number("context_length"),
    }
    return found, sizes, reader.fields["tokenizer.ggml.tokens"].contents()


def _describe(writer: gguf.GGUFWriter, config: Config, name: str) -> None:
    describe(writer, config, name, "A tiny bilingual model trained from scratch for the labkit course.")
    writer.add_head_count_kv(config.width // config.head)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_dimension_count(config.head)
    writer.add_rope_freq_base(ROPE_BASE)


def describe(writer: gguf.GGUFWriter, config: Any, name: str, description: str) -> None:
    """What a file says of any of our models: name, licence and sizes."""
    writer.add_name(name)
    writer.add_description(description)
    writer.add_license("mit")
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.width)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.inner)
    writer.add_head_count(config.width // config.head)
    writer.add_vocab_size(config.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def finish(writer: gguf.GGUFWriter, state: dict[str, Any]) -> dict[str, Any]:
    """Write everything, and give the checkpoint's training figures."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    before = state["before"]
    machines = dict.fromkeys([*(before.get("machine") or "").split(THEN), state["machine"]])  # older checkpoints do not say
    return {
        "tokens": state["tokens"] + before["tokens"],
        "seconds": state["seconds"] + before["seconds"],
        "progress": state["progress"],
        "machine": THEN.join(filter(None, machines)),
    }


def _vocabulary(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    ids = tokenizer.get_vocab()
    tokens = sorted(ids, key=ids.__getitem__)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if token in SPECIAL else gguf.TokenType.NORMAL for token in tokens])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_bos_token_id(ids[END_OF_TEXT])
    writer.add_eos_token_id(ids[END])
    writer.add_pad_token_id(ids[END_OF_TEXT])
    writer.add_add_bos_token(False)
    writer.add_chat_template(prompts.CHAT_TEMPLATE)


def half(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """F16 with the precision of bfloat16, in which the training computes: what lies below is noise, and a sixth of the packed file."""
    return tensor.bfloat16().float().numpy().astype(np.float16)


def single(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    return tensor.float().numpy().astype(np.float32)
