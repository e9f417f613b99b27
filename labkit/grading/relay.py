"""The one server that a submission may reach: its connections go through a Unix socket into a network that has no other way out.

Two relays: the grader's carries a Unix socket to the server, the judge's a port of the closed network to that socket.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

PATIENCE = 600.0  # seconds without a byte after which a connection is given up


@contextlib.contextmanager
def to_server(url: str) -> Iterator[str]:
    """Carry a Unix socket to a server.

    Parameters
    ----------
    url : str
        Base address of the server.

    Yields
    ------
    str
        Path of the socket.
    """
    parts = urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    with tempfile.TemporaryDirectory(prefix="labkit-relay-") as folder, socket.socket(socket.AF_UNIX) as listener:
        path = str(Path(folder, "s"))
        listener.bind(path)
        listener.listen()
        start(listener, lambda: socket.create_connection(address, timeout=10))
        try:
            yield path
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def from_port(port: int, path: str) -> None:
    """Carry a port of this (closed) network to the Unix socket, until the process ends."""

    def connect() -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(path)
        except OSError:
            sock.close()
            raise
        return sock

    start(socket.create_server(("127.0.0.1", port)), connect)


def start(listener: socket.socket, connect: Callable[[], socket.socket]) -> None:
    """Take connections in a thread and carry each to a new one on the other side."""

    def take() -> None:
        while True:
            try:
                here, _ = listener.accept()
            except OSError:
                return
            try:
                there = connect()
            except OSError:  # nobody there: for the caller it is as if nobody listened
                here.close()
                continue
            threading.Thread(target=_carry, args=(here, there), daemon=True).start()

    threading.Thread(target=take, daemon=True).start()


def _carry(here: socket.socket, there: socket.socket) -> None:
    """Both ways, until both sides have ended."""
    with here, there:
        back = threading.Thread(target=_pump, args=(there, here), daemon=True)
        back.start()
        _pump(here, there)
        back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    source.settimeout(PATIENCE)
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for sock, how in ((sink, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with contextlib.suppress(OSError):
            sock.shutdown(how)
