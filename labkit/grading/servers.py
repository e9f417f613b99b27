"""A small server on this machine that behaves, or misbehaves on purpose: for checks of code that talks to servers.

It says what a real Ollama says where it behaves; the models that answer in an exercise are real ones.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODES = ("healthy", "refuses", "silent", "html", "fails", "unknown_model", "breaks", "half_line", "endless")
MODEL = "good:latest"
WORDS = ("One", " two", " three", " four", " five.")
PAUSE = 0.03  # seconds between two pieces of an endless reply
_SHOW = {
    "capabilities": ["completion"],
    "details": {"family": "llama", "quantization_level": "F16"},
    "model_info": {"general.architecture": "llama", "general.parameter_count": 1000, "llama.context_length": 4096},
}


@dataclass
class Record:
    """What a server saw.

    Attributes
    ----------
    url : str
        Its address.
    calls : list of (str, str, object)
        Method, path and JSON body of each request.
    sent : int
        Pieces of replies that went out.
    hung_up : threading.Event
        Set when the other side closed the connection while a reply was on its way.
    """

    url: str
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    sent: int = 0
    hung_up: threading.Event = field(default_factory=threading.Event)


@contextmanager
def server(mode: str = "healthy") -> Iterator[Record]:
    """A server on this machine.

    Parameters
    ----------
    mode : str
        'healthy' (like Ollama, with one model, `good`), 'refuses' (nobody listens), 'silent' (takes the request and never answers),
        'html' (some other program), 'fails' (status 500), 'unknown_model' (404 for every model), 'breaks' (a reply that ends in a
        broken connection), 'half_line' (a reply that ends within a line), 'endless' (a reply that never ends).

    Yields
    ------
    Record
    """
    if mode not in MODES:
        raise ValueError(f"There is no mode {mode!r}; there are {', '.join(MODES)}.")
    if mode == "refuses":
        with socket.socket() as sock:  # bound, so that nobody else takes it, but it does not listen
            sock.bind(("127.0.0.1", 0))
            yield Record(f"http://127.0.0.1:{sock.getsockname()[1]}")
        return
    over = threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as http:
        http.daemon_threads = True
        http.mode, http.over = mode, over  # type: ignore[attr-defined]
        http.record = record = Record(f"http://127.0.0.1:{http.server_address[1]}")  # type: ignore[attr-defined]
        thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield record
        finally:
            over.set()
            http.shutdown()
            thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    do_HEAD = do_DELETE = do_POST  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _serve(self) -> None:
        mode, over = self.server.mode, self.server.over
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with suppress(ValueError):
            body = json.loads(body)
        self.server.record.calls.append((self.command, self.path, body or None))
        with suppress(OSError):
            if mode == "silent":
                while not over.wait(0.05) and self._client_is_there():
                    pass
            elif mode == "html":
                self._whole("<html><body>It works!</body></html>", kind="text/html")
            elif mode == "fails":
                self._whole(json.dumps({"error": "the disk is full"}), 500)
            elif self.path in ("/api/chat", "/api/generate", "/api/show") and self._unknown(body):
                name = body.get("model", body.get("name", "")) if isinstance(body, dict) else ""
                self._whole(json.dumps({"error": f"model '{name}' not found"}), 404)
            elif self.path in ("/api/chat", "/api/generate"):
                self._reply(body if isinstance(body, dict) else {})
            else:
                self._ollama()

    def _unknown(self, body: Any) -> bool:
        name = str(body.get("model", body.get("name", ""))) if isinstance(body, dict) else ""
        return self.server.mode == "unknown_model" or name.removesuffix(":latest") != MODEL.removesuffix(":latest")

    def _ollama(self) -> None:
        stored = [] if self.server.mode == "unknown_model" else [{"name": MODEL, "model": MODEL, "size": 2000, "details": _SHOW["details"]}]
        answers = {
            "/api/version": {"version": "0.24.0"},
            "/api/tags": {"models": stored},
            "/api/ps": {"models": []},
            "/api/show": _SHOW,
            "/v1/models": {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "library"}]},
        }
        if self.path == "/":
            self._whole("Ollama is running", kind="text/plain")
        elif self.path in answers:
            self._whole(json.dumps(answers[self.path]))
        else:
            self._whole(json.dumps({"error": "404 page not found"}), 404)

    def _reply(self, body: dict[str, Any]) -> None:
        """Words, one a line, as Ollama streams them; then the end that the mode asks for."""
        mode, chat = self.server.mode, self.path == "/api/chat"
        ends = {"done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": len(WORDS)}
        ends |= {"total_duration": 10**8, "load_duration": 10**6, "prompt_eval_duration": 10**7, "eval_duration": 9 * 10**7}
        if not body.get("stream", True) and mode == "healthy":
            self._whole(json.dumps(self._line("".join(WORDS), chat) | ends))
            return
        self._head("application/x-ndjson")
        words = iter(lambda: WORDS[self.server.record.sent % len(WORDS)], None) if mode == "endless" else iter(WORDS)
        try:
            for word in words:
                self._send(json.dumps(self._line(word, chat)) + "\n")
                self.server.record.sent += 1
                if self.server.over.wait(PAUSE) or not self._client_is_there():
                    raise BrokenPipeError
        except OSError:
            self.server.record.hung_up.set()
            return
        if mode == "breaks":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif mode == "half_line":
            self._send('{"model": "good", "mess')
        else:
            self._send(json.dumps(self._line("", chat) | ends) + "\n")

    def _line(self, word: str, chat: bool) -> dict[str, Any]:
        head = {"model": MODEL, "created_at": "2026-11-25T12:00:00Z", "done": False}
        return head | ({"message": {"role": "assistant", "content": word}} if chat else {"response": word})

    def _client_is_there(self) -> bool:
        self.connection.setblocking(False)
        try:
            return bool(self.connection.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            with suppress(OSError):
                self.connection.setblocking(True)

    def _head(self, kind: str, status: int = 200, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.close_connection = True

    def _send(self, text: str) -> None:
        self.wfile.write(text.encode())
        self.wfile.flush()

    def _whole(self, text: str, status: int = 200, kind: str = "application/json") -> None:
        self._head(kind, status, len(text.encode()))
        if self.command != "HEAD":
            self._send(text)
