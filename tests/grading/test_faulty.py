"""The server that fails as a script says, met by labkit's own client."""

from __future__ import annotations

import pytest

import labkit as lab
from labkit import errors
from labkit.grading.faulty import FaultyServer


def test_faulty_server_answers_with_the_scripted_pieces_and_counts():
    with FaultyServer([{"say": ["Hel", "lo"], "prompt_tokens": 17, "completion_tokens": 5}]) as server:
        model = lab.load(server.name())
        stream = model.stream("hi", max_tokens=9)
        assert [chunk.text for chunk in stream] == ["Hel", "lo"]
        assert stream.reply is not None and (stream.reply.usage.prompt_tokens, stream.reply.usage.completion_tokens) == (17, 5)
        (call,) = server.settle()
    assert (call["prompt"], call["options"]["num_predict"], call["ended"], call["sent"]) == ("hi", 9, "whole", 2)
    assert call["began"] <= call["first"] <= call["last"]


@pytest.mark.parametrize(
    ("step", "kind", "ended"),
    [
        ({"break_after": ["Half"]}, errors.UnexpectedResponseError, "broken"),
        ({"stall_after": ["Half"]}, errors.GenerationTimeoutError, "hung up"),
        ({"refuse": 503}, errors.BackendError, "refused"),
        ({"refuse": 404, "error": "model 'good' not found"}, errors.ModelNotFoundError, "refused"),
    ],
)
def test_faulty_server_fails_as_it_is_told(step, kind, ended):
    with FaultyServer([step]) as server:
        with pytest.raises(kind) as failure:
            lab.load(server.name()).chat("hi", timeout=3)
        assert getattr(failure.value, "partial", "") in ("", "Half")
        assert [call["ended"] for call in server.settle()] == [ended]


def test_faulty_server_takes_one_step_after_the_other_and_keeps_the_last():
    with FaultyServer([{"refuse": 500}, {"say": ["Yes."]}]) as server:
        model = lab.load(server.name())
        with pytest.raises(errors.BackendError):
            model.chat("hi")
        assert [model.chat("hi").text for _ in range(2)] == ["Yes.", "Yes."]


def test_faulty_server_answers_by_the_request():
    with FaultyServer(lambda body: {"say": [f"seed {body['options']['seed']}"]}) as server:
        assert lab.load(server.name()).chat("hi", seed=7).text == "seed 7"


def test_faulty_server_notices_who_hangs_up():
    with FaultyServer([{"drip": "la "}]) as server:
        with lab.load(server.name()).stream("sing") as stream:
            assert next(stream).text == "la "
        assert stream.reply is not None and stream.reply.finish_reason == "cancelled"
        assert [call["ended"] for call in server.settle()] == ["hung up"]


def test_faulty_server_has_only_its_models():
    with FaultyServer([{"say": ["Yes."]}], models=["one"]) as server:
        assert lab.load(server.name("one")).chat("hi").text == "Yes."
        with pytest.raises(errors.ModelNotFoundError, match="one:latest"):
            lab.load(server.name("two"))
