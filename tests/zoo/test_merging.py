"""A model and its adapter in one file: what llama.cpp computes with the two, and refused where they do not belong together."""

import os

import numpy as np
import pytest

from labkit.backends.gguf import read_header
from labkit.errors import BadModelFileError, ModelNotFoundError, OptionError
from labkit.zoo import catalog, quantize
from labkit.zoo.merging import merge

gguf = pytest.importorskip("gguf")
llama_cpp = pytest.importorskip("llama_cpp")

NAME = "mini-s"
ALPHA, RANK = 6.0, 3
CHANGED = ("blk.0.attn_q.weight", "blk.1.attn_output.weight", "blk.1.ffn_down.weight")


def matrices(file):
    return {tensor.name: np.array(tensor.data) for tensor in gguf.GGUFReader(str(file)).tensors}


def adapter_for(weights, out, changed=CHANGED, alpha=ALPHA, thicker=0):
    """A file of thin matrices of chance, large enough to be seen in the answers."""
    rng = np.random.default_rng(5)
    writer = gguf.GGUFWriter(str(out), "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    if alpha is not None:
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    for name in changed:
        height, width = matrices(weights)[name].shape
        writer.add_tensor(f"{name}.lora_a", rng.normal(0, width**-0.5, (RANK, width)).astype(np.float16))
        writer.add_tensor(f"{name}.lora_b", rng.normal(0, 0.1, (height, RANK + thicker)).astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


@pytest.fixture
def weights():
    return catalog.WEIGHTS / catalog.card(NAME).file


def test_only_what_the_adapter_names_changes_and_by_what_it_says(weights, tmp_path):
    adapter = adapter_for(weights, tmp_path / "adapter.gguf")
    merge(weights, adapter, tmp_path / "merged.gguf")
    before, thin, after = map(matrices, (weights, adapter, tmp_path / "merged.gguf"))
    assert list(before) == list(after)
    for name, matrix in before.items():
        wanted = matrix.astype(np.float64)
        if name in CHANGED:
            wanted = wanted + ALPHA / RANK * thin[f"{name}.lora_b"].astype(np.float64) @ thin[f"{name}.lora_a"].astype(np.float64)
            assert not np.allclose(after[name], matrix, atol=0.05)
        assert after[name].dtype == matrix.dtype and np.allclose(after[name], wanted, rtol=1e-3, atol=1e-5), name
    assert read_header(tmp_path / "merged.gguf").metadata == read_header(weights).metadata


def test_llama_cpp_computes_the_same_with_the_adapter_beside_the_weights(weights, tmp_path):
    adapter = adapter_for(weights, tmp_path / "adapter.gguf")
    merge(weights, adapter, tmp_path / "merged.gguf")

    def scores(**files):
        llama = llama_cpp.Llama(n_ctx=64, n_threads=1, logits_all=True, verbose=False, **files)
        llama.eval(llama.tokenize(b"What is a GGUF file?"))
        return np.array(llama.scores[: llama.n_tokens])

    beside, merged, alone = (
        scores(model_path=str(weights), lora_path=str(adapter)),
        scores(model_path=str(tmp_path / "merged.gguf")),
        scores(model_path=str(weights)),
    )
    assert np.abs(beside - merged).max() < 0.05 < np.abs(alone - merged).max()


def test_what_does_not_belong_together_is_refused(weights, tmp_path):
    out = tmp_path / "out" / "merged.gguf"
    good = adapter_for(weights, tmp_path / "good.gguf")
    other = catalog.WEIGHTS / catalog.card("mini-l").file
    short = tmp_path / "short.gguf"
    short.write_bytes(good.read_bytes()[:-900])
    for model, adapter, said in (
        (other, good, "no adapter of mini-l.gguf: blk.0.attn_q.weight does not fit"),
        (weights, weights, "no adapter"),
        (weights, adapter_for(other, tmp_path / "deep.gguf", ["blk.4.attn_q.weight"]), "blk.4"),
        (weights, adapter_for(weights, tmp_path / "thick.gguf", thicker=1), "does not fit"),
        (weights, adapter_for(weights, tmp_path / "silent.gguf", alpha=None), "does not fit"),
        (weights, short, "cut short"),
        (quantize(NAME, "Q8_0"), good, "cannot be merged: blk.0.attn_q.weight is Q8_0"),
    ):
        with pytest.raises(BadModelFileError, match=said) as caught:
            merge(model, adapter, out)
        assert caught.value.fix
    with pytest.raises(ModelNotFoundError):
        merge(weights, tmp_path / "absent.gguf", out)
    with pytest.raises(OptionError, match="cannot be written"):
        merge(weights, good, good / "merged.gguf")
    assert not out.parent.exists() or not os.listdir(out.parent)


@pytest.fixture
def adapted_zoo(weights, own_zoo):
    """The shipped models, of which one has an adapter, as `catalog` finds them; a test may damage them."""
    adapter = adapter_for(weights, catalog.WEIGHTS / f"{NAME}.lora.gguf")
    merge(weights, adapter, own_zoo / "merged.gguf")
    told = catalog.card(NAME).json().replace(catalog.card(NAME).sha256, catalog.sha256(own_zoo / "merged.gguf"))
    told = told.replace('"adapter": {}', f'"adapter": {{"file": "{adapter.name}"}}')
    (catalog.CARDS / f"{NAME}.json").write_text(told, encoding="utf-8")
    return adapter


def test_a_model_with_an_adapter_is_put_together_once(adapted_zoo):
    file = catalog.path(NAME)
    assert catalog.sha256(file) == catalog.card(NAME).sha256 and os.environ["LABKIT_CACHE"] in str(file)
    made = file.stat().st_mtime_ns
    assert catalog.path(NAME) == file and file.stat().st_mtime_ns == made
    for damage in (b"", bytes(file.stat().st_size)):
        file.write_bytes(damage)
        assert catalog.path(NAME) == file and catalog.sha256(file) == catalog.card(NAME).sha256
    assert os.listdir(file.parent) == [file.name]
    file.unlink()
    assert catalog.sha256(catalog.path(NAME, verify=False)) == catalog.card(NAME).sha256


@pytest.mark.parametrize("which", ["adapter", "weights"])
def test_damaged_parts_are_refused(adapted_zoo, which):
    file = adapted_zoo if which == "adapter" else catalog.WEIGHTS / catalog.card(NAME).file
    whole = file.read_bytes()
    changed = bytearray(whole)
    changed[-100] ^= 64
    file.write_bytes(changed)
    with pytest.raises(BadModelFileError, match="sha256") as caught:
        catalog.path(NAME)
    assert adapted_zoo.name in caught.value.fix and f"{NAME}.gguf" in caught.value.fix
    file.unlink()
    with pytest.raises(BadModelFileError, match=f"missing: .*{file.name}"):
        catalog.path(NAME)
    file.write_bytes(whole)
    assert catalog.sha256(catalog.path(NAME)) == catalog.card(NAME).sha256
