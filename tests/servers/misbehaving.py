"""A server on this machine that breaks the protocol exactly as a test says, byte by byte."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

SHOW = {
    "capabilities": ["completion", "tools", "thinking", "vision"],
    "details": {"family": "llama", "quantization_level": "Q4_0"},
    "model_info": {"general.architecture": "llama", "general.parameter_count": 1000, "llama.context_length": 4096},
}


@dataclass
class Call:
    """One request that arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Fault = Callable[[socket.socket, threading.Event], None]


@dataclass
class Misbehaving:
    """What is not scripted in `faults` (path -> fault) is answered as a healthy server of both protocols would."""

    version: str = "0.24.0"
    tls: ssl.SSLContext | None = None
    faults: dict[str, Fault] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def __enter__(self) -> Misbehaving:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), self.tls.wrap_socket(connection, server_side=True) if self.tls else connection as connection:
            connection.settimeout(10)
            call = _read(connection)
            if call is None:
                return
            self.calls.append(call)
            fault = self.faults.get(call.path)
            if fault:
                fault(connection, self._over)
            else:
                connection.sendall(self._healthy(call))
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)

    def _healthy(self, call: Call) -> bytes:
        answers = {
            "/api/version": {"version": self.version},
            "/api/show": SHOW,
            "/api/tags": {"models": [{"name": "good:latest", "model": "good:latest", "size": 123}]},
            "/api/ps": {"models": []},
            "/v1/models": {"data": [{"id": "good", "object": "model", "owned_by": "vllm"}]},
        }
        known = call.path in answers
        return response(json.dumps(answers[call.path] if known else {"error": "404 page not found"}), 200 if known else 404)


def _read(connection: socket.socket) -> Call | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    method, path, _ = first.split(" ", 2)
    return Call(method, path, headers, body)


def response(body: str | bytes, status: int = 200, kind: str = "application/json", **headers: str) -> bytes:
    """A whole, correct HTTP response."""
    data = body.encode() if isinstance(body, str) else body
    named = {"Content-Type": kind, "Content-Length": str(len(data)), "Connection": "close"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items() if value)
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + data


def head(kind: str, **headers: str) -> bytes:
    """The start of a response whose body comes in chunks."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n{more}\r\n".encode()


def chunk(data: str | bytes) -> bytes:
    """One chunk; an empty one ends the body."""
    raw = data.encode() if isinstance(data, str) else data
    return f"{len(raw):x}\r\n".encode() + raw + b"\r\n"


def sends(*pieces: bytes) -> Fault:
    """Send these very bytes, then close."""

    def fault(connection: socket.socket, over: threading.Event) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return fault


def stalls(*pieces: bytes) -> Fault:
    """Send these bytes, then nothing more, and keep the connection open."""

    def fault(connection: socket.socket, over: threading.Event) -> None:
        for piece in pieces:
            connection.sendall(piece)
        _wait_for_client(connection, over)

    return fault


def drips(start: bytes, piece: bytes, seconds: float = 0.05) -> Fault:
    """Send `piece` again and again, slowly and for ever."""

    def fault(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(start)
        while not over.wait(seconds):
            connection.sendall(piece)

    return fault


def slowly(pieces: Iterable[bytes], seconds: float) -> Fault:
    """Send the pieces with a pause before each."""

    def fault(connection: socket.socket, over: threading.Event) -> None:
        for piece in pieces:
            over.wait(seconds)
            connection.sendall(piece)

    return fault


def resets(*pieces: bytes) -> Fault:
    """Send these bytes, then break the connection hard (RST)."""

    def fault(connection: socket.socket, over: threading.Event) -> None:
        for piece in pieces:
            connection.sendall(piece)
        time.sleep(0.1)  # so that the bytes arrive before the reset drops them
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return fault


def _wait_for_client(connection: socket.socket, over: threading.Event) -> None:
    """Until the test ends or the client hangs up."""
    connection.settimeout(0.05)
    while not over.is_set():
        try:
            if not connection.recv(1):
                return
        except TimeoutError:
            continue
