"""Vectors from the in-process engine, with a small random model of the bert kind."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import labkit as lab
from labkit.errors import CapabilityError, ContextWindowExceededError, ModelClosedError, OptionError

from . import synthetic

TEXTS = ["the fox", "the bear", "hola", "the library opens at nine", "", " ", "¿?", "zzz 123", "the " * 120, "[SEP] [CLS]"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return synthetic.bert(tmp_path_factory.mktemp("models") / "bert.gguf")


@pytest.fixture
def model(path):
    with lab.load(path) as model:
        yield model


def test_vectors_have_length_one_and_the_order_of_the_texts(model):
    vectors = model.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), 64) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    alone = np.concatenate([model.embed(text) for text in TEXTS])
    assert (vectors * alone).sum(axis=1).min() > 0.99999  # another batch rounds differently, in the fifth digit


def test_many_texts_are_batched_and_equal_one_by_one(model):
    texts = [f"the fox {'at nine ' * (number % 40)}{number}" for number in range(300)]
    vectors = model.embed(texts)
    for number in (0, 39, 63, 64, 65, 255, 299):
        assert vectors[number] @ model.embed(texts[number])[0] > 0.99999


def test_no_texts_give_no_vectors(model):
    assert model.embed([]).shape == (0, 64)


def test_same_vectors_as_llama_cpp_python(model, path):
    import llama_cpp

    theirs = llama_cpp.Llama(str(path), embedding=True, n_ctx=128, verbose=False)
    for text in ("the fox", "the library opens at nine"):
        expected = np.array(theirs.embed(text, normalize=True))
        assert model.embed(text)[0] @ expected > 0.99999
    theirs.close()


def test_text_that_does_not_fit_is_refused(model):
    assert model.embed("the " * 126).shape == (1, 64)
    with pytest.raises(ContextWindowExceededError, match=r"Text 1 has 129 tokens.* is 128") as caught:
        model.embed(["the fox", "the " * 127])
    assert (caught.value.prompt_tokens, caught.value.context_window) == (129, 128)


def test_only_text_is_embedded(model):
    with pytest.raises(OptionError, match="not int"):
        model.embed(["the fox", 3])  # type: ignore[list-item]


def test_embedding_model_says_what_it_is(model):
    info = model.info()
    assert (info.kind, info.context_window, info.quantization) == ("embedding", 128, "F16")
    with pytest.raises(CapabilityError, match=r"embed\(\)"):
        model.chat("Hi")
    assert model.count_tokens("the fox") == 2


def test_threads_embed_alike(model):
    expected = model.embed(TEXTS)
    found: list[float] = []
    threads = [threading.Thread(target=lambda: found.append(float(np.abs(model.embed(TEXTS) - expected).max()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 4 and max(found) < 1e-5


def test_closed_model_does_not_embed(path):
    model = lab.load(path)
    model.close()
    with pytest.raises(ModelClosedError):
        model.embed("the fox")
