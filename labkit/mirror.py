"""Serve the models of this machine's Ollama store to a class: the teacher pulls once, forty students pull from the teacher.

Read-only, and only what a manifest of the store names: no listing of files, no path out of the store, nothing is ever written.
The protocol is the registry's own (`ollama pull --insecure TEACHER:PORT/library/NAME`), so that students need nothing but Ollama.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import logging
import re
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tornado.httpserver
import tornado.netutil
import tornado.web

from . import display, settings
from .errors import BackendError, ModelNotFoundError, OptionError

DEFAULT_PORT = 5056
REGISTRY = "registry.ollama.ai"  # the folder under which a store keeps what was pulled or created without a host
NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
DIGEST = r"[0-9a-f]{64}"
LARGEST_MANIFEST = 1 << 20


@dataclass(frozen=True)
class StoredModel:
    """A model of the store.

    Attributes
    ----------
    name : str
        As `ollama list` shows it, such as 'llama3.2:1b'.
    path : str
        As a pull names it, such as 'library/llama3.2:1b'.
    manifest : bytes
    blobs : frozenset of str
        SHA-256 digests of the files that it consists of.
    size : int
        Bytes of them together.
    """

    name: str
    path: str
    manifest: bytes
    blobs: frozenset[str]
    size: int


class Store:
    """An Ollama model store, read-only.

    Parameters
    ----------
    folder : Path
        The folder that holds `manifests/` and `blobs/`.
    only : sequence of str
        Serve these models alone; empty for all.

    Raises
    ------
    BackendError
        When the folder is not a store.
    ModelNotFoundError
        When `only` names a model that is not there.
    """

    def __init__(self, folder: Path, only: Sequence[str] = ()) -> None:
        self.folder = folder.expanduser().resolve()
        if not (self.folder / "manifests").is_dir() or not (self.folder / "blobs").is_dir():
            raise BackendError(
                f"There is no Ollama store at {self.folder}.",
                "Ollama has not pulled a model yet, or keeps them elsewhere.",
                "Pull one (`ollama pull llama3.2:1b`), or name the folder: `labkit mirror --store FOLDER` (the server's OLLAMA_MODELS).",
            )
        self._only: set[str] = set()
        have = {model.name for model in self.models()}
        self._only = {name if ":" in name else f"{name}:latest" for name in only}
        if missing := sorted(self._only - have):
            raise ModelNotFoundError(
                f"Model {missing[0]!r} is not in the store {self.folder}.",
                f"Stored: {', '.join(sorted(have)) or 'none'}.",
                f"Get it: `ollama pull {missing[0]}`",
            )

    def models(self) -> Iterator[StoredModel]:
        """Every whole model of the store, read anew: what is pulled later is served as well."""
        root = self.folder / "manifests" / REGISTRY
        for file in sorted(root.glob("*/*/*")):
            namespace, name, tag = file.relative_to(root).parts
            if model := self.model(namespace, name, tag):
                yield model

    def model(self, namespace: str, name: str, tag: str) -> StoredModel | None:
        """One model, or None where it is not stored whole, or not served."""
        if not all(re.fullmatch(NAME, part) for part in (namespace, name, tag)):
            return None
        short = f"{name}:{tag}" if namespace == "library" else f"{namespace}/{name}:{tag}"
        file = self._inside(self.folder / "manifests" / REGISTRY / namespace / name / tag)
        if file is None or (self._only and short not in self._only) or file.stat().st_size > LARGEST_MANIFEST:
            return None
        try:
            manifest = file.read_bytes()
            content = json.loads(manifest)
            layers = [content["config"], *content["layers"]]
            blobs = frozenset(str(layer["digest"]).removeprefix("sha256:") for layer in layers)
        except (OSError, ValueError, KeyError, TypeError):
            return None  # half written or foreign: not a model that can be pulled
        paths = [self._blob_path(digest) for digest in blobs]
        if any(path is None for path in paths):
            return None
        return StoredModel(short, f"{namespace}/{name}:{tag}", manifest, blobs, sum(path.stat().st_size for path in paths if path))

    def blob(self, digest: str) -> Path | None:
        """The file of a digest that a served model names, else None."""
        return self._blob_path(digest) if any(digest in model.blobs for model in self.models()) else None

    def _blob_path(self, digest: str) -> Path | None:
        return self._inside(self.folder / "blobs" / f"sha256-{digest}") if re.fullmatch(DIGEST, digest) else None

    def _inside(self, path: Path) -> Path | None:
        """The file behind a path, links followed, if it is a file of this store."""
        real = path.resolve()
        return real if real.is_file() and real.is_relative_to(self.folder) else None


class _Handler(tornado.web.RequestHandler):
    def initialize(self, store: Store) -> None:
        self.store = store

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"errors": [{"code": str(status_code), "message": self._reason}]}))


class _Manifest(_Handler):
    def get(self, namespace: str, name: str, tag: str) -> None:
        model = self.store.model(namespace, name, tag)
        if model is None:
            raise tornado.web.HTTPError(404)
        self.set_header("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
        self.write(model.manifest)

    head = get


class _BlobAddress(_Handler):
    """Where a blob lies. Ollama asks first and insists on a redirect to another host name, so the same address is written otherwise."""

    def get(self, digest: str) -> None:
        path = self.store.blob(digest)
        if path is None:
            raise tornado.web.HTTPError(404)
        if self.request.method == "HEAD":
            self.set_header("Content-Length", str(path.stat().st_size))
            return
        address, port = self.request.connection.stream.socket.getsockname()[:2]  # type: ignore[union-attr]
        plain = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(plain, ipaddress.IPv6Address):
            plain = plain.ipv4_mapped or plain
        other = f"::ffff:{plain}" if isinstance(plain, ipaddress.IPv4Address) else plain.exploded
        self.redirect(f"http://[{other}]:{port}/blob/{digest}", status=307)

    head = get


class Pace:
    """Bytes per second to each client, over all its connections: Ollama fetches a file in up to 16 parts at once.

    Parameters
    ----------
    rate : float
        0 for no limit.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._due: dict[str, float] = {}  # client -> when all that it was sent would have arrived at this rate

    def wait(self, client: str, size: int, now: float) -> float:
        """Seconds to wait after so many bytes."""
        if not self.rate:
            return 0
        self._due[client] = max(now, self._due.get(client, now)) + size / self.rate
        return self._due[client] - now


class _Blob(tornado.web.StaticFileHandler):
    """The bytes: ranges, HEAD and conditional requests are tornado's."""

    def initialize(self, store: Store, pace: Pace) -> None:  # type: ignore[override]
        self.store, self.pace = store, pace
        super().initialize(path=str(store.folder))

    def get_absolute_path(self, root: str, path: str) -> str:  # type: ignore[override]
        file = self.store.blob(path)
        if file is None:
            raise tornado.web.HTTPError(404)
        return str(file)

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        return absolute_path  # `Store.blob` has checked it

    @classmethod
    def get_content_version(cls, abspath: str) -> str:
        return Path(abspath).name  # named by its own SHA-256: no need to read gigabytes to tell versions apart

    def get_content_type(self) -> str:
        return "application/octet-stream"

    def flush(self, include_footers: bool = False) -> asyncio.Future[None]:
        waiting = sum(map(len, self._write_buffer))
        paced = asyncio.ensure_future(self._paced(super().flush(include_footers), waiting))
        paced.add_done_callback(lambda done: done.cancelled() or done.exception())  # a client may hang up while nobody awaits this
        return paced

    async def _paced(self, written: Awaitable[None], size: int) -> None:
        await written
        await asyncio.sleep(self.pace.wait(str(self.request.remote_ip), size, time.monotonic()))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.finish()


class _Page(_Handler):
    """What a student sees in a browser: the models, and the command for each."""

    def get(self) -> None:
        rows = [(m.name, display.bytes_text(m.size), *commands(m, self.request.host)) for m in self.store.models()]
        table = display.table_html(("model", "size", "type this in a terminal", "then this: it gives the model its usual name"), rows)
        self.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.write(f'<!doctype html><html lang="en"><meta charset="utf-8"><title>labkit mirror</title><h1>Models of this class</h1>{table}')


class _Nothing(_Handler):
    def prepare(self) -> None:
        raise tornado.web.HTTPError(404 if self.request.method in ("GET", "HEAD") else 405)


def application(store: Store, rate: float = 0) -> tornado.web.Application:
    """The web application over a store; `rate` limits each client, in bytes per second (0: no limit)."""
    at: dict[str, Any] = {"store": store}
    return tornado.web.Application(
        [
            (r"/", _Page, at),
            (rf"/v2/({NAME})/({NAME})/manifests/({NAME})", _Manifest, at),
            (rf"/v2/{NAME}/{NAME}/blobs/sha256:({DIGEST})", _BlobAddress, at),
            (rf"/blob/({DIGEST})", _Blob, at | {"pace": Pace(rate)}),
        ],
        default_handler_class=_Nothing,
        default_handler_args=at,
        log_function=_log,
    )


def _log(handler: tornado.web.RequestHandler) -> None:
    request, part = handler.request, handler.request.headers.get("Range", "")
    logging.getLogger("labkit.mirror").info("%s %s %s %s %d", request.remote_ip, request.method, request.path, part, handler.get_status())


def serve(
    host: str = "127.0.0.1", port: int = DEFAULT_PORT, *, folder: Path | None = None, only: Sequence[str] = (), rate: float = 0,
    say: Callable[[str], None] = print,
) -> None:  # fmt: skip
    """Serve until Ctrl-C.

    Parameters
    ----------
    host : str
        Address to listen on: this machine alone by default, '0.0.0.0' for everybody on its networks.
    port : int
        0 for a free one.
    folder : Path
        The store; by default where Ollama keeps its models.
    only : sequence of str
        Serve these models alone.
    rate : float
        Bytes per second for each client, which is a network address; 0 for no limit.
    say : callable
        Where the words for the teacher go.

    Raises
    ------
    BackendError, ModelNotFoundError
        See `Store`; also when the port is taken.
    OptionError
        The rate or the port is none.
    """
    if rate < 0:
        raise OptionError(f"rate={rate!r} is negative.", fix="Give bytes per second, or 0 for no limit.")
    if not 0 <= port <= 65535:
        raise OptionError(f"port={port!r} is out of range.", fix="Give a number from 1 to 65535, or 0 for a free one.")
    store = Store(folder or settings.read().ollama_store, only)
    try:
        sockets = tornado.netutil.bind_sockets(port, host, family=socket.AF_UNSPEC if ":" in host else socket.AF_INET)
    except OSError as error:
        raise BackendError(
            f"Cannot listen on {host}:{port}: {error.strerror}.",
            "Another program has this port, or the address is not this machine's.",
            "Take another port: `labkit mirror --port 0` finds a free one.",
        ) from None

    async def run() -> None:
        server = tornado.httpserver.HTTPServer(application(store, rate), max_body_size=0, idle_connection_timeout=60)
        server.add_sockets(sockets)
        say(announcement(store, host, sockets[0].getsockname()[1]))
        try:
            await asyncio.Event().wait()
        finally:
            server.stop()
            await server.close_all_connections()

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        say("The mirror has stopped.")


def announcement(store: Store, host: str, port: int) -> str:
    """What a teacher needs to know: what is served, who can reach it, and what students type."""
    everywhere = {"0.0.0.0": socket.AF_INET, "::": socket.AF_INET6}
    addresses = own_addresses(everywhere[host]) if host in everywhere else [host]
    local = all(_is_loopback(address) for address in addresses)
    lines = [f"Serving the models of {store.folder}, read-only, on port {port}. Ctrl-C ends it.", ""]
    lines += [
        "Only programs on this machine can reach it. For the class: `labkit mirror --host 0.0.0.0`"
        if local
        else f"EVERYBODY on the networks of this machine can download these models, without a password: {', '.join(addresses)}."
    ]
    at = f"[{addresses[0]}]:{port}" if ":" in addresses[0] else f"{addresses[0]}:{port}"
    lines += ["", f"Students open http://{at} in a browser, or type:"]
    for model in store.models():
        pull, copy = commands(model, at)
        lines.append(f"  {pull}     # {display.bytes_text(model.size)}")
        lines.append(f"  {copy}     # gives it its usual name")
    others = [address for address in addresses[1:] if not _is_loopback(address)]
    if others:
        lines += ["", f"Where {addresses[0]} does not answer, the same with: {', '.join(others)}"]
    return "\n".join(lines)


def commands(model: StoredModel, at: str) -> tuple[str, str]:
    """What a student types: to get a model from an address, and to give it its usual name."""
    return f"ollama pull --insecure {at}/{model.path}", f"ollama cp {at}/{model.path} {model.name}"


def own_addresses(family: int = socket.AF_INET) -> list[str]:
    """This machine's addresses of a family: first the one that it shows to others, before those of containers; loopback last.

    None that holds on one network card alone.
    """
    import psutil

    found = [a.address for nic in psutil.net_if_addrs().values() for a in nic if a.family == family and "%" not in a.address]
    found = [address for address in found if not ipaddress.ip_address(address).is_link_local]
    shown = _shown_address()
    return sorted(found, key=lambda address: (_is_loopback(address), address != shown)) or [
        "127.0.0.1" if family == socket.AF_INET else "::1"
    ]


def _shown_address() -> str:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # an address of nobody's, and nothing is sent: it only asks for the way
        return str(probe.getsockname()[0])
    return ""


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
