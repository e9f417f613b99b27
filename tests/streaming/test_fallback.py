"""When a server fails the next model answers, and the reply says so: real servers, real faults."""

from __future__ import annotations

import json

import pytest

import labkit as lab
from labkit.errors import (
    BackendError,
    CapabilityError,
    ContextWindowExceededError,
    OptionError,
    ServerNotRunningError,
    UnexpectedResponseError,
)
from labkit.streaming import Fallback

from ..backends.test_faults import PROTOCOLS
from ..servers.misbehaving import chunk, head, resets, response, stalls
from ..servers.programs import free_port, serve_ollama

ASK = {"temperature": 0, "max_tokens": 6}
NOBODY = "ollama:mini-m@http://127.0.0.1:9"
OPENAI = PROTOCOLS["openai"]
START = head(OPENAI.kind) + chunk(OPENAI.text("Once"))


@pytest.fixture
def healthy(misbehaving_server):
    """A server that answers well until a fault is put in."""
    misbehaving_server.faults[OPENAI.path] = resets(head(OPENAI.kind) + chunk(OPENAI.whole("Good.")) + chunk(""))
    return misbehaving_server


def test_a_server_that_is_not_there_is_replaced_and_named(model):
    reply = Fallback(NOBODY, model).chat("Hi", **ASK)
    assert reply.model == "mini-m" and reply.text == model.chat("Hi", **ASK).text
    assert list(reply.sent.request["failed"]) == [NOBODY] and "ServerNotRunningError" in reply.sent.request["failed"][NOBODY]
    assert f"instead of {NOBODY}" in reply._repr_html_() and reply.row()["model"] == "mini-m"


def test_the_preferred_model_answers_where_it_can(healthy):
    first = OPENAI.load(healthy.url)
    reply = Fallback(first, "mini-m").chat("Hi", **ASK)
    assert reply.text == "Good." and reply.model == first.name and "failed" not in reply.sent.request


FAULTS = {
    "error 500": lambda connection, over: connection.sendall(response(json.dumps({"error": "out of order"}), 500)),
    "queue full": lambda connection, over: connection.sendall(response(json.dumps({"error": "busy"}), 503)),
    "web page": lambda connection, over: connection.sendall(response("<html>", 200, "text/html")),
    "reset before the first text": resets(head(OPENAI.kind)),
    "error in the stream": resets(head(OPENAI.kind) + chunk('data: {"error": {"message": "crashed"}}\n\n')),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_fails_before_the_first_text_is_replaced(model, healthy, fault):
    first = OPENAI.load(healthy.url)
    healthy.faults[OPENAI.path] = FAULTS[fault]
    stream = Fallback(first, model).stream("Hi", **ASK)
    text = "".join(chunk.text for chunk in stream)
    assert text == model.chat("Hi", **ASK).text == stream.reply.text
    assert stream.reply.model == "mini-m" and list(stream.reply.sent.request["failed"]) == [first.name]


def test_a_server_that_says_nothing_is_replaced_in_time(model, healthy):
    first = OPENAI.load(healthy.url)
    healthy.faults[OPENAI.path] = stalls(head(OPENAI.kind))
    reply = Fallback(first, model, patience=0.3).chat("Hi", **ASK)
    assert reply.model == "mini-m" and "0.3 s" in reply.sent.request["failed"][first.name]
    reply = Fallback(first, model).chat("Hi", timeout=8, **ASK)
    assert reply.model == "mini-m" and "GenerationTimeoutError" in reply.sent.request["failed"][first.name]


def test_what_breaks_off_in_mid_text_is_never_continued_by_another(model, healthy):
    first = OPENAI.load(healthy.url)
    healthy.faults[OPENAI.path] = resets(START)
    stream = Fallback(first, model).stream("Hi", **ASK)
    with pytest.raises(UnexpectedResponseError) as raised:
        stream.finish()
    assert raised.value.partial == stream.reply.text == "Once"


def test_chat_begins_anew_where_nobody_has_seen_the_text(model, healthy):
    first = OPENAI.load(healthy.url)
    healthy.faults[OPENAI.path] = resets(START)
    reply = Fallback(first, model).chat("Hi", **ASK)
    assert reply.text == model.chat("Hi", **ASK).text and reply.model == "mini-m" and first.name in reply.sent.request["failed"]


def test_a_failed_server_is_left_alone_for_a_while_and_then_asked_again(model, healthy):
    first = OPENAI.load(healthy.url)
    good, healthy.faults[OPENAI.path] = healthy.faults[OPENAI.path], FAULTS["error 500"]
    for pause, then in ((60.0, "mini-m"), (0.0, first.name)):
        healthy.faults[OPENAI.path] = FAULTS["error 500"]
        fallback = Fallback(first, model, pause=pause)
        fallback.chat("Hi", **ASK)
        healthy.faults[OPENAI.path] = good
        calls = len(healthy.calls)
        reply = fallback.chat("Hi", **ASK)
        assert reply.model == then and (len(healthy.calls) > calls) == (not pause)
        assert not pause or "not asked" in reply.sent.request["failed"][first.name]


def test_where_all_fail_the_error_names_each():
    other = f"ollama:x@http://127.0.0.1:{free_port()}"
    for _ in range(2):  # when all are waiting, all are asked again
        with pytest.raises(BackendError, match="None of the 2 models") as raised:
            Fallback(NOBODY, other).chat("Hi")
        assert NOBODY in str(raised.value) and other in str(raised.value)


def test_a_fault_of_the_request_is_raised_as_it_is(model):
    fallback = Fallback(model, "mini-m")
    with pytest.raises(ContextWindowExceededError):
        fallback.chat("word " * 5000)
    with pytest.raises(OptionError):
        fallback.chat("Hi", temprature=1)
    with pytest.raises(CapabilityError, match="two models"):
        fallback.embed("Hi")
    assert fallback.chat("Hi", **ASK).model == "mini-m"
    for wrong in ((), (3,)):
        with pytest.raises(OptionError):
            Fallback(*wrong)
    with pytest.raises(OptionError):
        Fallback(model, patience=0)


def test_it_asks_the_first_that_can_be_had(model):
    fallback = Fallback(NOBODY, model)
    assert fallback.count_tokens("Hi") == model.count_tokens("Hi") and fallback.render("Hi") == model.render("Hi")
    assert fallback.info().name == "mini-m"
    with pytest.raises(ServerNotRunningError):
        Fallback(NOBODY).count_tokens("Hi")


def test_cancel_and_many_work_through_it(model):
    fallback = Fallback(NOBODY, model)
    stream = fallback.stream("Tell a story about a fox.", seed=1, max_tokens=200)
    first = next(stream)
    stream.cancel()
    assert stream.finish().finish_reason == "cancelled" and stream.reply.text == first.text and stream.reply.model == "mini-m"
    replies = fallback.generate_many([{"prompt": "Hi", "seed": seed} for seed in range(3)], max_tokens=4)
    assert {reply.model for reply in replies} == {"mini-m"}


def test_a_real_ollama_that_stops_is_replaced_by_the_model_here(model, ollama_program, tmp_path):
    from labkit.zoo import catalog

    with serve_ollama(ollama_program, tmp_path) as (url, process):
        lab.OllamaServer(url).create("mini-m", catalog.path("mini-m"), parameters={"num_thread": 1})
        fallback = Fallback(f"ollama:mini-m@{url}", model)
        there = fallback.chat("Hi", **ASK)
        process.terminate()
        process.wait(10)
        here = fallback.chat("Hi", **ASK)
    assert there.model.startswith("ollama:") and here.model == "mini-m" and here.text == there.text
