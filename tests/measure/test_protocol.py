"""What `measure` reports of real engines: states apart, no rate that a cache made up, and where the figures come from."""

from __future__ import annotations

import dataclasses
import pickle
from html.parser import HTMLParser

import numpy as np
import pytest

import labkit as lab
from labkit.backends.base import Model
from labkit.chat import Reply, Sent, Timing, Usage
from labkit.errors import OptionError
from labkit.measure import Measurement, PeakMemory, Run, measure, provenance

PROMPT = "Tell a story about a fox that finds a robot in the snow and takes it home to the other animals of the wood."


@pytest.fixture(scope="module")
def model():
    with lab.load("mini-m") as model:
        yield model


@pytest.fixture(scope="module")
def found(model) -> Measurement:
    return measure(model, PROMPT, max_tokens=16)


def test_cold_and_warm_are_kept_apart(found):
    assert [run.state for run in found.runs] == ["cold"] + ["warm"] * 5
    cold, warm = found.states["cold"], found.states["warm"]
    assert cold["load_duration"].median > 0 and "load_duration" not in warm
    assert cold["time_to_first_token"].median > cold["load_duration"].median
    assert warm["tokens_per_second"].n == 5 and warm["tokens_per_second"].interval is not None
    assert cold["tokens_per_second"].n == 1 and cold["tokens_per_second"].interval is None
    assert found["warm", "prompt_tokens_per_second"].median > 0
    assert any("forgets each prompt" in note for note in found.notes)


def test_a_cached_prompt_has_no_rate(found):
    with lab.load("mini-m", prefix_cache=True) as model:
        keeping = measure(model, PROMPT, repeats=2, states=("warm", "cached"), max_tokens=8)
    warm, cached = keeping.states["warm"], keeping.states["cached"]
    assert "prompt_tokens_per_second" in warm and "prompt_tokens_per_second" not in cached
    assert all(run.cached_tokens > 0.9 * run.prompt_tokens - 2 for run in keeping.runs if run.state == "cached")
    assert all(run.cached_tokens < 0.4 * run.prompt_tokens for run in keeping.runs if run.state == "warm")


def test_a_rate_is_that_of_the_computed_tokens():
    reply = Reply("x", "m", "stop", Usage(100, 2, 0), Timing(prompt_duration=0.5))
    assert Run.of("warm", reply).prompt_tokens_per_second == 200
    assert Run.of("cached", reply).prompt_tokens_per_second is None
    assert Run.of("warm", Reply("x", "m", "stop", Usage(100, 2, 60), Timing(prompt_duration=0.5))).prompt_tokens_per_second is None
    assert Run.of("warm", Reply("x", "m", "stop", Usage(None, 2), Timing())).prompt_tokens_per_second is None


def test_one_value_has_no_spread(found):
    alone = dataclasses.replace(found, runs=tuple(run for run in found.runs if run.state == "warm")[:1])
    assert "(n = 1)" in str(alone) and "spread" not in str(alone) and "spread" in str(found)


def test_machine_and_versions_travel_along(found, model):
    where = found.provenance
    assert where.model == "mini-m" and where.quantization == "F16" and where.engine == model.engine and where.labkit == lab.__version__
    assert where.cores >= 1 and where.memory_total > 10**8 and where.date.endswith("Z") and len(where.date) == 20
    row = found.row()
    assert row["warm_tokens_per_second"] == found["warm", "tokens_per_second"].median and row["date"] == where.date
    assert row["memory_peak"] > 10**7 and found.options["temperature"] == 0 and found.text
    assert {line["figure"] for line in found.rows()} >= {"load_duration", "tokens_per_second"} and len(found.raw()) == 6
    assert "labkit" in str(provenance()) and "mini-m" in str(found)
    assert pickle.loads(pickle.dumps(found)).row() == row


def test_it_shows_itself_and_escapes_what_a_server_said(found):
    html = found._repr_html_()
    HTMLParser().feed(html)
    assert "prompt_tokens_per_second" in html and "95% interval" in html
    from dataclasses import replace

    hostile = replace(found, notes=("<script>alert(1)</script>",), provenance=replace(found.provenance, engine="<img onerror=x>"))
    assert "<script>" not in hostile._repr_html_() and "<img" not in hostile._repr_html_()


def test_peak_memory_sees_what_was_given_back():
    with PeakMemory() as memory:
        block = np.ones(12_000_000)
        block.sum()
        for _ in range(3):
            memory._end.wait(0.02)
        del block
    assert 80_000_000 < memory.growth < 300_000_000


def test_what_cannot_be_measured_is_said(model):
    with pytest.raises(OptionError, match="prefix_cache"):
        measure(model, "Hi", states=("cached",))
    for wrong in ({"states": ("hot",)}, {"repeats": 0}, {"states": ()}, {"warmup": -1}, {"max_tokenz": 1}):
        with pytest.raises(OptionError):
            measure(model, "Hi", **wrong)


def test_an_ollama_server_is_measured_by_the_same_protocol(ollama_server):
    model: Model = lab.load(f"ollama:mini-m@{ollama_server.url}")
    found = measure(model, PROMPT, repeats=2, max_tokens=8)
    assert [run.state for run in found.runs] == ["cold", "warm", "warm", "cached", "cached"]
    assert found["cold", "load_duration"].median > 0 and "prompt_tokens_per_second" not in found.states["cached"]
    assert "prompt_tokens_per_second" in found.states["warm"] and "tokens_per_second" in found.states["cached"]
    assert found.memory["source"] == "Ollama ps" and found.memory["server"] > 10**6
    assert found.provenance.engine.startswith("Ollama") and isinstance(found.options, dict)
    assert Sent("x", found.options).request["options"]["temperature"] == 0
