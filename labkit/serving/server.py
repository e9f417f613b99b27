"""`serve`: models of labkit as a server on this machine, for every program that speaks OpenAI's protocol or Ollama's chat.

It listens on the loopback address alone, so nobody else on the network can reach it, and it answers no web page of another origin. The
models compute in threads; when a client goes away, its reply is cancelled.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

import tornado.httpserver
import tornado.web

from ..backends.base import Model, Stream
from ..backends.registry import load
from ..errors import BackendError, ModelNotFoundError, OptionError
from ..streaming import Metrics
from . import handlers

DEFAULT_PORT = 8000
LARGEST_BODY = 32 * 2**20
AT_ONCE = 8  # replies under way; what comes meanwhile waits


class Serving:
    """A server that runs in a thread of this process: ``with serve("mini-m", port=0) as server: server.url``.

    Parameters
    ----------
    models : iterable of Model or str
        A name is loaded here and closed with the server; a Model stays open. The first answers requests that name none.
    port : int
        0 takes a free one.

    Attributes
    ----------
    url : str
        Such as http://127.0.0.1:8000; OpenAI clients take ``url + "/v1"``.
    models : dict
        Name -> Model.
    metrics : Metrics
        Figures of all replies, also at /metrics.

    Raises
    ------
    BackendError
        When the port is taken.
    """

    def __init__(self, models: Iterable[Model | str], port: int = DEFAULT_PORT) -> None:
        given = list(models)
        if not given:
            raise OptionError("A server needs a model.", fix='For example serve("mini-m").')
        self.metrics = Metrics()
        self.models: dict[str, Model] = {}
        self._own: list[Model] = []
        self._socket = _listen(port)
        try:
            for model in given:
                if isinstance(model, str):
                    model = load(model)
                    self._own.append(model)
                self.models[model.name] = self.metrics.watch(model)
        except BaseException:
            self._socket.close()
            self._end_models()
            raise
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="labkit-serving")
        self.streams: set[Stream] = set()
        self.busy = 0
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="labkit-serving", daemon=True)
        self._thread.start()
        self._ready.wait()

    async def _run(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = tornado.httpserver.HTTPServer(self._application(), max_buffer_size=LARGEST_BODY)
        server.add_sockets([self._socket])
        self._ready.set()
        await self._over.wait()
        server.stop()
        for stream in list(self.streams):
            stream.cancel()
        await server.close_all_connections()

    def _application(self) -> tornado.web.Application:
        at = {"serving": self}
        return tornado.web.Application(
            [
                (r"/", handlers.Page, at),
                (r"/health", handlers.Health, at),
                (r"/metrics", handlers.Figures, at),
                (r"/v1/models", handlers.Models, at),
                (r"/v1/chat/completions", handlers.ChatCompletions, at),
                (r"/v1/completions", handlers.Completions, at),
                (r"/v1/embeddings", handlers.Embeddings, at),
                (r"/tokenize", handlers.Tokenize, at),
                (r"/apply-template", handlers.Template, at),
                (r"/api/chat", handlers.OllamaChats, at),
                (r"/api/tags", handlers.OllamaTags, at),
            ],
            default_handler_class=handlers.Nothing,
            default_handler_args=at,
            log_function=lambda handler: handlers.log.info("%s %s %d", handler.request.method, handler.request.path, handler.get_status()),
        )

    def model(self, name: Any) -> Model:
        """The model of that name; the first where none is named."""
        if not name:
            return next(iter(self.models.values()))
        if str(name) in self.models:
            return self.models[str(name)]
        raise ModelNotFoundError(f"There is no model {str(name)[:200]!r} here.", f"Served: {', '.join(self.models)}.", "Take one of these.")

    def close(self) -> None:
        """End it: what is under way is cancelled, and the port is free when this returns."""
        if self._loop is not None and self._over is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(20)
        self.pool.shutdown(wait=True, cancel_futures=True)
        self._end_models()

    def _end_models(self) -> None:
        for model in self._own:
            model.close()
        self._own.clear()

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{', '.join(self.models)} · {self.url}>"


def _listen(port: int) -> socket.socket:
    try:
        listener = socket.create_server(("127.0.0.1", port))
        listener.setblocking(False)
        return listener
    except (OSError, OverflowError) as error:
        raise BackendError(
            f"Nothing can be served on port {port}: {getattr(error, 'strerror', None) or error}.",
            "Another program has the port, perhaps an earlier server.",
            "Close that one, or take a free port: port=0 (`labkit serve --port 0`).",
        ) from None


def serve(*models: Model | str, port: int = DEFAULT_PORT) -> Serving:
    """Start a server in a thread of this process; `Serving` says what comes back, and `close()` ends it.

    >>> import httpx
    >>> with serve("mini-m", port=0) as server:
    ...     httpx.get(server.url + "/v1/models").json()["data"][0]["id"]
    'mini-m'
    """
    return Serving(models, port)


def run(models: Iterable[str], port: int = DEFAULT_PORT, say: Callable[[str], None] = print) -> None:
    """Serve until Ctrl-C."""
    with Serving(models, port) as server:
        name, base = next(iter(server.models)), f"{server.url}/v1"
        say(f"Serving {', '.join(server.models)} at {server.url}, for programs on this machine. Ctrl-C ends it.")
        say(f'  OpenAI clients: base_url="{base}", any api_key. labkit: load("openai:{name}@{base}")')
        body = '{"stream": true, "messages": [{"role": "user", "content": "Hello"}]}'
        say(f"  curl {base}/chat/completions -d '{body}'")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            say("The server has stopped.")
