"""A small Ollama server that fails as a script says: what exercises meet, since a real server cannot be asked to break.

Each question (POST /api/chat) takes the next step of the script; the last step stays. A step is a plain dict:

=================================  ==========================================================================
``{"say": ["Hel", "lo"]}``         answers in these pieces; ``prompt_tokens``, ``completion_tokens``: what it counts; ``done_reason``
``{"break_after": ["Hel"]}``       sends these pieces, then breaks the connection
``{"stall_after": ["Hel"]}``       sends these pieces, then nothing more
``{"drip": "la "}``                sends this piece again and again until the client hangs up
``{"refuse": 503, "error": "…"}``  answers with this status
=================================  ==========================================================================

``pause`` in a step is waited before each piece, in seconds; a list has one for each, and its last for all that follow. A script may also
be a function: from the request to its step.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MISSING = "model {name!r} not found"
Step = Mapping[str, Any]
LONGEST = 120.0  # seconds after which a step that never ends does end
SHOWN = {
    "capabilities": ["completion"],
    "details": {"family": "llama", "quantization_level": "F16"},
    "model_info": {"general.architecture": "llama", "general.parameter_count": 1000, "llama.context_length": 4096},
}


class FaultyServer:
    """A server on this machine, for a `with` block.

    Parameters
    ----------
    steps : sequence of dict, or callable
        What each question meets, in order; the last one stays. A function gets the body of the request and returns its step.
    models : sequence of str
        Names of the models that it says it has.

    Attributes
    ----------
    url : str
        Its address; ``load(f"ollama:good@{server.url}")`` asks it.
    calls : list of dict
        The questions that came: ``prompt`` (the last message), ``messages``, ``options``, ``format`` (the schema), ``ended`` ('whole',
        'broken', 'refused', 'hung up' by the client, or '' while it goes on), ``sent`` (pieces), and when, in seconds of one clock:
        ``began``, ``first`` and ``last`` piece.
    asked : int
        Requests of any kind.
    """

    def __init__(self, steps: Sequence[Step] | Callable[[dict[str, Any]], Step], models: Sequence[str] = ("good",)) -> None:
        self.steps, self.models = steps, list(models)
        self.calls: list[dict[str, Any]] = []
        self.asked = 0
        self.over = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> FaultyServer:
        self._http = _Listener(("127.0.0.1", 0), _Handler)
        self._http.server = self
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def name(self, model: str = "good") -> str:
        """The name under which `load` finds one of its models."""
        return f"ollama:{model}@{self.url}"

    def begin(self, body: dict[str, Any]) -> tuple[Step, dict[str, Any]]:
        """Note a question and take its step."""
        messages = body.get("messages") or []
        call: dict[str, Any] = {"prompt": str(messages[-1].get("content", "")) if messages else "", "messages": messages}
        call |= {
            "options": body.get("options") or {},
            "format": body.get("format"),
            "ended": "",
            "sent": 0,
            "began": time.monotonic(),
            "first": None,
            "last": None,
        }
        with self._lock:
            number = len(self.calls)
            self.calls.append(call)
        return self.steps(body) if callable(self.steps) else self.steps[min(number, len(self.steps) - 1)], call

    def settle(self, seconds: float = 10.0) -> list[dict[str, Any]]:
        """The calls, once each is known to have ended: a client that hung up is noticed a moment later."""
        deadline = time.monotonic() + seconds
        while any(not call["ended"] for call in self.calls) and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.calls


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    server: FaultyServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is what this server is for: no trace on stderr."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""

    def do_GET(self) -> None:
        owner = self.server.server
        owner.asked += 1
        models = [{"name": f"{name}:latest", "model": f"{name}:latest", "size": 123} for name in owner.models]
        answers: dict[str, Any] = {"/api/version": {"version": "0.24.0"}, "/api/tags": {"models": models}, "/api/ps": {"models": []}}
        self._whole(answers.get(self.path, {"error": "404 page not found"}), 200 if self.path in answers else 404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        owner, name = self.server.server, str(body.get("model", ""))
        owner.asked += 1
        if name.partition(":")[0] not in owner.models:
            self._whole({"error": MISSING.format(name=name)}, 404)
        elif self.path == "/api/show":
            self._whole(SHOWN, 200)
        elif self.path == "/api/chat":
            step, call = owner.begin(body)
            try:
                self._answer(step, call, name)
            except OSError:
                call["ended"] = call["ended"] or "hung up"
        else:
            self._whole({"error": "404 page not found"}, 404)

    def _whole(self, value: Any, status: int) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True

    def _answer(self, step: Step, call: dict[str, Any], model: str) -> None:
        if "refuse" in step:
            call["ended"] = "refused"
            self._whole({"error": step.get("error", "server busy, please try again")}, int(step["refuse"]))
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        pauses, began = step.get("pause", 0), time.monotonic()
        pauses = pauses if isinstance(pauses, list) else [pauses]
        for n, piece in enumerate(step.get("say") or step.get("break_after") or step.get("stall_after") or ()):
            self._piece(call, model, piece, float(pauses[min(n, len(pauses) - 1)]))
        while "drip" in step and time.monotonic() - began < LONGEST:
            self._piece(call, model, step["drip"], float(pauses[-1]) or 0.02)
        while "stall_after" in step and time.monotonic() - began < LONGEST:
            self._wait(0.05)
        if "break_after" in step:
            call["ended"] = "broken"
            time.sleep(0.05)  # so that what was sent arrives before the reset drops it
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket.close(self.connection.detach())  # the files of the handler hold it open otherwise
            self.close_connection = True
            return
        self._line(self._end(step, model))
        self.wfile.write(b"0\r\n\r\n")
        call["ended"] = "whole"
        self.close_connection = True

    def _piece(self, call: dict[str, Any], model: str, text: str, pause: float) -> None:
        self._wait(pause)
        call["last"] = time.monotonic()  # before it is sent, so that no client can have it earlier
        call["first"] = call["first"] or call["last"]
        self._line({"model": model, "message": {"role": "assistant", "content": text}, "done": False})
        call["sent"] += 1

    def _end(self, step: Step, model: str) -> dict[str, Any]:
        pieces = step.get("say") or ()
        return {
            "model": model,
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": step.get("done_reason", "stop"),
            "prompt_eval_count": step.get("prompt_tokens", 10),
            "eval_count": step.get("completion_tokens", len(pieces)),
            "eval_duration": 1_000_000,
        }

    def _line(self, value: Any) -> None:
        data = json.dumps(value, ensure_ascii=False).encode() + b"\n"
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _wait(self, seconds: float) -> None:
        """Wait; raise when the client has hung up or the block is over."""
        self.connection.settimeout(max(seconds, 0.001))
        try:
            if not self.connection.recv(1, socket.MSG_PEEK):
                raise ConnectionAbortedError
        except TimeoutError:
            pass
        finally:
            with contextlib.suppress(OSError):
                self.connection.settimeout(None)
        if self.server.server.over.is_set():
            raise ConnectionAbortedError
