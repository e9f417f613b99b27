"""The memory gauge: predictions for models at hand and known ones, the sliders, what is said."""

from __future__ import annotations

import pytest

import labkit as lab
from labkit.backends import memory, shapes
from labkit.backends.gguf import read_header
from labkit.display import bytes_text
from labkit.errors import CapabilityError, ModelNotFoundError, OptionError
from labkit.machine import Machine
from labkit.widgets._gauge import find_header, fit
from labkit.zoo import catalog

from .helpers import shown

LAPTOP = Machine("test", 8, 8_000_000_000, 6_000_000_000, False)


@pytest.fixture
def gauge():
    return lab.widgets.memory_gauge("mini-m")


def test_known_shapes_agree_with_what_their_makers_publish():
    # bytes of keys and values for each token with 16 bits, as lesson 01 has them
    kv = {"qwen3:0.6b": 114_688, "llama3.2:1b": 32_768, "llama3.2:3b": 114_688, "llama3.1:8b": 131_072}
    for name in shapes.names():
        header = shapes.header(name)
        assert memory.predict(header, 4096).kv_cache == 4096 * kv[name]
        assert header.weights == 2 * header.parameters and not header.embeds
    with pytest.raises(ModelNotFoundError, match=r"llama3\.1:8b"):
        shapes.header("llama3.1:8")


def test_quantization_changes_the_weights_alone():
    header = shapes.header("llama3.1:8b")
    small, large = (fit(header, name, 4096, LAPTOP) for name in ("Q4_K_M", "Q8_0"))
    assert small.need.kv_cache == large.need.kv_cache and large.need.weights / small.need.weights == pytest.approx(8.5 / 4.85)
    assert small.fits and not large.fits and large.largest_window == 0
    assert sum(small.parts.values()) == small.need.total
    with pytest.raises(OptionError, match="Q4_K_M"):
        shapes.quantized(header, "Q3_K_X")


def test_largest_window_is_the_last_that_fits():
    header = shapes.quantized(shapes.header("llama3.1:8b"), "Q4_K_M")
    window = shapes.largest_window(header, LAPTOP.memory_available)
    assert memory.predict(header, window).total <= LAPTOP.memory_available < memory.predict(header, window + 256).total
    assert shapes.largest_window(header, 10**15) == header.context_length and shapes.largest_window(header, 10**6) == 0


def test_the_shipped_model_as_its_file_is(gauge):
    header = read_header(catalog.path("mini-m"))
    assert gauge.quantization.value == header.quantization and gauge.context_window.value == header.context_length
    assert gauge.fit.need == memory.predict(header, header.context_length)
    assert bytes_text(gauge.fit.need.total) in gauge.text and bytes_text(header.weights) in gauge.text


def test_sliders_change_the_prediction(gauge):
    before = gauge.gauge.value, gauge.fit.need
    gauge.context_window.value = 256
    assert gauge.fit.need.kv_cache * 4 == before[1].kv_cache and gauge.gauge.value != before[0]
    gauge.quantization.value = "Q8_0"
    assert gauge.fit.need.weights == pytest.approx(before[1].weights * 8.5 / 16, rel=0.02) and "Q8_0" in gauge.text
    assert "weights, 8.5 bits each" in gauge.text


def test_another_model_keeps_what_it_can(gauge):
    gauge.context_window.value = 512
    gauge.quantization.value = "Q4_K_M"
    gauge.model.value = "llama3.2:3b"
    assert gauge.context_window.value == 512 and gauge.quantization.value == "Q4_K_M" and "llama3.2:3b" in gauge.text
    gauge.context_window.value = 131_072
    gauge.model.value = "mini-m"
    assert gauge.context_window.value == catalog.card("mini-m").context_window


def test_what_does_not_fit_is_said(gauge):
    gauge.model.value, gauge.quantization.value = "llama3.1:8b", "F16"
    gauge.context_window.value = 131_072
    enough = gauge.fit.fits
    assert ("it fits into" in gauge.text) == enough and ("too much" in gauge.text) == (not enough)
    assert gauge.gauge.value.count("lk-swatch") == 3


def test_it_takes_names_files_and_loaded_models(embedding_file, misbehaving_server):
    with lab.load("mini-m") as model:
        assert find_header(model)[1] == model.header
        assert lab.widgets.memory_gauge(model).fit.need.total == model.info().memory
    assert lab.widgets.memory_gauge(embedding_file).fit.need == memory.predict(read_header(embedding_file), 128)
    assert lab.widgets.memory_gauge("llama3.1:8b", quantization="Q6_K", context_window=8192).context_window.value == 8192
    for wrong, kind in (("mini-x", ModelNotFoundError), ("no/such.gguf", ModelNotFoundError)):
        with pytest.raises(kind):
            lab.widgets.memory_gauge(wrong)
    with pytest.raises(CapabilityError):
        lab.widgets.memory_gauge(lab.load(f"ollama:good@{misbehaving_server.url}"))
    odd = lab.widgets.memory_gauge("llama3.1:8b", context_window=10_000)
    assert odd.fit.context_window == odd.context_window.value == 10_000
    for wrong_option in ({"lang": "fr"}, {"quantization": "Q9"}, {"context_window": -1}, {"context_window": 0}):
        with pytest.raises(OptionError):
            lab.widgets.memory_gauge("mini-m", **wrong_option)


def test_a_damaged_file_shows_its_error_in_place(tmp_path, gauge):
    path = tmp_path / "<img src=x>.gguf"
    path.write_bytes(b"GGUF")
    gauge.model.options = [*gauge.model.options, str(path)]
    gauge.model.value = str(path)
    assert "lk-error" in gauge.status.value and "<img" not in gauge.status.value
    gauge.model.value = "mini-m"
    assert "lk-error" not in gauge.status.value and "mini-m" in gauge.text


def test_twin_snapshot_and_languages(gauge):
    gauge.twin_button.value = True
    gauge.context_window.value = 256
    assert "256 tokens" in gauge._twin.value
    bundle = gauge._repr_mimebundle_()
    assert bundle["text/plain"] == gauge.text and "<td" in bundle["text/html"]
    spanish = lab.widgets.memory_gauge("mini-m", lang="es")
    text = shown(spanish) + spanish.text
    assert "necesita" in text and "pesos" in text and not any(word in text for word in ("needs", "weights", "Model\n"))
    assert "1\u202f024 tokens" in spanish.text and "," not in spanish.text.split("contexto de ")[1].split(" tokens")[0]
    assert all(control.description for control in (gauge.model, gauge.quantization, gauge.context_window))
