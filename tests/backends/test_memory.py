"""The predicted memory against what a process really takes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from labkit.backends import memory
from labkit.backends.gguf import read_header
from labkit.display import bytes_text
from labkit.errors import OutOfMemoryError
from labkit.machine import Machine
from labkit.zoo import catalog

from . import synthetic

MEASURE = """
import gc, json, sys
from pathlib import Path
import numpy, psutil
from labkit.backends._library import library
from labkit.backends._llama import Engine
from labkit.backends.gguf import read_header
library(), gc.collect()
path, window = Path(sys.argv[1]), int(sys.argv[2])
embeds = read_header(path).embeds
process = psutil.Process()
before = process.memory_info().rss
engine = Engine(path, window=window, threads=1, embedding=embeds)
if embeds:
    engine.embed([[5] * 100] * 10)
for start in range(0, 0 if embeds else window, engine.batch):
    engine.compute([5] * min(engine.batch, window - start), lambda: False)
print(json.dumps(process.memory_info().rss - before))
"""


def error_percent(path, window):
    """How much the prediction is above (+) or below (-) what was measured."""
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path), str(window)], capture_output=True, text=True, timeout=120, check=True)
    return 100 * (memory.predict(read_header(path), window).total / json.loads(done.stdout) - 1)


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is counted differently elsewhere")
@pytest.mark.parametrize("window", [256, 1024])
def test_prediction_of_the_shipped_model(window, record_property):
    error = error_percent(catalog.path("mini-m"), window)
    record_property("error_percent", round(error, 1))
    assert -10 < error < 15


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is counted differently elsewhere")
@pytest.mark.parametrize("window", [256, 1024])
def test_prediction_of_a_larger_model(window, tmp_path, record_property):
    path = synthetic.llama(tmp_path / "large.gguf", width=512, layers=18, inner=1536, heads=8, kv_heads=4)
    assert 55e6 < read_header(path).parameters < 65e6
    error = error_percent(path, window)
    record_property("error_percent", round(error, 1))
    assert -5 < error < 10


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is counted differently elsewhere")
def test_prediction_of_an_embedding_model(tmp_path, record_property):
    error = error_percent(synthetic.bert(tmp_path / "bert.gguf", width=256, layers=3, inner=512, length=512), 512)
    record_property("error_percent", round(error, 1))
    assert -15 < error < 30


def test_parts_and_their_sum():
    header = read_header(catalog.path("mini-m"))
    parts = memory.predict(header, 1024)
    assert parts.total == parts.weights + parts.kv_cache + parts.compute + parts.overhead
    assert parts.weights == header.weights
    assert parts.kv_cache == 2 * 2 * header.layers * header.kv_heads * header.key_length * 1024
    assert memory.predict(header, 512).kv_cache * 2 == parts.kv_cache


def test_error_has_the_numbers_and_three_ways_out(monkeypatch):
    header = read_header(catalog.path("mini-m"))
    need = memory.predict(header, 1024)
    monkeypatch.setattr(memory, "machine", lambda: Machine("test", 2, 8_000_000_000, need.total - 2_000_000, False))
    memory.check(header, 256, "mini-m")
    with pytest.raises(OutOfMemoryError) as caught:
        memory.check(header, 1024, "mini-m")
    text = str(caught.value)
    assert bytes_text(need.total) in text and f"{bytes_text(need.total - 2_000_000)} are free" in text
    assert f"KV cache of 1,024 tokens {bytes_text(need.kv_cache)}" in text
    assert "Q4_K_M" in text and "context_window=256" in text and "smaller model" in text
    assert isinstance(caught.value, MemoryError)
