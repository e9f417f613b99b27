"""`OpenAIModel`: a model of any server that speaks the OpenAI protocol: Ollama's /v1, llama.cpp, llama-cpp-python, vLLM, LM Studio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import settings
from ..chat import Sent, as_messages
from ..errors import BackendError, CapabilityError, LabError, ModelNotFoundError, OptionError, UnexpectedResponseError
from . import servers
from .base import End, Events, Model, ModelInfo, Prompt, Request
from .http import CancelledError, Guard, RefusedError, Server, address
from .ollama_words import REPEATED
from .openai_wire import Answer, message_dict
from .wire import is_too_long, numbers, texts_of, too_long, unit_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["OpenAIModel", "served_models"]

START = "Start it, or correct the address: it ends in /v1 on most servers."
EMBED_BATCH = 32
_FINISH = {"function_call": "tool_calls", "content_filter": "stop", "eos": "stop"}


def base_url(url: str) -> str:
    """An address as people type it, with the scheme and /v1 that they leave out.

    >>> base_url("127.0.0.1:8000")
    'http://127.0.0.1:8000/v1'
    >>> base_url("https://lab.school/api/v1/")
    'https://lab.school/api/v1'
    """
    text = url.strip()
    text = text if not text or "://" in text else f"http://{text}"
    fix = 'Give it after @: load("openai:NAME@http://127.0.0.1:8000/v1").'
    if not text:
        raise OptionError("The address of the server is missing.", fix=fix)
    parts = address(text, fix)
    return text.rstrip("/") if parts.path.strip("/") else f"{text.rstrip('/')}/v1"


def served_models(url: str, timeout: float = 30.0, api_key: str | None = None) -> list[str]:
    """Names of the models that a server offers."""
    return [str(model["id"]) for model in _models(_server(url, api_key), timeout)]


def _server(url: str, api_key: str | None) -> Server:
    return Server(base_url(url), "", start=START, api_key=settings.read().api_key if api_key is None else api_key)


def _models(server: Server, timeout: float = 30.0) -> list[dict[str, Any]]:
    answer = server.json("/models", guard=Guard(timeout))
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list):
        raise server.unexpected("no list of models")
    return [model for model in data if isinstance(model, dict) and model.get("id")]


class OpenAIModel(Model):
    """A model of an OpenAI-compatible server.

    Parameters
    ----------
    name : str
        As the server lists it; empty takes its only model.
    url : str
        The server's address, such as http://127.0.0.1:8000/v1.
    api_key : str or None
        None takes LABKIT_API_KEY. Never shown.
    timeout : float
        Deadline of calls that generate nothing, in seconds.
    """

    at_once = 8  # what the server does not take together waits there

    def __init__(self, name: str, url: str, api_key: str | None = None, timeout: float = 30.0) -> None:
        self.http = _server(url, api_key)
        self._timeout = timeout
        served = self._served(timeout)
        self._id = self._choose(name.strip(), served)
        self.name = f"openai:{self._id}@{self.http.url}"
        listed = next((model for model in served if model["id"] == self._id), {})
        self.kind = servers.recognize(self.http, listed, timeout)
        self.engine = self.kind.engine
        self.context_window = self.kind.context_window(self._id, listed)

    def _served(self, timeout: float) -> list[dict[str, Any]]:
        try:
            return _models(self.http, timeout)
        except RefusedError as error:
            if error.status in (404, 405, 501):
                return []
            raise

    def _choose(self, name: str, served: Sequence[Mapping[str, Any]]) -> str:
        offered = [str(model["id"]) for model in served]
        if not name and len(offered) == 1:
            return offered[0]
        if not name:
            raise OptionError(
                f"Which model of {self.http.url}?", f"It offers: {', '.join(offered) or 'no list'}.", 'Name it: load("openai:NAME@URL").'
            )
        # Ollama leaves out :latest; a server without a list, and gateways that list only a part, are asked when it counts.
        if not offered or name in offered or f"{name}:latest" in offered or len(offered) > 50:
            return name
        raise self._not_found(name, offered)

    def _not_found(self, name: str, offered: Sequence[str] | None = None) -> ModelNotFoundError:
        if offered is None:
            try:
                offered = [str(model["id"]) for model in _models(self.http, self._timeout)]
            except LabError:
                offered = []
        return ModelNotFoundError(
            f"The server at {self.http.url} has no model {name!r}.",
            f"It has: {', '.join(offered) or 'no list'}.",
            "Take one of these; on an Ollama server, get it: `ollama pull NAME`." if offered else "",
        )

    # -- what goes out --------------------------------------------------------------------------------------------------------

    def _body(self, request: Request) -> dict[str, Any]:
        options = request.options
        body: dict[str, Any] = {"model": self._id, "stream": True, "stream_options": {"include_usage": True}}
        if request.prompt is not None:
            body["prompt"] = request.prompt
        else:
            body["messages"] = [message_dict(message) for message in request.messages]
            body |= {"tools": [dict(tool) for tool in options.tools]} if options.tools else {}
        body |= {name: getattr(options, name) for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed")}
        body |= {"stop": [*options.stop]} if options.stop else {}
        body |= {} if options.max_tokens is None else {"max_tokens": options.max_tokens}
        return body | self.kind.extensions(options, request.prompt is not None)

    # -- what comes back ------------------------------------------------------------------------------------------------------

    def _events(self, request: Request) -> Events:
        raw = request.prompt is not None
        self.kind.check(self._id, request)
        body = self._body(request)
        guard = Guard(request.options.timeout, request.deadline, cancelled=request.cancelled)
        path = _path(request)
        answer = Answer()
        try:
            yield Sent(self.engine, body, self.kind.ignored(request.options, raw))
            room = None if request.options.truncate else self.kind.room(self._id, request, guard)
            if room is not None and room < body.get("max_tokens", room + 1):
                body["max_tokens"] = room
                yield Sent(self.engine, body, self.kind.ignored(request.options, raw))
            try:
                yield from self._read(path, body, guard, answer, raw)
            except RefusedError as error:
                if "max_completion_tokens" not in error.message or "max_tokens" not in body:
                    raise
                # OpenAI's own newer models know the limit by this name only.
                body["max_completion_tokens"] = body.pop("max_tokens")
                yield Sent(self.engine, body, self.kind.ignored(request.options, raw))
                yield from self._read(path, body, guard, answer, raw)
            yield self._end(request, body, guard, answer)
        except CancelledError:
            yield End("cancelled")
        except RefusedError as error:
            raise self._meaning(error) from None
        except UnexpectedResponseError:
            if not any(answer.pieces):  # llama-cpp-python drops the connection where the others say what is wrong
                self._ask_why(path, body, guard)
            raise

    def _read(self, path: str, body: Mapping[str, Any], guard: Guard, answer: Answer, raw: bool) -> Events:
        for event in self.http.events(path, body, guard):
            if event is None:
                return
            with self.http.shape(event):
                delta = answer.add(event, raw)
            if delta.text or delta.thinking:
                yield delta

    def _end(self, request: Request, body: dict[str, Any], guard: Guard, answer: Answer) -> End:
        if not answer.finish_reason:
            raise self._broke_off("an answer that ends without a finish_reason, so it is not whole")
        usage = answer.usage
        if usage.prompt_tokens is None:
            usage = self.kind.count(self._id, _path(request), body, answer.pieces, guard)
        window = self.context_window
        if window and usage.prompt_tokens and usage.prompt_tokens >= window and not request.options.truncate:
            raise too_long(usage.prompt_tokens, window, self.kind.longer())
        calls = answer.tool_calls()
        reason = "tool_calls" if calls else _FINISH.get(answer.finish_reason, answer.finish_reason)
        return End(reason, usage, calls)

    def _broke_off(self, what: str) -> UnexpectedResponseError:
        problem = self.http.unexpected(what)
        problem.cause, problem.fix = self.kind.breaks_off or (problem.cause, problem.fix)
        return problem

    def _ask_why(self, path: str, body: Mapping[str, Any], guard: Guard) -> None:
        try:
            self.kind.probe(path, body, guard)
        except RefusedError as error:
            raise self._meaning(error) from None
        except (UnexpectedResponseError, CancelledError):
            return

    def _meaning(self, error: RefusedError) -> BackendError:
        """What an error of the server means."""
        if is_too_long(error.message):
            prompt_tokens, window = numbers(error.message)
            return too_long(prompt_tokens, window or self.context_window, self.kind.longer())
        lowered = error.message.lower()
        if "model" in lowered and ("not found" in lowered or "does not exist" in lowered or error.status == 404):
            return self._not_found(self._id)
        if REPEATED in lowered:
            return self._broke_off(f"an answer that is not whole ({error.message})")
        if "does not support" in lowered or "not supported" in lowered or "mmproj" in lowered:
            return CapabilityError(str(error.what), fix="Take a model that can, or leave that out.")
        return error

    # -- the rest -------------------------------------------------------------------------------------------------------------

    def render(self, prompt: Prompt, *, system: str = "") -> str:
        self._check_open()
        text = self.kind.render(self._id, [message_dict(message) for message in as_messages(prompt, system)])
        return super().render(prompt, system=system) if text is None else text

    def count_tokens(self, prompt: Prompt) -> int:
        """Tokens of a text, or of a conversation with its chat template, where the server tells."""
        self._check_open()
        guard = Guard(300.0)
        try:
            if isinstance(prompt, str):
                count = self.kind.count_text(self._id, prompt, guard)
            else:
                count = self.kind.count_chat(self._id, as_messages(prompt), guard)
        except RefusedError as error:
            raise self._meaning(error) from None
        return super().count_tokens(prompt) if count is None else count

    def embed(self, texts: str | Sequence[str]) -> NDArray[np.float32]:
        self._check_open()
        items, guard = texts_of(texts), Guard(300.0)
        rows: list[Any] = []
        for start in range(0, len(items), EMBED_BATCH):
            batch = items[start : start + EMBED_BATCH]
            try:
                answer = self.http.json("/embeddings", {"model": self._id, "input": batch, "encoding_format": "float"}, guard)
                tokens = (answer.get("usage") or {}).get("prompt_tokens") if isinstance(answer, dict) else None
                self.kind.check_embedded(self._id, batch, tokens, guard, self.context_window)
            except RefusedError as error:
                meaning = self._meaning(error)
                if isinstance(meaning, RefusedError) and error.status in (400, 404, 500, 501):
                    raise CapabilityError(f"{error.what}", "This model or server does not embed.") from None
                raise meaning from None
            data = answer.get("data") if isinstance(answer, dict) else None
            if not isinstance(data, list) or len(data) != len(batch) or not all(isinstance(item, dict) for item in data):
                raise self.http.unexpected(f"no vectors for {len(batch)} texts")
            rows += [item.get("embedding") for item in sorted(data, key=lambda item: int(item.get("index", 0)))]
        return unit_vectors(rows, None, self.http.unexpected)

    def info(self) -> ModelInfo:
        return ModelInfo(self.name, "OpenAI-compatible", context_window=self.context_window, note=self.engine)


def _path(request: Request) -> str:
    return "/chat/completions" if request.prompt is None else "/completions"
