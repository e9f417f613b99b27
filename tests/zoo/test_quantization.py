"""Quantized copies are smaller, work, are made once, and are made again where the cache was damaged."""

from __future__ import annotations

import os

import pytest

from labkit.backends.gguf import read_header
from labkit.backends.registry import load
from labkit.errors import BadModelFileError, ModelNotFoundError, OptionError
from labkit.measure import perplexity
from labkit.zoo import catalog, quantize
from labkit.zoo.quantization import TYPES

NAME = next(name for name in catalog.names() if catalog.card(name).kind == "chat")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("quantized")


@pytest.mark.parametrize("kind", ["Q8_0", "q4_k_m", "Q2_K"])
def test_quantized_model_is_smaller_and_answers(folder, kind):
    file = quantize(NAME, kind, folder / f"{kind}.gguf")
    header, card = read_header(file), catalog.card(NAME)
    assert header.quantization == kind.upper() and header.parameters == card.parameters
    assert header.weights < card.size * {"Q8_0": 0.6, "q4_k_m": 0.45, "Q2_K": 0.4}[kind]
    with load(file) as model:
        assert model.chat("Hello!", temperature=0, max_tokens=8).usage.completion_tokens


def test_fewer_bits_are_less_sure_of_what_the_whole_model_says(folder):
    prompt = "What is a GGUF file?"
    with load(NAME) as whole:
        text = whole.chat(prompt, temperature=0, max_tokens=40).text
        exact = perplexity(whole, prompt, text)
    found = []
    for kind in ("Q8_0", "Q2_K"):
        with load(quantize(NAME, kind, folder / f"{kind}.gguf")) as model:
            found.append(perplexity(model, prompt, text))
    assert abs(found[0] / exact - 1) < abs(found[1] / exact - 1)


def test_load_makes_it_once_and_again_where_it_was_damaged():
    with load(f"{NAME}:Q4_0") as model:
        assert model.name == f"{NAME}:Q4_0" and model.info().quantization == "Q4_0" and model._trusted
        path = model.path
    before = path.stat().st_mtime_ns
    assert quantize(NAME, "q4_0") == path and path.stat().st_mtime_ns == before
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert quantize(NAME, "Q4_0") == path and path.read_bytes() != bytes(data)
    assert sorted(os.listdir(path.parent)) == sorted([path.name, path.with_suffix(".json").name])


def test_what_it_has_already_is_the_file_itself():
    card = catalog.card(NAME)
    if card.quantization in TYPES:
        assert quantize(NAME, card.quantization) == catalog.path(NAME)


def test_mistakes_are_told(folder, tmp_path):
    for kind, said in (("Q4_K_N", "Q4_K_M"), ("IQ2_XXS", "Kinds"), ("", "Kinds")):
        with pytest.raises(OptionError, match=said):
            load(f"{NAME}:{kind}")
    with pytest.raises(ModelNotFoundError):
        quantize("absent.gguf", "Q8_0")
    with pytest.raises(ModelNotFoundError):
        load("absent:Q8_0")
    with pytest.raises(OptionError, match="already"):
        quantize(quantize(NAME, "Q8_0", folder / "Q8_0.gguf"), "Q4_0")
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="cannot be written"):
        quantize(NAME, "Q8_0", tmp_path / "file" / "x.gguf")


def test_damaged_file_is_an_error_and_not_the_end(tmp_path):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(catalog.path(NAME).read_bytes()[:-5000])
    with pytest.raises(BadModelFileError):
        quantize(cut, "Q8_0")
    noise = bytearray(catalog.path(NAME).read_bytes())
    place = noise.index(b"general.architecture") + len(b"general.architecture") + 4 + 8
    noise[place : place + 3] = b"zzz"  # a build that nobody knows
    (tmp_path / "noise.gguf").write_bytes(noise)
    with pytest.raises(BadModelFileError, match="cannot make Q8_0"):
        quantize(tmp_path / "noise.gguf", "Q8_0", tmp_path / "out.gguf")
    assert sorted(os.listdir(tmp_path)) == ["cut.gguf", "noise.gguf"]
