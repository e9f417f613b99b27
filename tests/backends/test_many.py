"""Many requests at once: the same replies as one by one, in order, whatever happens to one of them or to the caller."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest

import labkit as lab
from labkit.backends import _many, _plan, many
from labkit.backends.base import Delta, End, Events, Model, ModelInfo, Request
from labkit.chat import Sent, Usage
from labkit.errors import (
    CapabilityError,
    ContextWindowExceededError,
    GenerationTimeoutError,
    ModelClosedError,
    OptionError,
    OutOfMemoryError,
)
from labkit.machine import machine

STORY = "Tell a story about a {}."
WHO = ("fox", "bear", "robot", "girl", "river", "teacher", "cat", "garden", "pirate", "snail")


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with lab.load("mini-m") as model:
        yield model


def test_replies_come_in_order_with_the_options_of_their_request(model):
    requests = [
        STORY.format("fox"),
        {"prompt": STORY.format("bear"), "max_tokens": 3},
        [{"role": "user", "content": "What is a token?"}],
        {"prompt": "Hola", "system": "Sé breve.", "seed": 4},
        lab.Message("user", "Hi"),
    ]
    replies = model.generate_many(requests, max_tokens=12, temperature=0)
    assert any(model.last_reply is reply for reply in replies)
    alone = [model.chat(STORY.format("fox"), max_tokens=12, temperature=0), model.chat(STORY.format("bear"), max_tokens=3, temperature=0)]
    assert [reply.text for reply in replies[:2]] == [reply.text for reply in alone]
    assert [reply.usage for reply in replies[:2]] == [reply.usage for reply in alone]
    assert replies[1].finish_reason == "length" and replies[1].usage.completion_tokens == 3
    assert replies[3].sent.request["seed"] == 4 and "Sé breve." in replies[3].sent.prompt
    for reply in replies:
        assert reply.sent.request["at_once"] == 5 and reply.model == "mini-m" and reply.sent.engine.startswith("llama.cpp")
        assert 0 < reply.timing.prompt_duration <= reply.timing.time_to_first_token <= reply.timing.total_duration


def test_drawn_texts_are_those_of_the_same_seed_alone(model):
    requests = [{"prompt": STORY.format(who), "seed": seed} for seed, who in enumerate(WHO * 2)]
    replies = model.generate_many(requests, max_tokens=24)
    same = sum(reply.text == model.chat(**request, max_tokens=24).text for reply, request in zip(replies, requests, strict=True))
    assert same >= 18, f"{same} of 20"


def test_the_same_call_gives_the_same_texts(model):
    requests = [{"prompt": STORY.format(who), "seed": seed} for seed, who in enumerate(WHO * 3)]
    way = {"max_tokens": 24, "temperature": 1.2, "top_k": 0, "top_p": 0.95, "min_p": 0.01, "repeat_penalty": 1.1}
    once, again = (model.generate_many(requests, **way) for _ in range(2))
    assert [reply.text for reply in once] == [reply.text for reply in again]


def test_greedy_texts_are_those_of_one_by_one_or_fork_at_a_tie(model):
    chance = random.Random(5)
    words = ["fox", "moon", "robot", "boat", "bread", "school", "bridge", "cloud", "piano", "snow"]
    prompts = [f"Tell a story about a {chance.choice(WHO)}, a {chance.choice(words)} and {number} apples." for number in range(200)]
    forks = _forks(model, prompts, model.generate_many(prompts, temperature=0, max_tokens=24), 24)
    print(f"{200 - len(forks)} of 200 identical; margins where not: {forks}")
    assert len(forks) <= 10 and all(margin < 0.05 for margin in forks)


def _forks(model, prompts, together, count: int) -> list[float]:
    forks = []
    for prompt, reply in zip(prompts, together, strict=True):
        alone = model.chat(prompt, temperature=0, max_tokens=count)
        if alone.text != reply.text:
            forks.append(_margin(model, alone.sent.prompt, alone.text, reply.text))
    return forks


def _margin(model, prompt: str, one: str, other: str) -> float:
    """How far apart the two tokens are, in logits, at which the texts fork."""
    engine = model._engine
    left, right = (engine.tokenize(prompt + text, special=True, add=True) for text in (one, other))
    fork = next(place for place, (a, b) in enumerate(zip(left, right, strict=False)) if a != b)
    engine.clear()
    for token in left[:fork]:
        engine.compute([token], lambda: False)
    logits = np.ctypeslib.as_array(engine.logits(), (engine.vocabulary,))
    engine.clear()
    return float(abs(logits[left[fork]] - logits[right[fork]]))


FACTS = " ".join(f"Animal {number} eats {number * 3} apples." for number in range(14))


def test_a_beginning_that_all_share_is_computed_once(model):
    prompts = [f"{FACTS} Story number {number}." for number in range(27)]
    replies = model.generate_many(prompts, max_tokens=10, temperature=0, workers=1)
    cached = [reply.usage.cached_tokens for reply in replies]
    assert cached[0] == 0 and min(cached[1:]) > 0.9 * replies[1].usage.prompt_tokens
    forks = _forks(model, prompts, replies, 10)
    assert len(forks) <= 2 and all(margin < 0.05 for margin in forks), forks
    side_by_side = model.generate_many(prompts, max_tokens=10, temperature=0, workers=2)
    assert sum(one.text == other.text for one, other in zip(replies, side_by_side, strict=True)) >= 25
    assert all(reply.usage.cached_tokens > 0.9 * reply.usage.prompt_tokens for reply in side_by_side)


def test_a_beginning_that_some_share_is_copied(model):
    prompts = [f"{FACTS[number % 3 :]} Story number {number}." for number in range(12)] + ["Hi"]
    replies = model.generate_many(prompts, max_tokens=10, temperature=0, workers=1)
    assert sum(not reply.usage.cached_tokens for reply in replies) == 4
    forks = _forks(model, prompts, replies, 10)
    assert len(forks) <= 2 and all(margin < 0.05 for margin in forks), forks


def test_more_requests_than_seats_take_turns(model):
    heard: list[many.Progress] = []
    requests = [{"prompt": STORY.format(WHO[number % 10]), "seed": number, "max_tokens": 1 + number % 9} for number in range(150)]
    replies = model.generate_many(requests, workers=1, progress=heard.append)
    assert replies[0].sent.request["at_once"] == _plan.SEATS < len(requests)
    assert [reply.usage.completion_tokens for reply in replies[:20]] == [
        model.chat(**request).usage.completion_tokens for request in requests[:20]
    ]
    assert [step.done for step in heard] == list(range(1, 151)) and sorted(step.index for step in heard) == list(range(150))
    assert heard[-1].seconds_left == 0 < heard[0].seconds_left and heard[7].result is replies[heard[7].index]


def test_stop_texts_and_characters_stay_whole(model):
    requests = [{"prompt": "Cuenta un cuento de una niña.", "seed": seed, "stop": ("a n", "ó")} for seed in range(8)]
    same = 0
    for request, reply in zip(requests, model.generate_many(requests, max_tokens=40, temperature=1.5), strict=True):
        alone = model.chat(**request, max_tokens=40, temperature=1.5)
        assert "ó" not in reply.text and "a n" not in reply.text and "\ufffd" not in reply.text
        same += (reply.text, reply.finish_reason) == (alone.text, alone.finish_reason)
    assert same >= 6, "drawn at so high a temperature, a last bit may fork a text, but seldom"


def test_json_is_obeyed_by_each(model):
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    replies = model.generate_many(["Yes?", "No?", STORY.format("fox"), {"prompt": "Maybe?", "schema": None}], schema=schema, max_tokens=30)
    assert all(reply.text.strip().startswith("{") for reply in replies[:3]) and not replies[3].text.startswith("{")


def test_an_error_stands_in_its_place_or_ends_the_call(model):
    requests = [
        "Hi",
        {"prompt": "Hi", "temprature": 1},
        "word " * 3000,  # too long
        {"prompt": "Hi", "schema": {"type": "nothing"}},
        {"prompt": []},
        "Hi",
    ]
    results = model.generate_many(requests, errors="return", temperature=0, max_tokens=4)
    assert [type(result) for result in results] == [lab.Reply, OptionError, ContextWindowExceededError, OptionError, OptionError, lab.Reply]
    assert "Request 1" in str(results[1]) and "temperature" in str(results[1])
    assert results[0].text == results[5].text
    for request, kind in ((requests[1], OptionError), (requests[2], ContextWindowExceededError), (requests[3], OptionError)):
        with pytest.raises(kind):
            model.generate_many(["Hi", request], max_tokens=4)
    assert model.chat("Hi", temperature=0, max_tokens=4).text == results[0].text


@pytest.mark.parametrize("wrong", [{"errors": "ignore"}, {"workers": 0}, {"requests": "Hi"}, {"max_tokenz": 3}])
def test_a_wrong_call_fails_at_once(model, wrong):
    with pytest.raises(OptionError):
        model.generate_many(**{"requests": ["Hi"], **wrong})


def test_nothing_asked_is_nothing_answered(model):
    assert model.generate_many([]) == []


def test_a_deadline_ends_one_request_and_not_the_others(model):
    late = {"prompt": STORY.format("fox"), "timeout": 1e-4, "seed": 1}
    results = model.generate_many([late, "Hi", late], errors="return", max_tokens=20)
    assert [type(result) for result in results] == [GenerationTimeoutError, lab.Reply, GenerationTimeoutError]


def test_ctrl_c_ends_it_soon_and_the_model_stays_usable(model):
    before = threading.active_count()
    requests = [{"prompt": STORY.format("fox"), "seed": seed} for seed in range(2000)]
    timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        model.generate_many(requests, max_tokens=200)
    timer.join()
    assert time.perf_counter() - start < 5 and threading.active_count() == before and not model._runs
    assert model.chat("Hi", seed=1, max_tokens=3).text == model.generate_many(["Hi"], seed=1, max_tokens=3)[0].text


def test_an_error_of_the_callback_ends_it(model):
    def fail(step: many.Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        model.generate_many(["Hi"] * 50, progress=fail, max_tokens=50)
    assert not model._runs


def test_the_own_context_answers_meanwhile(model):
    expected = model.chat("Hi", temperature=0, max_tokens=20).text
    with ThreadPoolExecutor(1) as pool:
        others = pool.submit(model.generate_many, [{"prompt": STORY.format("fox"), "seed": seed} for seed in range(64)], max_tokens=60)
        time.sleep(0.05)
        assert model.chat("Hi", temperature=0, max_tokens=20).text == expected
        assert len(others.result()) == 64


def test_closing_the_model_ends_it():
    model = lab.load("mini-m")
    with pytest.raises(ModelClosedError):
        model.generate_many(["Hi"] * 500, progress=lambda step: model.close(), max_tokens=100)
    with pytest.raises(ModelClosedError):
        model.generate_many(["Hi"])


def test_seats_are_fitted_to_the_memory(model, monkeypatch):
    asks = [_many._ask(model, job, {}) for job in _jobs(64)]
    full = _plan.plan(model, asks, None)
    assert full.at_once == 64 and full.crowds * full.seats == 64
    monkeypatch.setattr(_plan, "machine", lambda: replace(machine(), memory_available=40_000_000))
    assert 1 <= _plan.plan(model, asks, None).at_once < 32
    assert not full.shared and full.memory > 0
    monkeypatch.setattr(_plan, "machine", lambda: replace(machine(), memory_available=1_000_000))
    with pytest.raises(OutOfMemoryError, match="max_tokens"):
        _plan.plan(model, asks, None)


def _jobs(count: int) -> list[many.Job]:
    return many.read([STORY.format("fox")] * count, None, {"max_tokens": 64})


def test_any_executor_gives_the_same_replies(model):
    requests = [{"prompt": STORY.format(who), "seed": seed, "max_tokens": 12} for seed, who in enumerate(WHO[:4])]
    requests += [{"prompt": "x", "seed": 1, "max_tokens": -1}]
    alone = [model.chat(**request).text for request in requests[:4]]
    with ThreadPoolExecutor(2) as threads, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        for executor in (threads, processes):
            *replies, error = model.generate_many(requests, executor=executor, errors="return")
            assert [reply.text for reply in replies] == alone and isinstance(error, OptionError)
        with pytest.raises(CapabilityError, match="load"):
            Echo().generate_many(["Hi"], executor=processes)


class Echo(Model):
    """A server that answers slowly with the prompt, and counts how many calls it has at once."""

    name, engine, context_window, at_once = "echo", "Echo 1", None, 4

    def __init__(self) -> None:
        self.lock, self.now, self.most = threading.Lock(), 0, 0

    def info(self) -> ModelInfo:
        return ModelInfo("echo", "Echo")

    def _events(self, request: Request) -> Events:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            yield Sent(self.engine, {"seed": request.options.seed})
            for _ in range(int(request.messages[0].content)):
                time.sleep(0.01)
                yield Delta("x")
            yield End("stop", Usage(1, 1))
        finally:
            with self.lock:
                self.now -= 1


def test_a_server_gets_several_at_once():
    echo = Echo()
    replies = echo.generate_many(["7", "1", "5", "2", "3", "1"])
    assert [len(reply.text) for reply in replies] == [7, 1, 5, 2, 3, 1]
    assert echo.most == 4 and replies[0].sent.request["at_once"] == 4
    echo.most = 0
    echo.generate_many(["2", "2", "2"], workers=1)
    assert echo.most == 1


def test_the_first_error_cancels_what_is_under_way():
    echo = Echo()
    start = time.perf_counter()
    with pytest.raises(GenerationTimeoutError):
        echo.generate_many(["9999", "9999", {"prompt": "50", "timeout": 0.05}])
    assert time.perf_counter() - start < 5 and echo.now == 0


def test_ollama_answers_the_same_together_and_alone(ollama_server):
    model = lab.load(f"ollama:mini-m@{ollama_server.url}")
    requests = [{"prompt": STORY.format(who), "seed": seed} for seed, who in enumerate(WHO[:6])]
    replies = model.generate_many(requests, max_tokens=8)
    assert [reply.text for reply in replies] == [model.chat(**request, max_tokens=8).text for request in requests]
    assert replies[0].sent.request["at_once"] == 6 and replies[0].usage.completion_tokens
