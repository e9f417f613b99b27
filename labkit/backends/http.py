"""HTTP for the engines that are servers: JSON, lines of JSON, server-sent events; and what every failure is called.

No redirects (a prompt or key would go where nobody meant it to), no proxy for this machine's own addresses, a size limit, and one
deadline for the whole call.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

import httpcore

from .. import settings
from ..errors import BackendError, OptionError, OutOfMemoryError, ServerNotRunningError, UnexpectedResponseError
from .base import timeout_error
from .net import Backend, CancelledError, DeadlineError, Guard, is_loopback

__all__ = ["CancelledError", "Guard", "RefusedError", "Server"]

MAX_BODY = 256 * 2**20
MAX_LINE = 16 * 2**20
SHORTEST_KEY = 8
TRUST = "If that certificate is right, name its file: set SSL_CERT_FILE before Python starts."
_MEMORY = re.compile(r"out of memory|more system memory|insufficient memory|unable to allocate|cudaMalloc failed|failed to allocate", re.I)
_RUNNER = re.compile(r"runner process has terminated|unable to load model|error loading model", re.I)


class RefusedError(BackendError):
    """The server answered with an error; an adapter that knows what it means raises something more telling.

    Attributes
    ----------
    status : int
        HTTP status; 0 for an error in mid-stream.
    message : str
        What the server said.
    """

    status: int = 0
    message: str = ""


def address(url: str, fix: str = "An address looks like http://127.0.0.1:11434.") -> SplitResult:
    """The parts of a server's address; OptionError where it is none, or holds a password, which would be shown with it."""
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise OptionError(
            "The address of the server holds a user name or a password.",
            "labkit shows and stores addresses.",
            "Leave them out, and give a key apart: api_key=..., or LABKIT_API_KEY.",
        )
    parts = _parts(url)
    if parts is None:
        raise OptionError(f"{url!r} is not the address of a server.", fix=fix)
    return parts


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 else None
    except ValueError:  # a bracket too many, a port that is no number
        return None


class Server:
    """One server at one address.

    Parameters
    ----------
    url : str
        Base of all its paths.
    name : str
        What to call it in messages, such as 'Ollama'; empty for "the server".
    start : str
        What to do when nobody answers.
    api_key : str
        Sent as a bearer token and never shown.
    """

    def __init__(self, url: str, name: str, start: str, api_key: str = "") -> None:
        self.url, self.name, self._start = url.rstrip("/"), name, start
        self.host = address(self.url).hostname or ""
        self.local = is_loopback(self.host)
        self._who = f"{name or 'The server'} ({self.url})"
        self._headers = {"user-agent": "labkit", "accept-encoding": "identity"}
        self._key = api_key.strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise OptionError(
                "The API key holds a character that no key has.",
                "Probably something was copied along with it.",
                "Copy it again: api_key=..., or LABKIT_API_KEY.",
            )
        if self._key:
            self._headers["authorization"] = f"Bearer {self._key}"

    def __repr__(self) -> str:
        return f"<{self._who}>"

    def at(self, url: str) -> Server:
        """The same server, and key, under another base."""
        return Server(url, self.name, self._start, self._key)

    # -- calls ----------------------------------------------------------------------------------------------------------------

    def json(self, path: str, body: Any = None, guard: Guard | None = None, method: str = "") -> Any:
        """One call, one JSON value back (None for an empty body)."""
        with self._open(path, body, guard or Guard(30.0), method) as response:
            data = b"".join(self._body(response, "json"))
            return self._parse(data, "") if data.strip() else None

    def upload(self, path: str, content: Iterable[bytes], size: int, guard: Guard) -> None:
        """Send bytes."""
        headers = {"content-type": "application/octet-stream", "content-length": str(size)}
        with self._open(path, content, guard, "POST", headers) as response:
            b"".join(self._body(response, ""))

    def exists(self, path: str, guard: Guard | None = None) -> bool:
        """Whether HEAD finds it."""
        try:
            with self._open(path, None, guard or Guard(30.0), "HEAD"):
                return True
        except RefusedError as error:
            if error.status == 404:
                return False
            raise

    def lines(self, path: str, body: Any, guard: Guard) -> Iterator[dict[str, Any]]:
        """A stream of JSON objects, one a line. A line that is an error is raised."""
        with self._open(path, body, guard) as response:
            for line in _split(self._body(response, "json")):
                if line.strip():
                    yield self._object(self._parse(line, "a line of "))

    def events(self, path: str, body: Any, guard: Guard) -> Iterator[dict[str, Any] | None]:
        """A stream of server-sent events: JSON objects, and None for the [DONE] that ends it."""
        with self._open(path, body, guard) as response:
            data: list[bytes] = []
            for raw in _split(self._body(response, "event-stream")):
                line = raw.rstrip(b"\r")
                if line.startswith(b"data:"):
                    data.append(line[5:].removeprefix(b" "))
                elif not line and data:
                    yield self._event(b"\n".join(data))
                    data = []
                elif line and not line.startswith((b":", b"event:", b"id:", b"retry:")):
                    raise self.unexpected("a line that is no server-sent event", line)
            if data:
                yield self._event(b"\n".join(data))

    def _event(self, data: bytes) -> dict[str, Any] | None:
        return None if data.strip() == b"[DONE]" else self._object(self._parse(data, "an event of "))

    # -- one request ----------------------------------------------------------------------------------------------------------

    @contextmanager
    def _open(
        self, path: str, body: Any, guard: Guard, method: str = "", extra: Mapping[str, str] | None = None
    ) -> Iterator[httpcore.Response]:
        headers: dict[Any, Any] = self._headers | dict(extra or {})
        content = body
        if extra is None and body is not None:
            try:
                content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
            except (TypeError, ValueError, RecursionError) as error:
                fix = "Use dict, list, str, int, float, True, False and None in schemas and tools."
                raise OptionError(f"What was to be sent is no JSON: {error}.", fix=fix) from None
            headers["content-type"] = "application/json"
        try:
            with (
                self._pool(guard) as pool,
                pool.stream(method or ("GET" if body is None else "POST"), self.url + path, headers=headers, content=content) as response,
            ):
                if response.status != 200 and response.status not in (201, 204):
                    self._refuse(response)
                yield response
        except DeadlineError:
            raise timeout_error(guard.timeout, who=f"The answer of {self.name or 'the server'}") from None
        except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.ProxyError) as error:
            kind, proxy, fix = f"{self.name} server" if self.name else "server", self._proxy(), self._start
            if proxy:
                fix = f"See whether that proxy is right (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY), or go without it: NO_PROXY={self.host}."
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                fix = TRUST
            through = f" through the proxy {proxy.netloc.rpartition('@')[2]}" if proxy else ""
            raise ServerNotRunningError(f"No {kind} answers at {self.url}{through} ({error}).", fix=fix) from None
        except (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError, httpcore.LocalProtocolError) as error:
            raise UnexpectedResponseError(
                f"{self._who} broke off in the middle: {error}.",
                "The server stopped or was stopped, or a proxy between cut the connection.",
                "Try again; if it happens again, look at the server's log.",
            ) from None

    def _pool(self, guard: Guard) -> httpcore.ConnectionPool:
        # A new connection for each call: opening one on this machine takes less than a millisecond, and a stale one never hurts.
        proxy = self._proxy()
        if proxy is None:
            return httpcore.ConnectionPool(network_backend=Backend(guard))
        auth = (unquote_to_bytes(proxy.username), unquote_to_bytes(proxy.password or "")) if proxy.username else None
        return httpcore.HTTPProxy(proxy_url=proxy.geturl(), proxy_auth=auth, network_backend=Backend(guard))

    def _proxy(self) -> SplitResult | None:
        """The proxy on the way to this server, where the environment names one; its address may hold a password, and is never shown."""
        proxy = "" if self.local else settings.proxy_for(self.url)
        parts = _parts(proxy)
        if proxy and parts is None:
            raise OptionError(
                f"The proxy on the way to {self.url} is none that labkit can use.",
                "It comes from HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or from the system's settings.",
                f"Name one like http://127.0.0.1:3128, or go without it: NO_PROXY={self.host}.",
            )
        return parts

    def _body(self, response: httpcore.Response, kind: str) -> Iterator[bytes]:
        """The body piece by piece, unpacked, after a look at what it says that it is."""
        headers = {name.lower(): value.decode("latin-1").lower() for name, value in response.headers}
        content_type = headers.get(b"content-type", "")
        unpack = zlib.decompressobj(wbits=47) if headers.get(b"content-encoding", "") in ("gzip", "deflate") else None
        wrong = bool(kind and content_type and kind not in content_type)
        size, start = 0, b""
        try:
            for piece in response.iter_stream():
                data = unpack.decompress(piece, MAX_BODY) if unpack else piece
                size += len(data)
                if size > MAX_BODY:
                    raise self.unexpected(f"more than {MAX_BODY // 2**20} MiB", start)
                if wrong or len(start) < 200:
                    start += data[:1000]
                if not wrong:
                    yield data
                elif len(start) > 1000:
                    break
        except zlib.error:
            raise self.unexpected("compressed data that cannot be unpacked", b"") from None
        if wrong:
            due = "a stream of events" if kind == "event-stream" else "JSON"
            raise self.unexpected(f"{content_type.split(';')[0]!r} instead of {due}", start)

    def _parse(self, data: bytes, where: str) -> Any:
        try:
            return json.loads(data.decode("utf-8"))
        except (ValueError, RecursionError):
            raise self.unexpected(f"{where}something that is not JSON", data) from None

    def _object(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.unexpected("JSON that is no object", json.dumps(value).encode())
        if value.get("error"):
            self.refuse(0, _message(value))
        return value

    # -- failures -------------------------------------------------------------------------------------------------------------

    def unexpected(self, what: str, data: bytes = b"") -> UnexpectedResponseError:
        """The error of an answer that is not what the protocol promises."""
        start = self._hidden(data[:800].decode("utf-8", "replace"))[:200]
        return UnexpectedResponseError(
            f"{self._who} sent {what}.",
            f"It begins: {start!r}." if start else "",
            f"Is that really {self.name or 'such a server'}, and not a proxy or another program on this port?",
        )

    @contextmanager
    def shape(self, data: Mapping[str, Any]) -> Iterator[None]:
        """What reads JSON inside may fail on another shape than the protocol's."""
        try:
            yield
        except (AttributeError, KeyError, TypeError):
            raise self.unexpected("an answer of another shape", json.dumps(data).encode()) from None

    def _refuse(self, response: httpcore.Response) -> NoReturn:
        if 300 <= response.status < 400:
            target = dict(response.headers).get(b"Location", b"") or dict(response.headers).get(b"location", b"")
            raise UnexpectedResponseError(
                f"{self._who} redirects to {self._hidden(target.decode('latin-1'))!r}.",
                "labkit follows no redirect: prompt and key would go where you did not send them.",
                "If that address is right, give it yourself.",
            )
        data = b"".join(self._body(response, ""))
        try:
            value = json.loads(data)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            if response.status in (401, 403):
                self.refuse(response.status, data[:200].decode("utf-8", "replace"))
            if not data and response.status in (404, 503):
                self.refuse(response.status, "")
            raise self.unexpected(f"status {response.status} without an error that can be read", data)
        self.refuse(response.status, _message(value))

    def _hidden(self, text: str) -> str:
        """What a server said, without the key; what is shorter than any key ("x", "ollama") is a word and stays."""
        return text.replace(self._key, "…") if len(self._key) >= SHORTEST_KEY else text

    def refuse(self, status: int, message: str) -> NoReturn:
        """Raise what an error of the server means, as far as every server means the same by it."""
        message = self._hidden(message)
        said = f"{self._who} answered: {message.strip() or 'nothing'}{f' (HTTP {status})' if status else ''}."
        if _MEMORY.search(message):
            raise OutOfMemoryError(
                said,
                "The model, its context window and what else runs need more memory than there is.",
                "Take a smaller model or context_window, or free memory: `ollama ps` shows what is loaded, `ollama stop NAME` unloads it.",
            )
        if status in (401, 403):
            raise BackendError(
                said,
                "The key is missing or wrong, or the server does not let this host name or origin in.",
                "Give the key (api_key=..., or LABKIT_API_KEY), or address the server as http://127.0.0.1:PORT.",
            )
        if status == 429:
            raise BackendError(said, "Too many requests, or the quota is used up.", "Wait a moment and try again, or look at your account.")
        if status == 503:
            raise BackendError(
                said,
                "The server's queue is full: it has more requests than it takes.",
                "Wait a moment and try again (Ollama takes OLLAMA_MAX_QUEUE requests, 512 by default).",
            )
        problem = RefusedError(said, "", "Look at the server's log." if status == 500 or _RUNNER.search(message) else "")
        problem.status, problem.message = status, message
        raise problem


def _message(value: Mapping[str, Any]) -> str:
    error = value.get("error", value.get("detail", value.get("message", "")))
    if isinstance(error, Mapping):
        error = error.get("message", error)
    return error if isinstance(error, str) else json.dumps(error)


def _split(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Lines, whole ones: half a character or half a line never leaves here. What follows the last line break comes last."""
    rest = bytearray()
    for piece in pieces:
        looked = len(rest)
        rest += piece
        while (end := rest.find(b"\n", looked)) >= 0:
            yield bytes(rest[:end])
            del rest[: end + 1]
            looked = 0
        if len(rest) > MAX_LINE:
            raise UnexpectedResponseError(f"The server sent a line of more than {MAX_LINE // 2**20} MiB.")
    if rest:
        yield bytes(rest)
