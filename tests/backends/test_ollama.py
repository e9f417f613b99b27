"""`OllamaModel`: what goes out on the wire and what is made of the answer. The suite for all engines is in test_conformance.py."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

import labkit as lab
from labkit import errors
from labkit.backends.ollama import OPTION_NAMES

from ..servers.misbehaving import SHOW, Misbehaving, response, sends

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 32


def lines(*objects: dict[str, Any]) -> bytes:
    return response("".join(json.dumps(item) + "\n" for item in objects), 200, "application/x-ndjson")


def done(**fields: Any) -> dict[str, Any]:
    return {"message": {"content": ""}, "done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3} | fields


def said(text: str, **fields: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text} | fields, "done": False}


def shown(**fields: Any) -> Any:
    return sends(response(json.dumps(SHOW | fields)))


@pytest.fixture
def fake(misbehaving_server: Misbehaving) -> Misbehaving:
    misbehaving_server.faults["/api/chat"] = sends(lines(said("Hello"), done()))
    return misbehaving_server


def blind() -> Any:
    """A model that does not see may have a small window."""
    return shown(capabilities=["completion"])


def load(server: Misbehaving, **options: Any) -> lab.Model:
    return lab.load(f"ollama:good@{server.url}", **options)


# -- what goes out --------------------------------------------------------------------------------------------------------------


def test_every_option_has_its_name_at_ollama_and_is_sent(fake):
    fake.faults["/api/show"] = blind()
    reply = load(fake, context_window=512, keep_alive="10m", threads=2, gpu_layers=0).chat("Hi", max_tokens=9, seed=4)
    body = fake.calls[-1].json
    assert body == reply.sent.request
    assert set(body["options"]) == {*OPTION_NAMES.values(), "typical_p", "stop", "num_ctx", "num_thread", "num_gpu"}
    assert (body["options"]["num_predict"], body["options"]["seed"], body["options"]["num_ctx"]) == (9, 4, 512)
    assert (body["truncate"], body["shift"], body["keep_alive"], body["stream"]) == (False, False, "10m", True)
    assert "think" not in body and "format" not in body and "tools" not in body


def test_no_limit_and_truncation_are_sent_by_name(fake):
    load(fake).chat("Hi", max_tokens=None, truncate=True)
    body = fake.calls[-1].json
    assert (body["options"]["num_predict"], body["truncate"], body["shift"]) == (-1, True, True)


def test_stop_texts_of_the_modelfile_are_kept(fake):
    parameters = 'stop    "<|im_end|>"\nstop    "\\n\\nUser:"\ntemperature    0.1\nnum_ctx    1024'
    fake.faults["/api/show"] = shown(capabilities=["completion"], parameters=parameters)
    model = load(fake)
    assert model.context_window == 1024
    model.chat("Hi", stop=("END", "<|im_end|>"))
    assert fake.calls[-1].json["options"]["stop"] == ["<|im_end|>", "\n\nUser:", "END"]
    model.chat("Hi", schema="json")
    assert fake.calls[-1].json["options"]["stop"] == [], "inside a JSON text they would break it off"


def test_text_without_template_is_sent_raw(fake):
    fake.faults["/api/generate"] = sends(lines({"response": "lo", "done": False}, {"response": "", "done": True, "eval_count": 1}))
    reply = load(fake).generate("Hel", stop="x")
    body = fake.calls[-1].json
    assert (body["prompt"], body["raw"], body["think"], body["options"]["stop"]) == ("Hel", True, False, ["x"])
    assert reply.text == "lo"


@pytest.mark.parametrize(("schema", "sent"), [("json", "json"), ({"type": "object"}, {"type": "object"})])
def test_schema_is_sent_as_format(fake, schema, sent):
    load(fake).chat("Hi", schema=schema)
    assert fake.calls[-1].json["format"] == sent


@pytest.mark.parametrize("think", [True, False, "high"])
def test_think_is_sent_as_it_is(fake, think):
    load(fake).chat("Hi", think=think)
    assert fake.calls[-1].json["think"] is think or fake.calls[-1].json["think"] == think


def test_images_go_out_as_base64_from_bytes_and_files(fake, tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    load(fake).chat([lab.Message("user", "What is this?", images=(PNG, tmp_path / "a.png"))])
    assert fake.calls[-1].json["messages"][0]["images"] == [base64.b64encode(PNG).decode()] * 2
    with pytest.raises(errors.OptionError, match=r"gone\.png"):
        load(fake).chat([lab.Message("user", "?", images=(tmp_path / "gone.png",))])


def test_tools_go_out_and_calls_come_back(fake):
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
    call = {"id": "call_1", "function": {"name": "add", "arguments": {"a": 1}}}
    fake.faults["/api/chat"] = sends(lines(said("", tool_calls=[call]), done()))
    reply = load(fake).chat("1 + 1?", tools=[tool])
    assert fake.calls[-1].json["tools"] == [tool]
    assert reply.finish_reason == "tool_calls"
    assert reply.tool_calls == ({"id": "call_1", "name": "add", "arguments": {"a": 1}},)
    answer = lab.Message("tool", "2", tool_call_id="call_1")
    load(fake).chat([lab.Message("user", "1 + 1?"), lab.Message("assistant", "", tool_calls=reply.tool_calls), answer])
    sent = fake.calls[-1].json["messages"]
    assert sent[1]["tool_calls"] == [call]
    assert sent[2] == {"role": "tool", "content": "2", "tool_call_id": "call_1", "tool_name": "add"}


@pytest.mark.parametrize(
    ("lacks", "asks"),
    [("vision", lab.Message("user", "?", images=(PNG,))), ("tools", "Hi"), ("completion", "Hi")],
)
def test_what_the_model_cannot_do_is_refused_before_it_is_sent(fake, lacks, asks):
    fake.faults["/api/show"] = shown(capabilities=[c for c in SHOW["capabilities"] if c != lacks])
    model = load(fake)
    with pytest.raises(errors.CapabilityError, match="good"):
        model.chat(asks, tools=[{"type": "function", "function": {"name": "weather"}}] if lacks == "tools" else [])
    assert not any(call.path == "/api/chat" for call in fake.calls)


# -- what comes back ------------------------------------------------------------------------------------------------------------


def test_thinking_is_kept_apart(fake):
    fake.faults["/api/chat"] = sends(lines(said("", thinking="Hm, "), said("", thinking="well."), said("Yes."), done()))
    stream = load(fake).stream("?")
    pieces = [(piece.thinking, piece.text) for piece in stream]
    assert pieces == [("Hm, ", ""), ("well.", ""), ("", "Yes.")]
    assert (stream.reply.text, stream.reply.thinking) == ("Yes.", "Hm, well.")


def test_nanoseconds_become_seconds_and_the_prompt_is_no_part_of_the_speed(fake):
    times = {"load_duration": 5 * 10**8, "prompt_eval_duration": 25 * 10**7, "eval_duration": 2 * 10**9, "eval_count": 5}
    fake.faults["/api/chat"] = sends(lines(said("Hello"), done(**times, prompt_eval_cached_count=4)))
    reply = load(fake).chat("Hi")
    timing = reply.timing
    assert (timing.load_duration, timing.prompt_duration, timing.generation_duration) == (0.5, 0.25, 2.0)
    assert timing.tokens_per_second == (5 - 1) / 2.0
    assert reply.usage.cached_tokens == 4


def test_keys_that_are_absent_are_unknown_and_never_a_division_by_zero(fake):
    fake.faults["/api/chat"] = sends(lines({"message": {"content": "x"}, "done": True}))
    reply = load(fake).chat("Hi")
    assert (reply.text, reply.finish_reason, reply.usage.prompt_tokens, reply.usage.completion_tokens) == ("x", "stop", None, 0)
    assert reply.timing.load_duration is None and reply.timing.tokens_per_second is None


@pytest.mark.parametrize(("theirs", "ours"), [("stop", "stop"), ("length", "length"), ("", "stop"), ("load", "stop")])
def test_done_reason_becomes_finish_reason(fake, theirs, ours):
    fake.faults["/api/chat"] = sends(lines(done(done_reason=theirs)))
    assert load(fake).chat("Hi").finish_reason == ours


@pytest.mark.parametrize("last", [{"done": False}, {"error": "prediction aborted, token repeat limit reached"}], ids=["old", "new"])
def test_repeat_guard_is_an_error_with_the_text(fake, last):
    fake.faults["/api/chat"] = sends(lines(said("ha "), said("ha "), said("ha"), last))
    with pytest.raises(errors.UnexpectedResponseError, match="repeats") as caught:
        load(fake).chat("Laugh")
    assert caught.value.partial == "ha ha ha"


def test_prompt_as_long_as_the_window_was_cut_by_an_old_server(fake):
    fake.faults["/api/show"] = blind()
    fake.faults["/api/chat"] = sends(lines(said("x"), done(prompt_eval_count=512)))
    with pytest.raises(errors.ContextWindowExceededError) as caught:
        load(fake, context_window=512).chat("Hi")
    assert (caught.value.prompt_tokens, caught.value.context_window) == (512, 512)
    assert load(fake, context_window=512).chat("Hi", truncate=True).text == "x"


@pytest.mark.parametrize(
    ("said_by", "tokens"),
    [
        ("the input length exceeds the context length", None),
        ("request (968 tokens) exceeds the available context size (512 tokens), try increasing it", 968),
    ],
)
def test_numbers_are_taken_from_the_message_where_it_has_them(fake, said_by, tokens):
    fake.faults["/api/show"] = blind()
    fake.faults["/api/chat"] = sends(response(json.dumps({"error": said_by}), 400))
    with pytest.raises(errors.ContextWindowExceededError, match="context_window=4096") as caught:
        load(fake, context_window=512).chat("Hi")
    assert (caught.value.prompt_tokens, caught.value.context_window) == (tokens, 512)


# -- versions -------------------------------------------------------------------------------------------------------------------


def test_server_with_known_holes_is_noted(fake):
    fake.version = "0.17.0"
    assert "0.17.1" in load(fake).info().note
    fake.version = "0.17.1"
    assert load(fake).info().note == ""
    fake.version = "0.0.0"
    assert load(fake).info().note == "", "built from source"


def test_server_that_cuts_silently_is_said_to(fake):
    fake.version = "0.9.6"
    assert "cuts" in load(fake).chat("Hi").sent.ignored["truncate"]
    fake.version = "0.24.0"
    assert load(fake).chat("Hi").sent.ignored == {}


def test_penalties_that_the_second_runner_ignores_are_listed(fake):
    fake.faults["/api/show"] = shown(model_info={"general.architecture": "qwen3", "qwen3.context_length": 4096})
    assert {"repeat_penalty", "presence_penalty"} <= set(load(fake).chat("Hi").sent.ignored)
    fake.version = "0.31.0"
    assert load(fake).chat("Hi").sent.ignored == {}


def test_model_that_runs_elsewhere_is_noted(fake):
    fake.faults["/api/show"] = shown(remote_host="https://ollama.com:443")
    info = load(fake).info()
    assert "leaves this machine" in info.note and info.memory is None


# -- the real one ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mini-m", "mini-m:latest", "MINI-M", "registry.ollama.ai/library/mini-m:latest", "library/mini-m"])
def test_every_spelling_of_a_name_loads(ollama_server, name):
    model = lab.load(f"ollama:{name}@{ollama_server.url}")
    assert model.chat("Hi", max_tokens=2).finish_reason in ("stop", "length")
    info = model.info()
    assert info.size > 1_000_000 and info.quantization == "F16" and info.kind == "chat" and info.parameters > 1_000_000
    assert info.memory > info.size and info.fits


def test_context_window_is_the_one_that_is_allocated(ollama_server):
    for window in (256, 512):
        model = lab.load(f"ollama:mini-m@{ollama_server.url}", context_window=window)
        model.chat("Hi", max_tokens=1)
        assert model.server.allocated("mini-m") == window == model.context_window


def test_host_comes_from_the_environment(ollama_server, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url)
    assert lab.load("ollama:mini-m").name == "ollama:mini-m"
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url.replace("127.0.0.1", "0.0.0.0"))
    assert lab.load("ollama:mini-m").server.url == ollama_server.url, "an address to listen on is not one to connect to"


def test_thinking_and_tools_of_a_plain_model_are_refused(ollama_server):
    model = lab.load(f"ollama:mini-m@{ollama_server.url}")
    with pytest.raises(errors.CapabilityError, match="think"):
        model.chat("Hi", think=True)
    with pytest.raises(errors.CapabilityError, match="tools"):
        model.chat("Hi", tools=[{"type": "function", "function": {"name": "f"}}])
    assert model.chat("Hi", think=False, max_tokens=2).usage.prompt_tokens


def test_embedding_model_does_not_chat(ollama_server):
    with pytest.raises(errors.CapabilityError, match="chat"):
        lab.load(f"ollama:mini-bert@{ollama_server.url}").chat("Hi")


@pytest.mark.parametrize("window", [0, 3, 2.5, True, "512"])
def test_window_that_makes_no_sense_is_refused(ollama_server, window):
    with pytest.raises(errors.OptionError, match="context_window"):
        lab.load(f"ollama:mini-m@{ollama_server.url}", context_window=window)


def test_window_of_a_model_that_sees_is_at_least_what_ollama_takes(fake):
    with pytest.raises(errors.OptionError, match="2048"):
        fake.faults["/api/show"] = shown(capabilities=["completion", "vision"])
        load(fake, context_window=1024)
