"""A shipped chat model as a Hugging Face folder, and from that as ONNX, reads the same tokens and writes the same text."""

# ruff: noqa: E402

import json

import pytest

from . import TRAINING, needs

needs(*TRAINING)
llama_cpp = pytest.importorskip("llama_cpp")

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

import labkit as lab
from benchmarks.identity import in_onnx
from labkit import prompts
from labkit.errors import MissingDependencyError
from labkit.zoo import catalog
from labkit.zoo.__main__ import main
from labkit.zoo.training import export, huggingface
from labkit.zoo.training.model import Llama

NAME = "mini-s"
ONNX = not huggingface.missing_for_onnx()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("hf") / NAME
    main(["export", NAME, "--out", str(out)])
    return out


def test_tokenizer_and_template_are_those_of_the_file(folder):
    words = Tokenizer.from_file(str(folder / "tokenizer.json"))
    says = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert says["chat_template"] == prompts.CHAT_TEMPLATE
    llama = llama_cpp.Llama(str(catalog.path(NAME)), vocab_only=True, verbose=False)
    with lab.load(NAME) as model:
        for text in ("¿Cuántos gatos hay en 12 casas?", '{"a": [1, 2]}  😀\n\nx'):
            prompt = model.render(text)
            assert words.encode(prompt).ids == llama.tokenize(prompt.encode(), add_bos=False, special=True)


def test_weights_are_all_there_and_queries_turn_in_halves(folder):
    config, weights, _ = export.from_gguf(catalog.path(NAME))
    found = load_file(str(folder / "model.safetensors"))
    assert sum(t.numel() for t in found.values()) == sum(p.numel() for p in Llama(config).parameters())
    assert torch.equal(found["model.embed_tokens.weight"].float(), weights["embedding.weight"])
    ours, theirs = weights["blocks.0.attention.q.weight"], found["model.layers.0.self_attn.q_proj.weight"].float()
    half = config.head // 2  # our row 2i of a head is their row i, our row 2i + 1 their row half + i
    assert torch.equal(theirs[:half], ours[: config.head : 2]) and torch.equal(theirs[half : config.head], ours[1 : config.head : 2])


@pytest.mark.skipif(not ONNX, reason="onnxruntime-genai, transformers or onnx-ir is absent: pip install -e '.[onnx]'")
def test_onnx_answers_with_the_same_text(folder, tmp_path):
    ask = in_onnx(huggingface.to_onnx(folder, tmp_path / "onnx"))
    with lab.load(NAME) as ours:
        for question in ("What is the capital of France?", "¿De qué color es la nieve?"):
            _, said = ask(ours.render(question))
            assert said.strip() == ours.chat(question, temperature=0, max_tokens=80).text.strip()


@pytest.mark.skipif(ONNX, reason="what converts is here")
def test_onnx_says_what_to_install(folder, tmp_path):
    with pytest.raises(MissingDependencyError, match=r"pip install -e .*\[train,onnx\]"):
        huggingface.to_onnx(folder, tmp_path / "onnx")
