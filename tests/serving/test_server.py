"""`labkit serve` against the clients of others (OpenAI's and Ollama's own), raw bytes, and whoever means it no good."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import ollama
import openai
import pytest

import labkit as lab
from labkit.errors import BackendError, OptionError, ServerNotRunningError
from labkit.serving import serve

from ..servers.programs import wait_for

STORY = "Tell a story about a fox."
LETTERS = "ñandú 🦊 日本"
ASK = {"messages": [{"role": "user", "content": STORY}], "seed": 1, "max_tokens": 12}


@pytest.fixture(scope="module")
def model():
    with lab.load("mini-m") as model:
        yield model


@pytest.fixture(scope="module")
def server(model):
    with serve(model, port=0) as server:
        yield server


@pytest.fixture(scope="module")
def web():
    with httpx.Client(timeout=60) as web:  # one for all: making one takes longer than most requests
        yield web


@pytest.fixture
def client(server):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client:
        yield client


# -- the clients of others --------------------------------------------------------------------------------------------------------


def test_openais_client_gets_the_reply_of_the_model(model, client):
    expected = model.chat(STORY, seed=1, max_tokens=12)
    whole = client.chat.completions.create(model="mini-m", **ASK)
    assert whole.choices[0].message.content == expected.text and whole.choices[0].finish_reason == "length"
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (expected.usage.prompt_tokens, 12)
    events = list(client.chat.completions.create(model="mini-m", stream=True, stream_options={"include_usage": True}, **ASK))
    assert "".join(event.choices[0].delta.content or "" for event in events if event.choices) == expected.text
    assert events[0].choices[0].delta.role == "assistant" and events[-2].choices[0].finish_reason == "length"
    assert events[-1].usage.completion_tokens == 12 and len({event.id for event in events}) == 1
    text = client.completions.create(model="mini-m", prompt="Once", seed=1, max_tokens=5)
    assert text.choices[0].text == model.generate("Once", seed=1, max_tokens=5).text
    streamed = client.completions.create(model="mini-m", prompt="Once", seed=1, max_tokens=5, stream=True)
    assert "".join(event.choices[0].text for event in streamed) == text.choices[0].text
    assert [entry.id for entry in client.models.list()] == ["mini-m"]


def test_every_sampling_option_arrives(model, client):
    ways = {"temperature": 1.4, "top_p": 0.7, "presence_penalty": 0.5, "frequency_penalty": 0.25, "seed": 9, "max_completion_tokens": 20}
    more = {"top_k": 12, "min_p": 0.02, "repeat_penalty": 1.2, "repeat_last_n": 16}
    there = client.chat.completions.create(model="mini-m", messages=ASK["messages"], stop=["QQ"], extra_body=more, **ways)
    ways["max_tokens"] = ways.pop("max_completion_tokens")
    assert there.choices[0].message.content == model.chat(STORY, stop=["QQ"], **ways, **more).text


def test_ollamas_client_chats_too(model, server):
    expected = model.chat(STORY, seed=1, max_tokens=12)
    options = {"seed": 1, "num_predict": 12, "top_k": 40}
    with ollama.Client(server.url) as client:
        whole = client.chat("mini-m", ASK["messages"], options=options)
        assert whole.message.content == expected.text and whole.done_reason == "length" and whole.eval_count == 12
        lines = list(client.chat("mini-m", ASK["messages"], stream=True, options=options))
        assert "".join(line.message.content for line in lines) == expected.text and [line.done for line in lines].count(True) == 1
        assert lines[-1].prompt_eval_count == expected.usage.prompt_tokens and lines[-1].eval_duration > 0
        with pytest.raises(ollama.ResponseError, match="no model"):
            client.chat("mini-x", ASK["messages"])
        assert [entry.model for entry in client.list().models] == ["mini-m"]


def test_a_schema_is_obeyed_and_letters_stay_whole(client):
    schema = {"type": "string", "enum": [LETTERS]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    events = list(client.chat.completions.create(model="mini-m", stream=True, response_format=form, messages=ASK["messages"]))
    pieces = [event.choices[0].delta.content or "" for event in events]
    assert json.loads("".join(pieces)) == LETTERS and "\ufffd" not in "".join(pieces)


# -- raw bytes --------------------------------------------------------------------------------------------------------------------


def test_the_two_streams_byte_for_byte(web, model, server):
    with web.stream("POST", f"{server.url}/v1/chat/completions", json=ASK | {"stream": True}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        data = b"".join(answer.iter_raw())
    events = data.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""] and all(event.startswith("data: ") for event in events[:-1])
    text = "".join(json.loads(event[6:])["choices"][0]["delta"].get("content", "") for event in events[:-2])
    asked = {"messages": ASK["messages"], "options": {"seed": 1, "num_predict": 12}}
    with web.stream("POST", f"{server.url}/api/chat", json=asked) as answer:
        assert answer.headers["content-type"].startswith("application/x-ndjson")
        lines = [json.loads(line) for line in answer.iter_lines()]
    assert "".join(line["message"]["content"] for line in lines) == text == model.chat(STORY, seed=1, max_tokens=12).text
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]


def test_pieces_arrive_while_it_still_writes(web, server):
    with web.stream("POST", f"{server.url}/v1/chat/completions", json=ASK | {"stream": True, "max_tokens": 400}, timeout=60) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        assert web.get(f"{server.url}/health").json()["under_way"] >= 1
    wait_for(lambda: not web.get(f"{server.url}/health").json()["under_way"], 20, lambda: "the reply goes on without its client")


# -- what is wrong ----------------------------------------------------------------------------------------------------------------

WRONG = {
    "no json": (b"{", 400),
    "not utf-8": (b'{"messages": [{"role": "user", "content": "\xff"}]}', 400),
    "a list": (b"[]", 400),
    "deeply nested": (b"[" * 100_000, 400),
    "no messages": ({}, 400),
    "empty messages": ({"messages": []}, 400),
    "message without role": ({"messages": [{"content": "Hi"}]}, 400),
    "unknown role": ({"messages": [{"role": "boss", "content": "Hi"}]}, 400),
    "half a character": (b'{"messages": [{"role": "user", "content": "\\ud83e"}]}', 400),
    "unknown field": (ASK | {"temprature": 1}, 400),
    "option out of range": (ASK | {"temperature": -1}, 400),
    "option of another type": (ASK | {"temperature": "hot"}, 400),
    "several replies": (ASK | {"n": 2}, 400),
    "prompt repeated in the reply": (ASK | {"echo": True}, 400),
    "stop that is no text": (ASK | {"stop": 5}, 400),
    "stream options that are none": (ASK | {"stream_options": "x"}, 400),
    "pictures that are a number": ({"messages": [{"role": "user", "content": "Hi", "images": 5}]}, 400),
    "tool call without a name": ({"messages": [{"role": "assistant", "content": "", "tool_calls": [{"id": "c1"}]}]}, 400),
    "probabilities": (ASK | {"logprobs": True}, 400),
    "unknown model": (ASK | {"model": "mini-x"}, 404),
    "too long": ({"messages": [{"role": "user", "content": "word " * 5000}]}, 400),
    "picture for one that does not see": (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]}, 400,
    ),
    "picture to fetch": (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x"}}]}]}, 400,
    ),
    "odd schema": (ASK | {"response_format": {"type": "xml"}}, 400),
}  # fmt: skip


OPENAI_ONLY = (
    "unknown field", "option out of range", "option of another type", "several replies", "prompt repeated in the reply",
    "stop that is no text", "stream options that are none", "probabilities", "odd schema",
)  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_gets_an_error_that_can_be_read(web, server, name):
    body, status = WRONG[name]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    for path in ("/v1/chat/completions", "/api/chat"):
        if path == "/api/chat" and name in OPENAI_ONLY:
            continue
        for stream in (b"", b"stream"):
            sent = content.replace(b'{"messages"', b'{"stream": true, "messages"', 1) if stream else content
            answer = web.post(server.url + path, content=sent, timeout=60)
            error = answer.json()["error"]
            said = error if path == "/api/chat" else error["message"]
            assert answer.status_code == status and len(said) > 20 and "Traceback" not in said
    wait_for(lambda: not web.get(f"{server.url}/health").json()["under_way"], 20, lambda: "a refused request stays under way")


def test_ollamas_options_that_are_none_get_an_error_that_can_be_read(web, server):
    for options in ([1], {"stop": 5}):
        answer = web.post(f"{server.url}/api/chat", json=ASK | {"options": options}, timeout=60)
        assert answer.status_code == 400 and len(answer.json()["error"]) > 20


def test_openais_client_knows_the_errors(client):
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="mini-x", **ASK)
    with pytest.raises(openai.BadRequestError, match="maximum context length"):
        client.chat.completions.create(model="mini-m", messages=[{"role": "user", "content": "word " * 5000}])
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="mini-m", input="Hi", encoding_format="float")


def test_nobody_else_is_let_in(web, server):
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Host": "127.0.0.1.evil.example"}, {"Origin": "null"}):
        for path in ("/", "/v1/models", "/metrics"):
            answer = web.get(server.url + path, headers=headers)
            assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers
        assert web.post(f"{server.url}/v1/chat/completions", json=ASK, headers=headers).status_code == 403
    page = "http://localhost:8888"
    asked = web.options(f"{server.url}/v1/chat/completions", headers={"Origin": page})
    assert asked.status_code == 204 and asked.headers["access-control-allow-origin"] == page
    assert server.url.startswith("http://127.0.0.1:")
    assert web.get(f"{server.url}/etc/passwd").status_code == 404 and web.put(server.url).status_code in (404, 405)


def test_garbage_does_not_end_it(web, server):
    port = int(server.url.rpartition(":")[2])
    for junk in (os.urandom(300), b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"GET / HT"):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(junk)
    assert web.get(f"{server.url}/health").status_code == 200


def test_many_at_once_get_their_own_replies(web, model, server):
    with ThreadPoolExecutor(8) as pool:
        texts = pool.map(
            lambda seed: web.post(f"{server.url}/v1/chat/completions", json=ASK | {"seed": seed}, timeout=120).json(), range(8)
        )
        found = [answer["choices"][0]["message"]["content"] for answer in texts]
    assert found == [model.chat(STORY, seed=seed, max_tokens=12).text for seed in range(8)]


def test_figures_are_there_for_prometheus(web, server):
    web.post(f"{server.url}/v1/chat/completions", json=ASK)
    text = web.get(f"{server.url}/metrics").text
    assert 'labkit_replies_total{finish_reason="length",model="mini-m"}' in text and "labkit_time_to_first_token_seconds_bucket" in text


def test_a_server_closes_in_mid_reply_and_its_port_is_free_again(model):
    server = serve(model, port=0)
    stream = lab.load(f"openai:mini-m@{server.url}/v1").stream(STORY, seed=1, max_tokens=None, temperature=2.0, top_k=0, top_p=1.0)
    next(stream)
    server.close()
    port = int(server.url.rpartition(":")[2])
    with serve(model, port=port) as again:
        assert again.url == server.url
        with pytest.raises(BackendError, match="--port 0"):
            serve(model, port=port)
    with pytest.raises(ServerNotRunningError):
        lab.load(f"openai:mini-m@{server.url}/v1")
    assert model.chat("Hi", seed=1, max_tokens=2).text
    with pytest.raises(OptionError):
        serve(port=0)
    stream.close()


# -- the commands -----------------------------------------------------------------------------------------------------------------


@contextmanager
def command(tmp_path, *arguments: str):
    """A labkit command in a process of its own; yields what it has printed so far, as a function, and the process."""
    log = tmp_path / "log"
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, "-m", "labkit.cli", *arguments], stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: " at http://127.0.0.1:" in log.read_text(), 60, log.read_text, process)
        yield log.read_text, process
    finally:
        process.kill()
        process.wait()


def address(text: str) -> str:
    return text.split(" at ")[1].split(",")[0]


def test_the_serve_command_says_where_and_ends_with_ctrl_c(web, tmp_path):
    with command(tmp_path, "serve", "mini-m", "--port", "0") as (said, process):
        assert web.post(f"{address(said())}/v1/chat/completions", json=ASK, timeout=60).json()["usage"]["completion_tokens"] == 12
        assert "curl" in said() and "openai:mini-m@" in said()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0 and "Traceback" not in said()


def test_the_metrics_command_asks_and_counts_also_what_fails(web, tmp_path):
    with command(tmp_path, "metrics", "--model", "mini-m", "ollama:x@http://127.0.0.1:9", "--port", "0", "--every", "0.2") as (
        said,
        process,
    ):
        url, found = address(said()), ""
        deadline = time.monotonic() + 60
        while found.count("labkit_up") < 4 and time.monotonic() < deadline:
            found = web.get(url).text
            time.sleep(0.05)
        assert 'labkit_up{model="mini-m"} 1.0' in found and 'labkit_up{model="ollama:x@http://127.0.0.1:9"} 0.0' in found
        assert 'error="ServerNotRunningError"' in found
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0 and "Traceback" not in said()


def test_metrics_once_prints_and_ends():
    done = subprocess.run([sys.executable, "-m", "labkit.cli", "metrics", "--once"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and 'labkit_up{model="mini-m"} 1.0' in done.stdout and not done.stderr
    done = subprocess.run([sys.executable, "-m", "labkit.cli", "serve", "mini-x"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stderr.startswith("labkit: There is no model 'mini-x'")


def test_no_thread_stays_behind(web, model):
    before = threading.active_count()
    with serve(model, port=0) as server:
        web.post(f"{server.url}/v1/chat/completions", json=ASK)
    wait_for(lambda: threading.active_count() <= before, 10, lambda: str(threading.enumerate()))
