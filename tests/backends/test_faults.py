"""Everything that a server can do wrong ends in its own error, before the deadline, for both engines that are servers."""

from __future__ import annotations

import _thread
import base64
import contextlib
import gzip
import json
import pickle
import shutil
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

import labkit as lab
from labkit import errors

from ..servers.misbehaving import Misbehaving, chunk, drips, head, resets, response, sends, slowly, stalls
from ..servers.programs import absent, free_port

DEADLINE = 1.5
END = chunk("")


@dataclass
class Protocol:
    """How one engine's stream looks."""

    name: str
    path: str
    kind: str
    start: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.start = head(self.kind)

    def load(self, url: str, **options: Any) -> lab.Model:
        return lab.load(f"ollama:good@{url}" if self.name == "ollama" else f"openai:good@{url}/v1", **options)

    def data(self, value: Any) -> str:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return f"{text}\n" if self.name == "ollama" else f"data: {text}\n\n"

    def text(self, text: str) -> str:
        if self.name == "ollama":
            return self.data({"message": {"role": "assistant", "content": text}, "done": False})
        return self.data({"choices": [{"delta": {"content": text}, "finish_reason": None}]})

    def end(self) -> str:
        if self.name == "ollama":
            done = {"message": {"content": ""}, "done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3}
            return self.data(done | {"eval_duration": 2_000_000_000})
        finish = self.data({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        return finish + self.data({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}) + self.data("[DONE]")

    def whole(self, *texts: str) -> bytes:
        return ("".join(map(self.text, texts)) + self.end()).encode()


PROTOCOLS = {
    "ollama": Protocol("ollama", "/api/chat", "application/x-ndjson"),
    "openai": Protocol("openai", "/v1/chat/completions", "text/event-stream"),
}


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> Protocol:
    return PROTOCOLS[request.param]


def json_error(status: int, message: str) -> bytes:
    return response(json.dumps({"error": message}), status)


NESTED = "[" * 200_000
HTML = "<html><body>Log in to the school network</body></html>"

# fault -> what the server does, the error, what its message says, the text that had arrived
FAULTS: dict[str, tuple[Any, type[Exception], str, str]] = {
    "404, no such model": (lambda p: sends(json_error(404, "model 'good' not found")), errors.ModelNotFoundError, "good", ""),
    "404 of another program": (
        lambda p: sends(response("404 page not found", 404, "text/plain")),
        errors.UnexpectedResponseError,
        "404",
        "",
    ),
    "500": (lambda p: sends(json_error(500, "something broke")), errors.BackendError, "something broke", ""),
    "500, out of memory": (
        lambda p: sends(json_error(500, "model requires more system memory (5.6 GiB) than is available (3.2 GiB)")),
        errors.OutOfMemoryError,
        "5.6 GiB",
        "",
    ),
    "503, queue full": (
        lambda p: sends(json_error(503, "server busy, please try again. maximum pending requests exceeded")),
        errors.BackendError,
        "queue is full",
        "",
    ),
    "401": (lambda p: sends(json_error(401, "unauthorized")), errors.BackendError, "api_key", ""),
    "403, wrong host, no body": (lambda p: sends(response("", 403)), errors.BackendError, "host name", ""),
    "400, prompt too long": (
        lambda p: sends(json_error(400, "the input length exceeds the context length")),
        errors.ContextWindowExceededError,
        "does not fit",
        "",
    ),
    "502, HTML of a proxy": (lambda p: sends(response(HTML, 502, "text/html")), errors.UnexpectedResponseError, "Log in", ""),
    "200, HTML of a login page": (lambda p: sends(response(HTML, 200, "text/html")), errors.UnexpectedResponseError, "Log in", ""),
    "wrong content type": (lambda p: sends(response(p.whole("Hi"), 200, "image/png")), errors.UnexpectedResponseError, "image/png", ""),
    "redirect": (
        lambda p: sends(response("", 307, Location="http://127.0.0.1:9/elsewhere")),
        errors.UnexpectedResponseError,
        "elsewhere",
        "",
    ),
    "no HTTP": (lambda p: sends(b"220 mail.example ESMTP\r\n" * 3), errors.UnexpectedResponseError, "broke off", ""),
    "closes without a word": (lambda p: sends(), errors.UnexpectedResponseError, "broke off", ""),
    "reset before the answer": (lambda p: resets(), errors.UnexpectedResponseError, "broke off", ""),
    "reset in mid-stream": (lambda p: resets(p.start, chunk(p.text("Hel"))), errors.UnexpectedResponseError, "broke off", "Hel"),
    "closes in mid-stream": (lambda p: sends(p.start, chunk(p.text("Hel"))), errors.UnexpectedResponseError, "broke off", "Hel"),
    "half a line, then the end": (
        lambda p: sends(p.start, chunk(p.text("Hel")), chunk(p.text("lo")[:20]), END),
        errors.UnexpectedResponseError,
        "not JSON",
        "Hel",
    ),
    "two objects in one line": (
        lambda p: sends(p.start, chunk(p.text("Hel")), chunk(p.data('{"a": 1}{"b": 2}')), END),
        errors.UnexpectedResponseError,
        "not JSON",
        "Hel",
    ),
    "garbage": (lambda p: sends(p.start, chunk(bytes(range(256)) + b"\n\n"), END), errors.UnexpectedResponseError, "sent", ""),
    "no UTF-8": (
        lambda p: sends(p.start, chunk(p.text("é").encode("latin-1")), END),
        errors.UnexpectedResponseError,
        "not JSON",
        "",
    ),
    "JSON that is no object": (lambda p: sends(p.start, chunk(p.data("[1, 2]")), END), errors.UnexpectedResponseError, "no object", ""),
    "text that is a number": (lambda p: sends(p.start, chunk(p.text(5)), END), errors.UnexpectedResponseError, "another shape", ""),  # type: ignore[arg-type]
    "message that is a text": (
        lambda p: sends(p.start, chunk(p.data({"message": "x", "choices": [{"delta": "x"}]})), END),
        errors.UnexpectedResponseError,
        "another shape",
        "",
    ),
    "tool call that is a text": (
        lambda p: sends(p.start, chunk(p.data({"message": {"tool_calls": ["x"]}, "choices": [{"delta": {"tool_calls": ["x"]}}]})), END),
        errors.UnexpectedResponseError,
        "another shape",
        "",
    ),
    "JSON nested without end": (lambda p: sends(p.start, chunk(p.data(NESTED)), END), errors.UnexpectedResponseError, "not JSON", ""),
    "error in mid-stream under 200": (
        lambda p: sends(p.start, chunk(p.text("Hel")), chunk(p.data({"error": "an error was encountered while running the model"})), END),
        errors.BackendError,
        "encountered",
        "",
    ),
    "out of memory in mid-stream": (
        lambda p: sends(p.start, chunk(p.text("Hel")), chunk(p.data({"error": "CUDA error: out of memory"})), END),
        errors.OutOfMemoryError,
        "out of memory",
        "",
    ),
    "ends without a finish": (lambda p: sends(p.start, chunk(p.text("Hel")), END), errors.UnexpectedResponseError, "", "Hel"),
    "empty body": (lambda p: sends(response("", 200, p.kind)), errors.UnexpectedResponseError, "", ""),
    "broken gzip": (
        lambda p: sends(response(b"\x1f\x8b" + b"x" * 50, 200, p.kind, Content_Encoding="gzip")),
        errors.UnexpectedResponseError,
        "unpacked",
        "",
    ),
    "a line without end": (
        lambda p: drips(p.start, chunk("x" * 2**20), 0.0),
        errors.UnexpectedResponseError,
        "more than",
        "",
    ),
    "headers without end": (
        lambda p: drips(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"b" * 5000 + b"\r\n", 0.001),
        errors.UnexpectedResponseError,
        "",
        "",
    ),
    "slow first byte": (lambda p: stalls(), errors.GenerationTimeoutError, f"{DEADLINE:g} s", ""),
    "stall after the headers": (lambda p: stalls(p.start), errors.GenerationTimeoutError, "", ""),
    "stall in mid-stream": (lambda p: stalls(p.start, chunk(p.text("Hel"))), errors.GenerationTimeoutError, "3 characters", "Hel"),
    "a byte now and then": (lambda p: drips(p.start, chunk("x")), errors.GenerationTimeoutError, "", ""),
    "a word now and then": (lambda p: drips(p.start, chunk(p.text("a"))), errors.GenerationTimeoutError, "characters had arrived", "a"),
    "comments for ever": (lambda p: drips(p.start, chunk(":\n\n" if p.name == "openai" else "\n")), errors.GenerationTimeoutError, "", ""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_ends_in_its_error_before_the_deadline(protocol: Protocol, fault: str, misbehaving_server: Misbehaving):
    does, kind, says, partial = FAULTS[fault]
    model = protocol.load(misbehaving_server.url)
    misbehaving_server.faults[protocol.path] = does(protocol)
    start = time.monotonic()
    with pytest.raises(kind) as caught:
        model.chat("Hi", timeout=DEADLINE)
    elapsed = time.monotonic() - start
    error = caught.value
    assert isinstance(error, errors.BackendError)
    assert says in str(error)
    assert elapsed < DEADLINE + 0.5 if kind is errors.GenerationTimeoutError else elapsed < DEADLINE
    if isinstance(error, errors.GenerationTimeoutError | errors.UnexpectedResponseError):
        assert error.partial.startswith(partial)
    assert model.last_reply is not None and model.last_reply.finish_reason == "error"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    # And the model is as good as before.
    misbehaving_server.faults[protocol.path] = sends(response(protocol.whole("Hel", "lo"), 200, protocol.kind))
    assert model.chat("Hi").text == "Hello"


@pytest.mark.parametrize(("fault", "silent"), [("slow first byte", True), ("stall in mid-stream", False)])
def test_only_a_silent_ollama_is_to_be_restarted(protocol: Protocol, fault: str, silent: bool, misbehaving_server: Misbehaving):
    model = protocol.load(misbehaving_server.url)
    misbehaving_server.faults[protocol.path] = FAULTS[fault][0](protocol)
    with pytest.raises(errors.GenerationTimeoutError) as caught:
        model.chat("Hi", timeout=DEADLINE)
    assert ("restart it" in str(caught.value)) == (silent and protocol.name == "ollama")


HARMLESS: dict[str, Any] = {
    "whole": lambda p: sends(response(p.whole("Hé", "llo 🦊"), 200, p.kind)),
    "one byte a chunk": lambda p: sends(p.start, *(chunk(bytes([byte])) for byte in p.whole("Hé", "llo 🦊")), END),
    "one byte a packet": lambda p: slowly([p.start, *(chunk(bytes([byte])) for byte in p.whole("Hé", "llo 🦊")), END], 0.0005),
    "one chunk for all": lambda p: sends(p.start, chunk(p.whole("Hé", "llo 🦊")), END),
    "gzip": lambda p: sends(response(gzip.compress(p.whole("Hé", "llo 🦊")), 200, p.kind, Content_Encoding="gzip")),
    "no content type": lambda p: sends(response(p.whole("Hé", "llo 🦊"), 200, "")),
    "line ends of Windows": lambda p: sends(response(p.whole("Hé", "llo 🦊").replace(b"\n", b"\r\n"), 200, p.kind)),
    "no line end at the end": lambda p: sends(response(p.whole("Hé", "llo 🦊").rstrip(b"\n"), 200, p.kind)),
    "slow, but in time": lambda p: slowly([p.start, chunk(p.text("Hé")), chunk(p.text("llo 🦊")), chunk(p.end()), END], 0.15),
    "fields that nobody knows": lambda p: sends(
        response(p.data({"news": 1, "choices": []}).encode() + p.whole("Hé", "llo 🦊"), 200, p.kind)
    ),
}


@pytest.mark.parametrize("way", HARMLESS)
def test_unusual_but_correct_streams_are_read(protocol: Protocol, way: str, misbehaving_server: Misbehaving):
    model = protocol.load(misbehaving_server.url)
    misbehaving_server.faults[protocol.path] = HARMLESS[way](protocol)
    reply = model.chat("Hi", timeout=20)
    assert (reply.text, reply.finish_reason) == ("Héllo 🦊", "stop")
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (7, 3)


def test_text_in_parts_is_read(protocol: Protocol, misbehaving_server: Misbehaving):
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    answer = (protocol.text(parts) + protocol.end()).encode()  # type: ignore[arg-type]
    misbehaving_server.faults[protocol.path] = sends(response(answer, 200, protocol.kind))
    assert protocol.load(misbehaving_server.url).chat("Hi").text == "Hello"


def test_refused_connection_says_how_to_start(protocol: Protocol):
    start = time.monotonic()
    with pytest.raises(errors.ServerNotRunningError) as caught:
        protocol.load(f"http://127.0.0.1:{free_port()}")
    assert time.monotonic() - start < 1
    assert isinstance(caught.value, ConnectionError) and "127.0.0.1" in str(caught.value)
    assert protocol.name != "ollama" or "`ollama serve`" in str(caught.value)


def test_unknown_host_is_named(protocol: Protocol):
    with pytest.raises(errors.ServerNotRunningError, match=r"no-such-host\.invalid"):
        protocol.load("http://no-such-host.invalid:1234")


def test_server_that_goes_away_after_loading(protocol: Protocol):
    with Misbehaving() as server:
        model = protocol.load(server.url)
    with pytest.raises(errors.ServerNotRunningError):
        model.chat("Hi", timeout=DEADLINE)


def test_proxy_of_the_environment_is_not_used_for_this_machine(protocol: Protocol, misbehaving_server: Misbehaving, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    misbehaving_server.faults[protocol.path] = sends(response(protocol.whole("Hi"), 200, protocol.kind))
    assert protocol.load(misbehaving_server.url).chat("Hi").text == "Hi"


def test_proxy_of_the_environment_is_used_for_other_machines(protocol: Protocol, misbehaving_server: Misbehaving, monkeypatch):
    monkeypatch.setenv("http_proxy", misbehaving_server.url)
    with contextlib.suppress(errors.LabError):
        protocol.load("http://192.0.2.1:1234")
    assert "http://192.0.2.1:1234/" in misbehaving_server.calls[0].path


def test_password_of_a_proxy_is_sent_and_not_shown(protocol: Protocol, misbehaving_server: Misbehaving, monkeypatch):
    monkeypatch.setenv("http_proxy", misbehaving_server.url.replace("//", "//bob:p%40ss@"))
    for path in ("/api/version", "/v1/models"):
        misbehaving_server.faults[f"http://192.0.2.1:1234{path}"] = sends(response("no", 407, "text/html"))
    with pytest.raises(errors.LabError) as caught:
        protocol.load("http://192.0.2.1:1234")
    sent = misbehaving_server.calls[0].headers["proxy-authorization"]
    assert base64.b64decode(sent.removeprefix("Basic ")) == b"bob:p@ss"
    assert "p%40ss" not in str(caught.value)


def test_proxy_that_does_not_answer_is_named(protocol: Protocol, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://bob:geheim@127.0.0.1:9")
    with pytest.raises(errors.ServerNotRunningError, match=r"through the proxy 127\.0\.0\.1:9") as caught:
        protocol.load("http://192.0.2.1:1234")
    assert "NO_PROXY=192.0.2.1" in caught.value.fix and "geheim" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["socks5://u:geheim@127.0.0.1:9", "http://u:geheim@[bad", "http://u:geheim@127.0.0.1:abc"])
def test_proxy_that_cannot_be_used_is_refused(protocol: Protocol, proxy: str, monkeypatch):
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(errors.OptionError, match=r"NO_PROXY=192\.0\.2\.1") as caught:
        protocol.load("http://192.0.2.1:1234")
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("when", ["before the first byte", "in mid-stream"])
def test_cancel_from_another_thread_ends_within_a_moment(protocol: Protocol, when: str, misbehaving_server: Misbehaving):
    sent = (protocol.start, chunk(protocol.text("Hel"))) if when == "in mid-stream" else ()
    misbehaving_server.faults[protocol.path] = stalls(*sent)
    stream = protocol.load(misbehaving_server.url).stream("Hi", timeout=30)
    asked: list[float] = []
    timer = threading.Timer(0.4, lambda: (asked.append(time.monotonic()), stream.cancel()))
    timer.start()
    text = "".join(piece.text for piece in stream)
    assert time.monotonic() - asked[0] < 0.25
    timer.join()
    assert stream.reply is not None and stream.reply.finish_reason == "cancelled"
    assert text == stream.reply.text == ("Hel" if sent else "")


def test_ctrl_c_in_mid_stream_leaves_the_text_in_hand(protocol: Protocol, misbehaving_server: Misbehaving):
    misbehaving_server.faults[protocol.path] = stalls(protocol.start, chunk(protocol.text("Hel")))
    model = protocol.load(misbehaving_server.url)
    start = time.monotonic()
    threading.Timer(0.4, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        model.chat("Hi", timeout=30)
    assert time.monotonic() - start < 1
    assert model.last_reply is not None
    assert (model.last_reply.text, model.last_reply.finish_reason) == ("Hel", "cancelled")
    misbehaving_server.faults[protocol.path] = sends(response(protocol.whole("Hel", "lo"), 200, protocol.kind))
    assert model.chat("Hi").text == "Hello"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate for this machine that nobody trusts, and its key."""
    program = shutil.which("openssl") or absent("openssl", "no openssl on this machine to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    key, file = str(folder / "key.pem"), str(folder / "certificate.pem")
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([program, "req", "-x509", *kind, "-out", file, "-days", "2", *names], check=True, capture_output=True)
    return file, key


def test_encrypted_server_is_used_if_its_certificate_is_trusted(protocol: Protocol, certificate: tuple[str, str], monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with Misbehaving(tls=context) as server:
        server.faults[protocol.path] = slowly([protocol.start, *(chunk(bytes([b])) for b in protocol.whole("Hel", "lo")), END], 0.0)
        with pytest.raises(errors.ServerNotRunningError, match="SSL_CERT_FILE"):
            protocol.load(server.url)
        monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
        model = protocol.load(server.url)
        assert model.chat("Hi", timeout=20).text == "Hello"
        server.faults[protocol.path] = stalls(protocol.start, chunk(protocol.text("Hel")))
        with pytest.raises(errors.GenerationTimeoutError) as caught:
            model.chat("Hi", timeout=0.5)
        assert caught.value.partial == "Hel"


def test_what_a_failing_server_says_of_the_key_is_not_shown(misbehaving_server: Misbehaving):
    model = lab.load(f"openai:good@{misbehaving_server.url}/v1", api_key="sk-geheim")
    misbehaving_server.faults["/v1/chat/completions"] = sends(json_error(500, "broke"))
    with pytest.raises(errors.BackendError) as caught:
        model.chat("Hi")
    assert misbehaving_server.calls[-1].headers["authorization"] == "Bearer sk-geheim"
    shown = repr(model) + str(caught.value) + repr(caught.value) + repr(model.last_reply) + repr(vars(caught.value))
    assert "geheim" not in shown
