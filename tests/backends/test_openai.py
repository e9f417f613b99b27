"""`OpenAIModel`: what goes out on the wire, what is made of the answer, and how servers differ. The suite is in test_conformance.py."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import labkit as lab
from labkit import errors
from labkit.backends.openai import base_url, served_models
from labkit.backends.wire import is_too_long, numbers

from ..servers.misbehaving import Misbehaving, response, sends

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 32
CHAT = "/v1/chat/completions"


def events(*objects: Any) -> bytes:
    text = "".join(f"data: {item if isinstance(item, str) else json.dumps(item)}\n\n" for item in objects)
    return response(text, 200, "text/event-stream")


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}}
WHOLE = events(delta(role="assistant"), delta(content="Hello"), delta(finish="stop"), USAGE, "[DONE]")


def models(*listed: dict[str, Any]) -> Any:
    return sends(response(json.dumps({"object": "list", "data": listed})))


@pytest.fixture
def fake(misbehaving_server: Misbehaving) -> Misbehaving:
    """A server of which nothing is known but the protocol."""
    misbehaving_server.faults["/api/version"] = sends(response(json.dumps({"error": "not found"}), 404))
    misbehaving_server.faults["/v1/models"] = models({"id": "good", "owned_by": "somebody"})
    misbehaving_server.faults[CHAT] = sends(WHOLE)
    return misbehaving_server


def load(server: Misbehaving, name: str = "good", **options: Any) -> lab.Model:
    return lab.load(f"openai:{name}@{server.url}/v1", **options)


# -- where ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "used"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("127.0.0.1:8000/", "http://127.0.0.1:8000/v1"),
        ("https://lab.school/api/v1/", "https://lab.school/api/v1"),
        ("http://[::1]:1234/v1", "http://[::1]:1234/v1"),
    ],
)
def test_address_is_read_as_people_type_it(typed, used):
    assert base_url(typed) == used


@pytest.mark.parametrize("typed", ["", "ftp://127.0.0.1", "http://", "http://[bad", "http://127.0.0.1:abc/v1"])
def test_address_that_is_none_is_refused(typed):
    with pytest.raises(errors.OptionError, match="http://"):
        lab.load(f"openai:x@{typed}")


@pytest.mark.parametrize("where", ["http://user:geheim@127.0.0.1:9/v1", "https://user:geheim@[bad"])
def test_address_with_a_password_is_refused_without_showing_it(where):
    with pytest.raises(errors.OptionError) as caught:
        lab.load(f"openai:x@{where}")
    assert "api_key" in caught.value.fix and "geheim" not in str(caught.value)


def test_name_with_an_at_sign_is_kept(fake):
    fake.faults["/v1/models"] = models({"id": "team@good"})
    assert load(fake, "team@good").name == f"openai:team@good@{fake.url}/v1"
    assert lab.load(f"openai:team@good@{fake.url.removeprefix('http://')}").name == f"openai:team@good@{fake.url}/v1"


def test_key_is_sent_without_the_line_break_copied_with_it(fake):
    load(fake, api_key=" sk-geheim\n").chat("Hi")
    assert fake.calls[-1].headers["authorization"] == "Bearer sk-geheim"


@pytest.mark.parametrize("key", ["sk-geheim\r\nX: y", "sk-geheimé", "sk-geheim\x07"])
def test_key_that_cannot_be_sent_is_not_shown(fake, key):
    with pytest.raises(errors.OptionError, match="LABKIT_API_KEY") as caught:
        load(fake, api_key=key)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("status", [200, 302, 401, 404, 429])
def test_key_in_what_a_server_says_is_not_shown(fake, status):
    model = load(fake, api_key="sk-geheim")
    said = json.dumps({"error": {"message": "Incorrect API key provided: sk-geheim"}})
    fake.faults[CHAT] = sends(response(said, status, Location="http://127.0.0.1/?key=sk-geheim"))
    with pytest.raises(errors.BackendError) as caught:
        model.chat("Hi")
    assert "geheim" not in str(caught.value) + repr(vars(caught.value))


@pytest.mark.parametrize(("status", "cause"), [(429, "quota"), (503, "queue")])
def test_a_server_that_takes_no_more_says_why(fake, status, cause):
    fake.faults[CHAT] = sends(response(json.dumps({"error": "no"}), status))
    with pytest.raises(errors.BackendError) as caught:
        load(fake).chat("Hi")
    assert cause in caught.value.cause


@pytest.mark.parametrize("unsendable", [{"enum": {1}}, {"const": float("nan")}, {"const": "\ud800"}], ids=repr)
def test_what_is_no_json_is_refused(fake, unsendable):
    with pytest.raises(errors.OptionError, match="JSON"):
        load(fake).chat("Hi", schema=unsendable)


@pytest.mark.parametrize(("owner", "says"), [("somebody", "not known"), ("vllm", "cuts nothing")])
def test_what_truncate_does_is_said_as_far_as_it_is_known(fake, owner, says):
    fake.faults["/v1/models"] = models({"id": "good", "owned_by": owner})
    assert says in load(fake).chat("Hi", truncate=True).sent.ignored["truncate"]


def test_server_that_does_not_stream_is_told_apart(fake):
    fake.faults[CHAT] = sends(response(json.dumps({"choices": []})))
    with pytest.raises(errors.UnexpectedResponseError, match="'application/json' instead of a stream of events"):
        load(fake).chat("Hi")


def test_without_a_name_the_only_model_is_taken(fake):
    assert load(fake, "").name == f"openai:good@{fake.url}/v1"
    fake.faults["/v1/models"] = models({"id": "a"}, {"id": "b"})
    with pytest.raises(errors.OptionError, match="a, b"):
        load(fake, "")
    with pytest.raises(errors.ModelNotFoundError, match="a, b"):
        load(fake, "good")
    assert served_models(f"{fake.url}/v1") == ["a", "b"]


def test_server_without_a_list_is_asked_when_it_counts(fake):
    fake.faults["/v1/models"] = sends(response(json.dumps({"error": "no"}), 404))
    assert load(fake).chat("Hi").text == "Hello"


# -- the key --------------------------------------------------------------------------------------------------------------------


def test_key_comes_from_the_argument_or_labkits_own_variable(fake, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "of-another-address")
    load(fake).chat("Hi")
    assert not any("authorization" in call.headers for call in fake.calls)
    monkeypatch.setenv("LABKIT_API_KEY", "sk-env")
    load(fake).chat("Hi")
    assert fake.calls[-1].headers["authorization"] == "Bearer sk-env"
    load(fake, api_key="sk-own").chat("Hi")
    assert fake.calls[-1].headers["authorization"] == "Bearer sk-own"


def test_key_is_not_shown(fake):
    model = load(fake, api_key="sk-geheim")
    shown = repr(model) + repr(model.http) + repr(model.chat("Hi")) + model.last_reply.sent._repr_html_() + repr(model.info())
    assert "geheim" not in shown


# -- what goes out --------------------------------------------------------------------------------------------------------------


def test_every_option_of_the_protocol_is_sent_and_the_rest_listed(fake):
    reply = load(fake).chat("Hi", seed=4, max_tokens=9, stop="X")
    body = fake.calls[-1].json
    assert body == reply.sent.request
    assert set(body) == {
        "model", "messages", "stream", "stream_options", "temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "stop",
        "max_tokens",
    }  # fmt: skip
    assert body["stream_options"] == {"include_usage": True}
    assert set(reply.sent.ignored) == {"top_k", "min_p", "repeat_penalty", "repeat_last_n"}


def test_extensions_go_to_servers_that_take_them(fake):
    fake.faults["/v1/models"] = models({"id": "good", "owned_by": "vllm", "max_model_len": 2048})
    model = load(fake)
    assert (model.engine, model.context_window) == ("vLLM", 2048)
    sent = model.chat("Hi", top_k=3, min_p=0.1, repeat_penalty=1.2, think=False).sent
    assert (sent.request["top_k"], sent.request["min_p"], sent.request["repetition_penalty"]) == (3, 0.1, 1.2)
    assert sent.request["chat_template_kwargs"] == {"enable_thinking": False}
    assert set(sent.ignored) == {"repeat_last_n"}


def test_llama_server_is_recognized(fake):
    fake.faults["/v1/models"] = models({"id": "good", "owned_by": "llamacpp"})
    fake.faults["/props"] = sends(response(json.dumps({"default_generation_settings": {"n_ctx": 512}})))
    fake.faults["/tokenize"] = sends(response(json.dumps({"tokens": [1, 2, 3]})))
    fake.faults["/apply-template"] = sends(response(json.dumps({"prompt": "<|user|>Hi"})))
    model = load(fake)
    assert (model.engine, model.context_window) == ("llama.cpp server", 512)
    assert (model.count_tokens("Hi"), model.render("Hi")) == (3, "<|user|>Hi")
    sent = model.chat("Hi", repeat_last_n=5).sent
    assert sent.request["repeat_last_n"] == 5 and sent.ignored == {}


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        ("json", {"type": "json_object"}),
        ({"type": "object"}, {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True}}),
    ],
)
def test_schema_is_sent_as_response_format(fake, schema, sent):
    load(fake).chat("Hi", schema=schema)
    assert fake.calls[-1].json["response_format"] == sent


@pytest.mark.parametrize(("think", "effort"), [(True, "medium"), (False, "none"), ("low", "low")])
def test_think_is_sent_as_effort(fake, think, effort):
    load(fake).chat("Hi", think=think)
    assert fake.calls[-1].json["reasoning_effort"] == effort


def test_limit_is_sent_again_under_its_other_name(fake):
    refusal = {"error": {"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}}
    answers = iter([response(json.dumps(refusal), 400), WHOLE])
    fake.faults[CHAT] = lambda connection, over: connection.sendall(next(answers))
    reply = load(fake).chat("Hi", max_tokens=9)
    assert reply.sent.request["max_completion_tokens"] == 9 and "max_tokens" not in reply.sent.request
    assert fake.calls[-1].json == reply.sent.request


def test_image_goes_out_as_data(fake):
    load(fake).chat([lab.Message("user", "What?", images=(PNG,))])
    text, image = fake.calls[-1].json["messages"][0]["content"]
    assert text == {"type": "text", "text": "What?"}
    assert image["image_url"]["url"].startswith("data:image/png;base64,iVBOR")


def test_text_without_template_says_what_no_limit_means(fake):
    fake.faults["/v1/completions"] = sends(events({"choices": [{"text": "lo", "finish_reason": "length"}]}, "[DONE]"))
    reply = load(fake).generate("Hel", max_tokens=None)
    assert (reply.text, reply.finish_reason, reply.usage.prompt_tokens) == ("lo", "length", None)
    assert fake.calls[-1].json["prompt"] == "Hel" and "16 tokens" in reply.sent.ignored["max_tokens"]


# -- what comes back ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["reasoning", "reasoning_content"])
def test_thinking_is_kept_apart(fake, key):
    fake.faults[CHAT] = sends(events(delta(**{key: "Hm."}), delta(content="Yes."), delta(finish="stop"), USAGE, "[DONE]"))
    reply = load(fake).chat("?")
    assert (reply.thinking, reply.text) == ("Hm.", "Yes.")
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.cached_tokens) == (7, 3, 2)


def call(index: int, **fields: Any) -> dict[str, Any]:
    name = {"name": fields.pop("name")} if "name" in fields else {}
    return {"index": index, **fields, "function": {**name, "arguments": fields.pop("arguments", "")}}


def test_tool_calls_are_put_together_from_their_pieces(fake):
    fake.faults[CHAT] = sends(
        events(
            delta(tool_calls=[call(0, id="a", name="add")]),
            delta(tool_calls=[call(0, arguments='{"x": ')]),
            delta(tool_calls=[call(0, arguments="1}"), call(1, id="b", name="broken", arguments="{")]),
            delta(finish="tool_calls"),
            "[DONE]",
        )
    )
    reply = load(fake).chat("1 + 1?", tools=[{"type": "function", "function": {"name": "add"}}])
    assert reply.finish_reason == "tool_calls"
    assert reply.tool_calls == ({"id": "a", "name": "add", "arguments": {"x": 1}}, {"id": "b", "name": "broken", "arguments": "{"})
    answer = lab.Message("tool", "2", tool_call_id="a")
    load(fake).chat([lab.Message("user", "1 + 1?"), lab.Message("assistant", "", tool_calls=reply.tool_calls[:1]), answer])
    sent = fake.calls[-1].json["messages"]
    assert sent[1]["tool_calls"] == [{"id": "a", "type": "function", "function": {"name": "add", "arguments": '{"x": 1}'}}]
    assert sent[2] == {"role": "tool", "content": "2", "tool_call_id": "a"}


@pytest.mark.parametrize(("theirs", "ours"), [("stop", "stop"), ("length", "length"), ("eos", "stop"), ("content_filter", "stop")])
def test_finish_reason_is_in_labkits_words(fake, theirs, ours):
    fake.faults[CHAT] = sends(events(delta(content="x"), delta(finish=theirs), "[DONE]"))
    assert load(fake).chat("Hi").finish_reason == ours


@pytest.mark.parametrize("end", [["[DONE]"], []], ids=["done", "closed"])
def test_answer_without_finish_reason_is_not_whole(fake, end):
    fake.faults[CHAT] = sends(events(delta(content="Hel"), *end))
    with pytest.raises(errors.UnexpectedResponseError, match="finish_reason") as caught:
        load(fake).chat("Hi")
    assert caught.value.partial == "Hel"


def test_vectors_are_in_order_and_have_length_one(fake):
    data = [{"index": 1, "embedding": [0, 3]}, {"index": 0, "embedding": [4, 0]}]
    fake.faults["/v1/embeddings"] = sends(response(json.dumps({"data": data, "usage": {"prompt_tokens": 4}})))
    vectors = load(fake).embed(["a", "b"])
    assert np.array_equal(vectors, np.array([[1, 0], [0, 1]], dtype=np.float32))


@pytest.mark.parametrize("bad", [[[1, 2], [1]], [["x", 1], [1, 2]], [None, None], [[], []], [[float("nan"), 1], [1, 2]]], ids=str)
def test_vectors_that_are_none_are_refused(fake, bad):
    data = [{"index": place, "embedding": vector} for place, vector in enumerate(bad)]
    fake.faults["/v1/embeddings"] = sends(response(json.dumps({"data": data})))
    with pytest.raises(errors.UnexpectedResponseError, match="vectors"):
        load(fake).embed(["a", "b"])


@pytest.mark.parametrize(
    ("said", "prompt", "window"),
    [
        ("the input length exceeds the context length", None, None),
        ("This model's maximum context length is 512 tokens. However, you requested 900 tokens (884 in the messages, 16 in the", 884, 512),
        ("request (968 tokens) exceeds the available context size (128 tokens), try increasing it", 968, 128),
        ("Requested tokens (1230) exceed context window of 512", 1230, 512),
        ("This model's maximum context length is 4096 tokens. However, your messages resulted in 5000 tokens.", 5000, 4096),
        ("keep the first 5000 tokens when context overflows. However, the model is loaded with context length of only 4096", None, 4096),
    ],
)
def test_servers_say_in_their_ways_that_a_prompt_is_too_long(said, prompt, window):
    assert is_too_long(said)
    assert numbers(said) == (prompt, window)


@pytest.mark.parametrize("said", ["model 'x' not found", "out of memory", "context canceled", "the length must be positive"])
def test_other_messages_are_not_taken_for_it(said):
    assert not is_too_long(said)


# -- Ollama's /v1 ---------------------------------------------------------------------------------------------------------------


def test_v1_never_cuts_while_it_answers(ollama_server):
    """It would drop the middle of the conversation to go on: the limit is set so that it ends at the window."""
    model = lab.load(f"openai:mini-m@{ollama_server.url}/v1")
    few, more = (model.count_tokens([{"role": "user", "content": "one two three " * times}]) for times in (100, 200))
    prompt = "one two three " * int(100 + 100 * (model.context_window - 5 - few) / (more - few))
    room = model.context_window - model.count_tokens([{"role": "user", "content": prompt}])
    assert 0 < room < 30  # Ollama gives up after one token thirty times: it cannot come to that here
    reply = model.chat(prompt, max_tokens=10**6, temperature=2.0, seed=1)
    assert reply.sent.request["max_tokens"] == room
    assert reply.usage.total_tokens <= model.context_window


@pytest.mark.parametrize("last", ["[DONE]", {"error": {"message": "prediction aborted, token repeat limit reached"}}], ids=["old", "new"])
def test_v1_says_that_ollama_gave_up(misbehaving_server, last):
    misbehaving_server.faults["/v1/models"] = models({"id": "good:latest", "owned_by": "library"})
    for path in ("/api/embed", "/api/chat"):  # by which a model is loaded and a prompt counted
        misbehaving_server.faults[path] = sends(response(json.dumps({"done": True})))
    misbehaving_server.faults[CHAT] = sends(events(delta(content="ha "), delta(content="ha"), last))
    with pytest.raises(errors.UnexpectedResponseError, match=r"repeats.*seed") as caught:
        load(misbehaving_server, "good:latest").chat("Laugh")
    assert caught.value.partial == "ha ha"


def test_v1_does_not_count_a_cut_prompt(ollama_server):
    model = lab.load(f"openai:mini-m@{ollama_server.url}/v1")
    for prompt in ("one two three " * 900, [{"role": "user", "content": "one two three " * 900}]):
        with pytest.raises(errors.ContextWindowExceededError):
            model.count_tokens(prompt)


def test_v1_window_is_asked_of_ollama_itself(ollama_server):
    native = lab.load(f"ollama:mini-m@{ollama_server.url}", context_window=256)
    native.chat("Hi", max_tokens=1)
    model = lab.load(f"openai:mini-m@{ollama_server.url}/v1")
    model.chat("Hi", max_tokens=1)
    assert model.context_window == native.server.allocated("mini-m") != 256


def test_the_openai_package_gets_the_same_text(ollama_server):
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{ollama_server.url}/v1", api_key="unused") as client:
        answer = client.chat.completions.create(
            model="mini-m", messages=[{"role": "user", "content": "Hello"}], temperature=0, top_p=0.9, max_tokens=20, seed=1
        )
    ours = lab.load(f"openai:mini-m@{ollama_server.url}/v1").chat("Hello", temperature=0, max_tokens=20, seed=1)
    assert answer.choices[0].message.content == ours.text
    assert answer.usage.prompt_tokens == ours.usage.prompt_tokens
