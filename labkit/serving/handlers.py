"""What the server answers at each of its addresses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import tornado.iostream
import tornado.web

from .. import __version__
from ..backends.base import Model, Stream
from ..backends.net import is_loopback
from ..errors import BackendError, LabError, OptionError
from .replies import Chat, Completion, Form, OllamaChat, plain, status_of
from .requests import messages_of, ollama_options, options_of, part_of

if TYPE_CHECKING:
    from .server import Serving

QUEUE = 64  # requests under way and waiting; more are refused

log = logging.getLogger("labkit.serving")


class Handler(tornado.web.RequestHandler):
    form: Form = Chat("")

    def initialize(self, serving: Serving) -> None:
        self.serving = serving

    def set_default_headers(self) -> None:
        self.set_header("Server", f"labkit/{__version__}")
        self.set_header("X-Content-Type-Options", "nosniff")

    def prepare(self) -> None:
        """Only this machine's own pages and programs: a foreign page reaches the address too, by its visitor's browser."""
        host, origin = self.request.host_name, self.request.headers.get("Origin", "")
        page = urlsplit(origin).hostname or "" if origin else ""
        if not is_loopback(host.strip("[]")) or (origin and not is_loopback(page)):
            self.fail(OptionError(f"Host {host!r} or origin {origin!r} is not this machine's.", fix="Address it as 127.0.0.1."), 403)
            return
        if origin:
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Access-Control-Allow-Headers", "*")
            self.set_header("Vary", "Origin")

    def options(self, *parts: str) -> None:
        """The question that a browser asks first."""
        self.set_status(204)

    def fail(self, error: BaseException, status: int = 0) -> None:
        """Answer with an error."""
        self.clear()
        self.set_status(status or status_of(error)[0])
        self.say(self.form.error(error))
        self.finish()

    def say(self, value: Any) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.write(plain(value))

    def body(self) -> Mapping[str, Any]:
        try:
            value = json.loads(self.request.body.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise OptionError(f"The body is no JSON: {str(error)[:100]}.", fix='Send {"messages": [...]}, encoded as UTF-8.') from None
        if not isinstance(value, Mapping):
            raise OptionError("The body is no JSON object.")
        return value

    def write_error(self, status_code: int, **given: Any) -> None:
        error = given.get("exc_info", (None, None))[1]
        kind = error if isinstance(error, LabError) else OptionError(f"{self._reason}.") if status_code < 500 else RuntimeError()
        self.say(self.form.error(kind))
        self.finish()


class Answer(Handler):
    """A request for a reply, streamed or whole."""

    stream: Stream | None = None

    def begin(self, body: Mapping[str, Any]) -> tuple[Stream, Form, bool]:
        raise NotImplementedError

    async def post(self) -> None:
        serving, loop = self.serving, asyncio.get_running_loop()
        if serving.busy >= QUEUE:
            self.fail(BackendError("The server is busy.", f"{QUEUE} requests are under way.", "Try again in a moment."), 503)
            return
        serving.busy += 1
        try:
            try:
                self.stream, self.form, streamed = self.begin(self.body())
            except LabError as error:
                self.fail(error)
                return
            serving.streams.add(self.stream)
            pieces: asyncio.Queue[Any] = asyncio.Queue()

            def put(item: Any) -> None:
                with contextlib.suppress(RuntimeError):  # the server was closed meanwhile
                    loop.call_soon_threadsafe(pieces.put_nowait, item)

            done = loop.run_in_executor(serving.pool, _read, self.stream, put)
            await (self._streamed(pieces) if streamed else self._whole(pieces))
            await done
        except tornado.iostream.StreamClosedError:
            pass  # the client has gone: `on_connection_close` has cancelled it
        finally:
            serving.busy -= 1
            if self.stream is not None:
                self.stream.cancel()
                serving.streams.discard(self.stream)

    async def _whole(self, pieces: asyncio.Queue[Any]) -> None:
        while True:
            item = await pieces.get()
            if isinstance(item, BaseException):
                self.fail(item)
                return
            if item is None:
                assert self.stream is not None and self.stream.reply is not None
                self.say(self.form.whole(self.stream.reply))
                return

    async def _streamed(self, pieces: asyncio.Queue[Any]) -> None:
        """The status is sent with the first piece, so that an error before it has its own."""
        item = await pieces.get()
        if isinstance(item, BaseException):
            self.fail(item)
            return
        self.set_header("Content-Type", self.form.content_type)
        self.set_header("Cache-Control", "no-store")
        self.write(self.form.first())
        while item is not None and not isinstance(item, BaseException):
            self.write(self.form.piece(item))
            await self.flush()
            item = await pieces.get()
        assert self.stream is not None
        if item is not None:
            self.write(self.form.line(self.form.error(item)))
        elif self.stream.reply is not None and self.stream.reply.finish_reason != "cancelled":
            self.write(self.form.last(self.stream.reply))

    def on_connection_close(self) -> None:
        if self.stream is not None:
            self.stream.cancel()


def _read(stream: Stream, put: Callable[[Any], object]) -> None:
    """In a thread: every chunk, then None or what was raised."""
    try:
        for chunk in stream:
            put(chunk)
        put(None)
    except LabError as error:
        put(error)
    except Exception as error:
        log.exception("a reply failed")
        put(error)


class ChatCompletions(Answer):
    def begin(self, body: Mapping[str, Any]) -> tuple[Stream, Form, bool]:
        model = self.serving.model(body.get("model"))
        usage = bool(part_of(body, "stream_options").get("include_usage"))
        stream = model.stream(messages_of(body.get("messages")), options=options_of(body))
        return stream, Chat(model.name, usage), bool(body.get("stream"))


class Completions(Answer):
    def begin(self, body: Mapping[str, Any]) -> tuple[Stream, Form, bool]:
        model = self.serving.model(body.get("model"))
        usage = bool(part_of(body, "stream_options").get("include_usage"))
        stream = model.stream_text(body.get("prompt") or "", options=options_of(body))
        return stream, Completion(model.name, usage), bool(body.get("stream"))


class OllamaChats(Answer):
    form: Form = OllamaChat("")

    def begin(self, body: Mapping[str, Any]) -> tuple[Stream, Form, bool]:
        model = self.serving.model(str(body.get("model") or "").removesuffix(":latest"))
        stream = model.stream(messages_of(body.get("messages")), options=ollama_options(body))
        return stream, OllamaChat(model.name), body.get("stream") is not False


class Call(Handler):
    """A request that a thread answers with one JSON value."""

    def answer(self, body: Mapping[str, Any], model: Model) -> Any:
        raise NotImplementedError

    async def post(self) -> None:
        try:
            body = self.body()
            model = self.serving.model(body.get("model"))
            value = await asyncio.get_running_loop().run_in_executor(self.serving.pool, self.answer, body, model)
        except LabError as error:
            self.fail(error)
            return
        self.say(value)


class Embeddings(Call):
    def answer(self, body: Mapping[str, Any], model: Model) -> Any:
        options_of(body)  # refuses what is not obeyed
        given = body.get("input")
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise OptionError("'input' is no text and no list of texts.", fix='Send {"input": ["one", "two"]}.')
        vectors = model.embed(texts)
        data = [{"object": "embedding", "index": number, "embedding": vector.tolist()} for number, vector in enumerate(vectors)]
        tokens = sum(model.count_tokens(text) for text in texts)
        return {"object": "list", "model": model.name, "data": data, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


class Tokenize(Call):
    def answer(self, body: Mapping[str, Any], model: Model) -> Any:
        return {"count": model.count_tokens(body["content"] if isinstance(body.get("content"), str) else messages_of(body.get("messages")))}


class Template(Call):
    def answer(self, body: Mapping[str, Any], model: Model) -> Any:
        return {"prompt": model.render(messages_of(body.get("messages")))}


class Models(Handler):
    def get(self) -> None:
        shared = {"object": "model", "created": int(time.time()), "owned_by": "labkit"}
        entries = [
            {"id": name} | shared | {"context_window": model.context_window, "engine": model.engine}
            for name, model in self.serving.models.items()
        ]
        self.say({"object": "list", "data": entries})


class OllamaTags(Handler):
    def get(self) -> None:
        self.say({"models": [{"name": name, "model": name} for name in self.serving.models]})


class Health(Handler):
    def get(self) -> None:
        self.say({"status": "ok", "version": __version__, "models": list(self.serving.models), "under_way": self.serving.busy})


class Figures(Handler):
    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.write(self.serving.metrics.text())


class Page(Handler):
    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.write(f"labkit {__version__} serves {', '.join(self.serving.models)}.\n")
        self.write("POST /v1/chat/completions, /v1/completions, /v1/embeddings, /api/chat; GET /v1/models, /health, /metrics.\n")


class Nothing(Handler):
    def prepare(self) -> None:
        error = OptionError(f"There is nothing at {self.request.path[:100]!r}.", fix="GET / says what there is.")
        self.fail(error, 404)
