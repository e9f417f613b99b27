"""Sockets that obey a deadline and a cancel: every connect, read and write looks at the clock each 0.05 s.

httpcore (the engine under httpx) measures its timeouts per read, so a server that drips one byte a second never meets them, and nothing
but another thread can stop a read. Here both are looked at in one place, without a thread.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpcore

SLICE = 0.05  # seconds between two looks at the clock
CONNECT_LIMIT = 10.0  # an address that swallows packets would use up the whole deadline
_PENDING = {errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK)}

T = TypeVar("T")


class CancelledError(Exception):
    """Nobody wants the rest any more."""


class DeadlineError(Exception):
    """The deadline passed, or nothing came for longer than is allowed."""


@dataclass
class Guard:
    """How long one call may take.

    Attributes
    ----------
    timeout : float
        Seconds that were given, for the message.
    deadline : float
        `time.monotonic()` at which all must be done.
    stall : float
        Seconds without a byte that are taken as the end; for downloads, which have no deadline.
    cancelled : threading.Event
        Set from any thread to stop within about 0.1 s.
    """

    timeout: float
    deadline: float = 0.0
    stall: float = float("inf")
    cancelled: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.deadline = self.deadline or time.monotonic() + self.timeout

    def check(self, since: float) -> None:
        """Raise when there is no time left, or nobody waits."""
        if self.cancelled.is_set():
            raise CancelledError
        now = time.monotonic()
        if now > self.deadline or now - since > self.stall:
            raise DeadlineError


class Backend(httpcore.NetworkBackend):
    """Opens connections under a guard."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        start, problem = time.monotonic(), OSError("no address")
        for family, address in _addresses(host, port, self._guard):
            try:
                return Stream(self._connect(family, address, start), self._guard)
            except OSError as error:
                problem = error
        kind = httpcore.ConnectTimeout if isinstance(problem, TimeoutError) else httpcore.ConnectError
        raise kind(str(problem)) from problem

    def _connect(self, family: int, address: Any, start: float) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            code = sock.connect_ex(address)
            if code in _PENDING:
                with selectors.DefaultSelector() as selector:
                    selector.register(sock, selectors.EVENT_WRITE)
                    while not selector.select(SLICE):
                        self._guard.check(time.monotonic())
                        if time.monotonic() - start > CONNECT_LIMIT:
                            raise TimeoutError(f"no answer within {CONNECT_LIMIT:g} s")
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            sock.close()
            raise
        return sock


class Stream(httpcore.NetworkStream):
    """A connection whose reads and writes end with the guard."""

    def __init__(self, sock: socket.socket, guard: Guard) -> None:
        self._sock, self._guard = sock, guard
        sock.settimeout(SLICE)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._patiently(lambda: self._sock.recv(max_bytes), httpcore.ReadError)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        view = memoryview(buffer)
        while view:
            sent = self._patiently(lambda piece=view: self._sock.send(piece), httpcore.WriteError)  # type: ignore[misc]
            view = view[sent:]

    def _patiently(self, action: Callable[[], T], kind: type[Exception]) -> T:
        since = time.monotonic()
        while True:
            self._guard.check(since)
            try:
                return action()
            except TimeoutError:
                continue
            except OSError as error:
                raise kind(str(error)) from error

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            wrapped = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname, do_handshake_on_connect=False)
            self._sock = wrapped
            self._patiently(wrapped.do_handshake, httpcore.ConnectError)
        except BaseException:
            self.close()
            raise
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
        return {"socket": self._sock, "is_readable": False}.get(info)


def _addresses(host: str, port: int, guard: Guard) -> list[tuple[int, Any]]:
    """Addresses of a host. The system's resolver cannot be interrupted, so a name is looked up in a thread."""
    found: list[Any] = []
    problem: list[OSError] = []

    def look() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            problem.append(OSError(str(error)))

    if host == "localhost" or _is_address(host):
        look()
    else:
        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        while thread.is_alive():
            guard.check(time.monotonic())
            thread.join(SLICE)
    if not found:
        raise httpcore.ConnectError(f"the name {host!r} is unknown ({problem[0] if problem else 'no address'})")
    return [(family, address) for family, _, _, _, address in found]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether a host name is this machine itself."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host.strip("[]")).is_loopback)
