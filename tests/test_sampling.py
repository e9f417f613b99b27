"""`sampling` says what llama.cpp does: held to its own samplers, on real logits."""

from __future__ import annotations

import ctypes
import json

import numpy as np
import pytest

import labkit as lab
from labkit import sampling
from labkit.backends._logits import next_logits
from labkit.backends._sampling import Sampler, _Candidates
from labkit.chat import Options, as_messages
from labkit.errors import CapabilityError, ContextWindowExceededError, OptionError

from .servers.misbehaving import SHOW, response, sends

PROMPT = "Tell a story about a fox."
SO_FAR = ("", "Once there was a", "Once there was a fox. It", "Once there was a fox called", "One night a strange")
DRAWS = 60_000
SETTINGS = {
    "defaults": {},
    "hot top_k": {"temperature": 1.5, "top_k": 12, "top_p": 1.0},
    "top_p alone": {"temperature": 1.0, "top_k": 0, "top_p": 0.6},
    "min_p alone": {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.1},
    "penalties": {"temperature": 1.0, "top_k": 10, "top_p": 1.0, "repeat_penalty": 1.5, "frequency_penalty": 0.4, "presence_penalty": 0.3},
    "all": {"temperature": 0.6, "top_k": 30, "top_p": 0.9, "min_p": 0.02, "repeat_penalty": 1.2, "repeat_last_n": 12},
}


@pytest.fixture(scope="module")
def model():
    with lab.load("mini-m") as model:
        yield model


@pytest.fixture(scope="module")
def places(model) -> list[tuple[list[int], np.ndarray]]:
    """Tokens so far and real logits at several places of a story."""
    return [next_logits(model, as_messages(PROMPT), so_far) for so_far in SO_FAR]


class _Chain:
    """llama.cpp's own samplers over given logits, again and again: unlike in a reply, what is drawn is not remembered."""

    def __init__(self, model, options: Options, tokens: list[int], logits: np.ndarray) -> None:
        engine = model._engine
        self.lib, self.sampler = engine.lib, Sampler(engine, options, tokens)
        self.start = _Candidates(engine)._all
        self.start["id"], self.start["logit"] = np.arange(len(logits)), logits
        self.data = self.start.copy()
        pointer = self.data.ctypes.data_as(self.lib.llama_token_data_p)
        self.array = self.lib.llama_token_data_array(data=pointer)
        self.call = (self.sampler.chain, ctypes.byref(self.array))

    def run(self):
        self.data[:] = self.start
        self.array.size, self.array.selected, self.array.sorted = len(self.data), -1, False
        self.lib.llama_sampler_apply(*self.call)
        return self.data, self.array


@pytest.mark.parametrize("name", SETTINGS)
def test_draws_of_llama_cpp_have_these_probabilities(model, places, name):
    options = Options(seed=7, **SETTINGS[name])
    tokens, logits = min(places, key=lambda place: sampling.apply(place[1], place[0], options).max())
    expected = sampling.apply(logits, tokens, options)
    chain = _Chain(model, options, tokens, logits)
    counts = np.zeros(len(logits))
    for _ in range(DRAWS):
        data, array = chain.run()
        counts[data["id"][array.selected]] += 1
    chain.sampler.free()
    distance = np.abs(counts / DRAWS - expected).sum() / 2
    chance = np.sqrt(2 / np.pi * expected * (1 - expected) / DRAWS).sum() / 2  # of as many draws from these very probabilities, on average
    print(f"{name}: total variation {distance:.4f}, {chance:.4f} by chance, {np.count_nonzero(expected)} tokens kept")
    assert distance < min(0.02, 1.3 * chance + 0.001) and not counts[expected == 0].any()


def test_what_llama_cpp_keeps_is_kept_with_the_same_probability(model, places):
    chance = np.random.default_rng(4)
    worst = 0.0
    for number in range(60):
        way = {
            "temperature": round(float(chance.uniform(0.2, 2)), 2),
            "top_k": int(chance.choice([0, 1, 5, 40, 500])),
            "top_p": float(chance.choice([1.0, 0.3, 0.77, 0.95])),
            "min_p": float(chance.choice([0.0, 0.03, 0.3])),
            "repeat_penalty": float(chance.choice([1.0, 1.3, 0.8])),
            "repeat_last_n": int(chance.choice([0, 5, 64, -1])),
            "presence_penalty": float(chance.choice([0.0, 1.0])),
        }
        tokens, logits = places[number % len(places)]
        chain = _Chain(model, Options(seed=1, **way), tokens, logits)
        data, array = chain.run()
        chain.sampler.free()
        theirs = np.zeros(len(logits))
        theirs[data["id"][: array.size]] = data["p"][: array.size]
        ours = sampling.apply(logits, tokens, **way)
        assert np.count_nonzero(ours) == np.count_nonzero(theirs) == array.size, way
        worst = max(worst, float(np.abs(ours - theirs / theirs.sum()).max()))
    assert worst < 1e-5


def test_a_frame_tells_before_and_after(model):
    frame = lab.next_tokens(model, PROMPT, 10, so_far="Once there was a", temperature=0.7, top_k=5, top_p=1.0)
    assert list(frame.columns) == ["token", "id", "logit", "probability", "after", "kept"] and len(frame) == 10
    assert frame["probability"].is_monotonic_decreasing and frame["logit"].is_monotonic_decreasing
    assert frame["kept"].sum() == 5 and frame["after"].sum() == pytest.approx(1) and (frame["after"] > 0).equals(frame["kept"])
    assert frame.attrs["samplers"] == "top_k → temperature" and frame.attrs["exact"] and frame.attrs["model"] == "mini-m"
    assert frame.attrs["covered"] == pytest.approx(frame["probability"].sum()) and 0 < frame.attrs["covered"] <= 1
    everything = lab.next_tokens(model, PROMPT, 10**6, temperature=1, top_k=0, top_p=1)
    assert len(everything) == model._engine.vocabulary and everything["probability"].sum() == pytest.approx(1)
    assert np.allclose(everything["probability"], everything["after"])


def test_a_plot_says_in_words_what_it_shows(model):
    frames = {f"temperature {t}": lab.next_tokens(model, "What does $x$ cost?", 8, temperature=t) for t in (0.2, 1.0)}
    for lang in ("en", "es"):
        figure = sampling.plot(frames, 5, lang)
        assert figure.png.startswith(b"\x89PNG") and "temperature 0.2: " in figure.alt and figure.alt.endswith(" %")
    for wrong in (lambda: sampling.plot({}), lambda: sampling.plot(frames, lang="fr"), lambda: sampling.plot(frames, 0)):
        with pytest.raises(OptionError):
            wrong()


def test_each_step_has_its_column(model):
    frame = lab.next_tokens(model, PROMPT, so_far="Once there was a", steps=True, repeat_penalty=1.2, min_p=0.05, temperature=0.5)
    assert list(frame.columns)[4:] == ["penalties", "top_k", "top_p", "min_p", "temperature", "after", "kept"]
    assert frame["temperature"].equals(frame["after"])


def test_the_likeliest_token_is_what_a_greedy_reply_begins_with(model):
    for so_far in SO_FAR[:3]:
        first = lab.next_tokens(model, PROMPT, 1, so_far=so_far, temperature=0)
        assert first["after"][0] == 1.0
        reply = model.chat(PROMPT, temperature=0, max_tokens=1) if not so_far else None
        assert reply is None or first["token"][0] == reply.text


def test_looking_changes_no_reply(model):
    before = model.chat(PROMPT, seed=3, max_tokens=12).text
    stream = model.stream(PROMPT, seed=3, max_tokens=12)
    next(stream)
    lab.next_tokens(model, "What is a token?")
    assert stream.finish().text == before


def test_what_cannot_be_told_is_an_error(model):
    for call, kind in (
        (lambda: lab.next_tokens(model, PROMPT, 0), OptionError),
        (lambda: lab.next_tokens(model, PROMPT, temprature=1), OptionError),
        (lambda: lab.next_tokens(model, "word " * 3000), ContextWindowExceededError),
        (lambda: lab.next_tokens(model, PROMPT, so_far="word " * 3000), ContextWindowExceededError),
        (lambda: sampling.apply([]), OptionError),
        (lambda: sampling.apply([[1.0, 2.0]]), OptionError),
        (lambda: sampling.apply([float("nan"), 1.0]), OptionError),
    ):
        with pytest.raises(kind):
            call()


@pytest.mark.parametrize(("version", "architecture", "kept"), [("0.29.0", "qwen3", 4), ("0.30.0", "qwen3", 3), ("0.29.0", "llama", 3)])
def test_second_runner_of_ollama_applies_the_temperature_before_it_cuts(misbehaving_server, version, architecture, kept):
    """Of 0.5, 0.3, 0.1, 0.06, 0.04 the first three make up 0.85; made hotter they make up less, so that a fourth one stays."""
    shares = [0.5, 0.3, 0.1, 0.06, 0.04]
    told = [{"token": f"t{place}", "logprob": float(np.log(share))} for place, share in enumerate(shares)]
    misbehaving_server.version = version
    misbehaving_server.faults |= {
        "/api/show": sends(response(json.dumps(SHOW | {"model_info": {"general.architecture": architecture}}))),
        "/api/chat": sends(response(json.dumps({"logprobs": [{"top_logprobs": told}]}))),
    }
    model = lab.load(f"ollama:good@{misbehaving_server.url}")
    found = lab.next_tokens(model, "Hi", temperature=2, top_p=0.85)
    assert found["kept"].sum() == kept
    hot = np.sqrt(shares[:kept])
    assert np.allclose(found["after"][:kept], hot / hot.sum())


def test_ollama_tells_the_same_twenty(model, ollama_server):
    there = lab.load(f"ollama:mini-m@{ollama_server.url}")
    theirs = lab.next_tokens(there, PROMPT, 10, top_k=5, temperature=1.3)
    ours = lab.next_tokens(model, PROMPT, 10, top_k=5, temperature=1.3)
    assert np.allclose(theirs["probability"], ours["probability"], atol=2e-3) and np.allclose(theirs["after"], ours["after"], atol=5e-3)
    assert theirs["token"][0] == ours["token"][0] and theirs["id"].isna().all() and theirs.attrs["exact"]
    assert len(lab.next_tokens(there, PROMPT, 50)) == 20
    for wrong in ({"so_far": "Once"}, {"repeat_penalty": 1.3}):
        with pytest.raises(CapabilityError):
            lab.next_tokens(there, PROMPT, **wrong)
