"""Callbacks hear everything and break nothing; a webhook and Prometheus' exporter, against real servers and parsers."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prometheus_client.parser import text_string_to_metric_families

import labkit as lab
from labkit.errors import BackendError, ContextWindowExceededError, OptionError, ServerNotRunningError, UnexpectedResponseError
from labkit.streaming import Cached, Fallback, Metrics, Watched, Webhook

from ..backends.test_faults import PROTOCOLS
from ..servers.misbehaving import chunk, head, resets, response
from ..servers.programs import free_port

STORY = "Tell a story about a fox."


def fail(*values: object) -> None:
    raise ZeroDivisionError("in a callback")


def test_callbacks_hear_each_chunk_and_the_end_once(model):
    chunks, replies, failures = [], [], []
    watched = Watched(model, chunks.append, replies.append, lambda error, reply: failures.append(error))
    stream = watched.stream(STORY, seed=1, max_tokens=20)
    texts = [chunk.text for chunk in stream]
    assert texts == [chunk.text for chunk in chunks] and not failures and not watched.problems
    (reply,) = replies
    assert reply.text == stream.reply.text == "".join(texts) == model.chat(STORY, seed=1, max_tokens=20).text
    assert stream.reply.model == "mini-m" and stream.reply.usage == reply.usage and stream.reply.sent == reply.sent
    assert watched.generate("Once", seed=1, max_tokens=3).usage.completion_tokens and len(replies) == 2
    assert watched.count_tokens(STORY) == model.count_tokens(STORY) and watched.render(STORY) == model.render(STORY)


@pytest.mark.parametrize("which", ["on_chunk", "on_done"])
def test_a_callback_that_raises_costs_no_text_and_is_not_silent(model, which):
    watched = Watched(model, **{which: fail})
    with pytest.warns(RuntimeWarning, match=rf"{which} raised ZeroDivisionError: in a callback") as said:
        reply = watched.chat(STORY, seed=1, max_tokens=20)
    assert reply.text == model.chat(STORY, seed=1, max_tokens=20).text and reply.finish_reason == "length" and len(said) == 1
    assert len(watched.problems) == (1 if which == "on_done" else pytest.approx(20, abs=8)) and watched.last_reply == reply


def test_where_warnings_are_errors_the_text_is_in_hand(model):
    watched = Watched(model, on_chunk=fail)
    stream = watched.stream(STORY, seed=1, max_tokens=20)
    with warnings.catch_warnings(), pytest.raises(RuntimeWarning):
        warnings.simplefilter("error")
        stream.finish()
    assert stream.reply.text == model.chat(STORY, seed=1, max_tokens=20).text


def test_ctrl_c_in_a_callback_is_ctrl_c(model):
    def stop(chunk: object) -> None:
        raise KeyboardInterrupt

    replies = []
    watched = Watched(model, on_chunk=stop, on_done=replies.append)
    with pytest.raises(KeyboardInterrupt):
        watched.chat(STORY, seed=1, max_tokens=20)
    assert watched.last_reply.finish_reason == "cancelled" and replies[0].finish_reason == "cancelled" and replies[0].text
    assert model.chat("Hi", seed=1, max_tokens=3).usage.completion_tokens


@pytest.mark.parametrize("way", ["cancel", "close"])
def test_a_cancelled_reply_is_done_too(model, way):
    replies = []
    stream = Watched(model, on_done=replies.append).stream(STORY, seed=1, max_tokens=200)
    first = next(stream)
    getattr(stream, way)()
    assert stream.finish().text == first.text and [reply.finish_reason for reply in replies] == ["cancelled"]


def test_an_error_is_told_with_what_had_arrived_and_raised(misbehaving_server):
    protocol = PROTOCOLS["openai"]
    start = head(protocol.kind) + chunk(protocol.text("Once there"))
    misbehaving_server.faults[protocol.path] = resets(start)
    failures, replies = [], []
    watched = Watched(protocol.load(misbehaving_server.url), None, replies.append, lambda *told: failures.append(told))
    with pytest.raises(UnexpectedResponseError) as raised:
        watched.chat("Hi")
    ((error, reply),) = failures
    assert error is raised.value and reply.text == error.partial == "Once there" and reply.finish_reason == "error" and not replies
    watched = Watched(watched.model, on_error=fail)
    with pytest.raises(UnexpectedResponseError), pytest.warns(RuntimeWarning, match="on_error raised"):
        watched.chat("Hi")


def test_many_at_once_are_watched(model):
    replies = []
    got = Watched(model, on_done=replies.append).generate_many([{"prompt": STORY, "seed": seed} for seed in range(4)], max_tokens=8)
    assert sorted(reply.text for reply in got) == sorted(reply.text for reply in replies)


class Hook:
    """A real server that keeps what is posted to it."""

    def __init__(self, status: int = 200) -> None:
        bodies = self.bodies = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *values: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def __enter__(self) -> Hook:
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def test_a_webhook_posts_figures_and_the_text_only_if_asked(model):
    with Hook() as hook:
        reply = Webhook(hook.url).watch(model).chat(STORY, seed=1, max_tokens=5)
        Webhook(hook.url, text=True).watch(model).chat(STORY, seed=1, max_tokens=5)
    plain, full = hook.bodies
    assert plain["event"] == "done" and plain["model"] == "mini-m" and plain["completion_tokens"] == 5 and "text" not in plain
    assert full["text"] == reply.text


def test_a_webhook_that_fails_is_said_and_costs_nothing(model):
    nobody = f"http://127.0.0.1:{free_port()}/hook"
    with pytest.warns(RuntimeWarning, match="did not answer"):
        assert Webhook(nobody).watch(model).chat(STORY, seed=1, max_tokens=5).text
    with Hook(503) as hook, pytest.warns(RuntimeWarning, match="status 503"):
        assert Webhook(hook.url).watch(model).chat(STORY, seed=1, max_tokens=5).text
    with pytest.raises(ServerNotRunningError):
        Webhook(nobody).on_done(model.last_reply)
    for wrong in ("", "hook", "ftp://127.0.0.1/", "http://"):
        with pytest.raises(OptionError):
            Webhook(wrong)


def test_a_webhook_hears_of_errors(misbehaving_server):
    protocol = PROTOCOLS["ollama"]
    misbehaving_server.faults[protocol.path] = lambda connection, over: connection.sendall(response('{"error": "no"}', 500))
    with Hook() as hook, pytest.raises(BackendError):
        Webhook(hook.url).watch(protocol.load(misbehaving_server.url)).chat("Hi")
    assert hook.bodies[0]["event"] == "error" and "no" in hook.bodies[0]["message"]


def test_a_webhook_tells_nothing_of_a_reply_and_is_shown_without_its_path(model, misbehaving_server):
    protocol = PROTOCOLS["ollama"]
    half = protocol.text("Dear patient ") + '{"message": {"content": "your diagnosis'
    misbehaving_server.faults[protocol.path] = lambda connection, over: connection.sendall(response(half, 200, protocol.kind))
    with Hook() as hook, pytest.raises(BackendError, match="diagnosis"):
        Webhook(hook.url).watch(protocol.load(misbehaving_server.url)).chat("Hi")
    assert "not JSON" in hook.bodies[0]["message"] and "diagnosis" not in json.dumps(hook.bodies)
    with pytest.raises(ServerNotRunningError) as caught:
        Webhook(f"http://127.0.0.1:{free_port()}/services/geheim").on_done(model.chat("Hi", max_tokens=1))
    assert "127.0.0.1" in str(caught.value) and "geheim" not in str(caught.value)


def samples(text: str) -> dict[tuple[str, ...], float]:
    """(name, label values) -> value, as Prometheus' own parser reads them."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[(sample.name, *(value for key, value in sorted(sample.labels.items()) if key != "le"))] = sample.value
    return found


def test_prometheus_reads_counts_and_durations(model, misbehaving_server):
    metrics = Metrics()
    watched = metrics.watch(model)
    replies = [watched.chat(STORY, seed=seed, max_tokens=6) for seed in range(3)]
    broken = PROTOCOLS["openai"].load(misbehaving_server.url)
    misbehaving_server.faults["/v1/chat/completions"] = lambda connection, over: connection.sendall(response('{"error": "no"}', 500))
    with pytest.raises(BackendError):
        metrics.watch(broken).chat("Hi")
    with pytest.raises(ContextWindowExceededError):
        watched.chat("word " * 3000)
    with metrics.serve(0) as exporter, urllib.request.urlopen(exporter.url, timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        found = samples(answer.read().decode())
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(exporter.url, timeout=10)
    assert found["labkit_replies_total", "length", "mini-m"] == 3
    assert found["labkit_completion_tokens_total", "mini-m"] == sum(reply.usage.completion_tokens for reply in replies)
    assert found["labkit_prompt_tokens_total", "mini-m"] == sum(reply.usage.prompt_tokens for reply in replies)
    assert found["labkit_time_to_first_token_seconds_count", "mini-m"] == found["labkit_time_per_token_seconds_count", "mini-m"] == 3
    whole = sum(reply.timing.total_duration for reply in replies)
    assert 0 < found["labkit_time_to_first_token_seconds_sum", "mini-m"] <= found["labkit_reply_duration_seconds_sum", "mini-m"] <= whole
    assert found["labkit_up", "mini-m"] == 1 and found["labkit_up", broken.name] == 0
    assert [value for key, value in found.items() if key[0] == "labkit_errors_total"] == [1, 1]


def test_prometheus_tells_caches_and_fallbacks_apart(model):
    metrics = Metrics()
    metrics.on_done(Fallback("ollama:x@http://127.0.0.1:9", model).chat("Hi", seed=1, max_tokens=3))
    cached = metrics.watch(Cached(model))
    for _ in range(3):
        cached.chat("Hi", temperature=0, max_tokens=3)
    found = samples(metrics.text())
    assert found["labkit_fallbacks_total", "mini-m"] == 1 and found["labkit_cache_hits_total", "mini-m"] == 2
    assert found["labkit_time_to_first_token_seconds_count", "mini-m"] == 2


def test_a_port_that_is_taken_is_an_error(model):
    with Metrics().serve(0) as exporter, pytest.raises(BackendError, match="--port 0"):
        Metrics().serve(int(exporter.url.split(":")[2].split("/")[0]))


def test_public_names_are_in_the_room():
    assert all(hasattr(lab.streaming, name) for name in lab.streaming.__all__)
