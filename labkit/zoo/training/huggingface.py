"""A shipped chat model as a Hugging Face folder, and from that as the ONNX folder that ONNX Runtime GenAI and Foundry Local read."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from ... import prompts, settings
from ...errors import BackendError, MissingDependencyError
from .export import from_gguf
from .model import EPSILON, ROPE_BASE, Config
from .sample import END
from .tokenizer import END_OF_TEXT

# Our name of a matrix -> that of `LlamaForCausalLM`.
NAMES = {
    "attention.q": "self_attn.q_proj",
    "attention.k": "self_attn.k_proj",
    "attention.v": "self_attn.v_proj",
    "attention.o": "self_attn.o_proj",
    "feed.gate": "mlp.gate_proj",
    "feed.up": "mlp.up_proj",
    "feed.down": "mlp.down_proj",
    "attention_norm": "input_layernorm",
    "feed_norm": "post_attention_layernorm",
}


def to_folder(file: Path, folder: Path) -> Path:
    """Write a GGUF file of ours as a Hugging Face `LlamaForCausalLM` with its tokenizer and chat template.

    Parameters
    ----------
    file : Path
        A chat model that `export.to_gguf` wrote.
    folder : Path
        Made where it is missing; what it holds under the same names is replaced.

    Returns
    -------
    Path
        The folder.
    """
    config, weights, tokenizer = from_gguf(file)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.half().contiguous() for name, tensor in _renamed(config, weights).items()}
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    tokenizer.save(str(folder / "tokenizer.json"))
    ids = {"bos_token_id": tokenizer.token_to_id(END_OF_TEXT), "eos_token_id": tokenizer.token_to_id(END)}
    ids["pad_token_id"] = ids["bos_token_id"]
    _write(folder / "config.json", _config(config) | ids)
    _write(folder / "generation_config.json", {"do_sample": False, **ids})
    _write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": END_OF_TEXT,
            "eos_token": END,
            "pad_token": END_OF_TEXT,
            "add_bos_token": False,
            "clean_up_tokenization_spaces": False,
            "model_max_length": config.context,
            "chat_template": prompts.CHAT_TEMPLATE,
        },
    )
    return folder


def missing_for_onnx() -> list[str]:
    """The packages of the extra `onnx` that are not installed."""
    return [name for name in ("onnxruntime_genai", "transformers", "onnx_ir") if importlib.util.find_spec(name) is None]


def to_onnx(folder: Path, out: Path) -> Path:
    """Turn such a folder into one for ONNX Runtime GenAI, in 32-bit numbers for the processor.

    Raises
    ------
    MissingDependencyError
        The package that does it is absent.
    BackendError
        It failed; its last words are in the message.
    """
    absent = missing_for_onnx()
    if absent:
        raise MissingDependencyError(f"{', '.join(absent)} is absent.", fix=settings.command_for("train,onnx"))
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(folder), "-o", str(out), "-p", "fp32", "-e", "cpu"]
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}  # all it needs is in the folder
    done = subprocess.run([*command, "-c", str(folder / ".cache")], capture_output=True, text=True, env=os.environ | offline)
    if done.returncode:
        raise BackendError(f"ONNX Runtime GenAI could not convert {folder}.", done.stderr[-500:])
    return out


def _config(config: Config) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "intermediate_size": config.inner,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.width // config.head,
        "num_key_value_heads": config.width // config.head,
        "head_dim": config.head,
        "hidden_act": "silu",
        "max_position_embeddings": config.context,
        "rms_norm_eps": EPSILON,
        "rope_theta": ROPE_BASE,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "dtype": "float16",
        "torch_dtype": "float16",
    }


def _renamed(config: Config, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    found = {"model.embed_tokens.weight": weights["embedding.weight"], "model.norm.weight": weights["norm.weight"]}
    for block in range(config.layers):
        for ours, theirs in NAMES.items():
            tensor = weights[f"blocks.{block}.{ours}.weight"]
            if ours in ("attention.q", "attention.k"):
                tensor = _halves(tensor, config.head)
            found[f"model.layers.{block}.{theirs}.weight"] = tensor
    return found


def _halves(matrix: Tensor, head: int) -> Tensor:
    """Rows of queries or keys: we turn pairs of neighbours by their position, transformers the first half with the second."""
    return matrix.view(-1, head // 2, 2, matrix.shape[1]).transpose(1, 2).reshape(matrix.shape)


def _write(file: Path, value: dict[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
