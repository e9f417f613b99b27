"""What the servers behind the OpenAI protocol do differently: which options they take, and whether they cut a prompt silently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ..chat import Message, Options, Usage
from ..errors import CapabilityError, LabError
from .base import Request
from .http import Guard, RefusedError, Server
from .ollama_prompt import about_tokens, chat_body
from .ollama_store import OllamaServer
from .ollama_words import GAVE_UP
from .openai_wire import message_dict
from .wire import is_too_long, too_long

TEMPLATE_BYTES = 64  # of a template around one message, at most
OWNERS = {"labkit": "labkit", "me": "llama_cpp", "llamacpp": "llama.cpp", "vllm": "vLLM"}  # /v1/models "owned_by" -> who it is
REFUSES = "this server cuts nothing: it refuses a prompt that does not fit"
EFFORT = {True: "medium", False: "none"}


class Kind:
    """A server of which nothing is known but the protocol."""

    engine = "OpenAI-compatible server"
    is_ollama = False
    # labkit's option -> the field that this server takes beyond the protocol.
    extra: ClassVar[Mapping[str, str]] = {}
    why = "not part of the OpenAI protocol, and this server is not known to take it"
    # Why truncate=True changes nothing; empty where it does.
    uncut = "it is not known what this server does with a prompt that does not fit"
    breaks_off: ClassVar[tuple[str, str] | None] = None  # why it may end a stream early and what helps, where that is known

    def __init__(self, http: Server, timeout: float = 30.0) -> None:
        self.http, self.timeout = http, timeout

    def context_window(self, model: str, listed: Mapping[str, Any]) -> int | None:
        """Tokens that fit, where the server tells."""
        window = listed.get("max_model_len") or listed.get("context_length") or listed.get("context_window")
        return window if isinstance(window, int) else None

    def extensions(self, options: Options, raw: bool) -> dict[str, Any]:
        """Fields beyond what every server takes."""
        fields: dict[str, Any] = {theirs: getattr(options, ours) for ours, theirs in self.extra.items()}
        if options.schema is not None:
            fields["response_format"] = self.response_format(options.schema)
        if options.think is not None and not raw:
            fields |= self.thinking(options.think)
        return fields

    def response_format(self, schema: Mapping[str, Any] | str) -> dict[str, Any]:
        """The field that asks for JSON."""
        if isinstance(schema, str):
            return {"type": "json_object"}
        return {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema), "strict": True}}

    def thinking(self, think: bool | str) -> dict[str, Any]:
        """The field that asks a model to think, or not to."""
        return {"reasoning_effort": think if isinstance(think, str) else EFFORT[think]}

    def ignored(self, options: Options, raw: bool) -> dict[str, str]:
        """Option -> why this server does not obey it."""
        ignored = {name: self.why for name in ("top_k", "min_p", "repeat_penalty", "repeat_last_n") if name not in self.extra}
        if options.truncate and self.uncut:
            ignored["truncate"] = self.uncut
        if raw and options.max_tokens is None and "max_tokens" not in self.extra:
            ignored["max_tokens"] = "the protocol has no 'no limit' for text without a template: most servers stop after 16 tokens"
        return ignored

    def check(self, model: str, request: Request) -> None:
        """Refuse what the server would take and then not do."""

    def room(self, model: str, request: Request, guard: Guard) -> int | None:
        """Tokens that the answer may have, where the server would drop a part of the prompt for a longer one; None for no limit.

        Raises ContextWindowExceededError where it would cut the prompt itself.
        """
        return None

    def probe(self, path: str, body: Mapping[str, Any], guard: Guard) -> int | None:
        """Tokens of a prompt, from a reply of one token that is not streamed."""
        short = {key: value for key, value in body.items() if key not in ("stream", "stream_options", "max_completion_tokens")}
        answer = self.http.json(path, short | {"max_tokens": 1}, guard)
        count = (answer.get("usage") or {}).get("prompt_tokens") if isinstance(answer, dict) else None
        return count if isinstance(count, int) else None

    def count(self, model: str, path: str, body: Mapping[str, Any], pieces: Sequence[str], guard: Guard) -> Usage:
        """Usage of a finished reply, where the stream did not tell."""
        return Usage()

    def count_text(self, model: str, text: str, guard: Guard) -> int | None:
        """Tokens of a text, where the server counts."""
        return None

    def count_chat(self, model: str, messages: Sequence[Message], guard: Guard) -> int | None:
        """Tokens of a conversation with its template."""
        return self.probe("/chat/completions", {"model": model, "messages": [message_dict(message) for message in messages]}, guard)

    def render(self, model: str, messages: Sequence[Mapping[str, Any]]) -> str | None:
        """A conversation in the model's template, where the server shows it."""
        return None

    def check_embedded(self, model: str, texts: Sequence[str], tokens: int | None, guard: Guard, window: int | None) -> None:
        """Raise ContextWindowExceededError where a text was cut before it was embedded."""

    def longer(self) -> str:
        """What to do about a prompt that does not fit."""
        return "Shorten it, or start the server with a larger context window."


class LlamaServer(Kind):
    """llama-server, of llama.cpp."""

    engine = "llama.cpp server"
    uncut = REFUSES
    extra: ClassVar[Mapping[str, str]] = {name: name for name in ("top_k", "min_p", "repeat_penalty", "repeat_last_n")}

    def __init__(self, http: Server, timeout: float = 30.0) -> None:
        super().__init__(http, timeout)
        self._root = http.at(http.url.removesuffix("/v1"))

    def context_window(self, model: str, listed: Mapping[str, Any]) -> int | None:
        try:
            window = (self._root.json("/props", guard=Guard(self.timeout)).get("default_generation_settings") or {}).get("n_ctx")
        except (LabError, AttributeError):
            return None
        return window if isinstance(window, int) else None

    def thinking(self, think: bool | str) -> dict[str, Any]:
        return {"chat_template_kwargs": {"enable_thinking": bool(think)}}

    def count_text(self, model: str, text: str, guard: Guard) -> int | None:
        answer = self._root.json("/tokenize", {"content": text}, guard)
        return len(answer["tokens"]) if isinstance(answer, dict) and isinstance(answer.get("tokens"), list) else None

    def render(self, model: str, messages: Sequence[Mapping[str, Any]]) -> str | None:
        answer = self._root.json("/apply-template", {"messages": list(messages)}, Guard(self.timeout))
        return answer.get("prompt") if isinstance(answer, dict) else None


class Labkit(Kind):
    """`labkit serve`: every option of labkit's, under its own name."""

    extra: ClassVar[Mapping[str, str]] = {name: name for name in ("top_k", "min_p", "repeat_penalty", "repeat_last_n", "truncate")}
    uncut = ""

    def __init__(self, http: Server, timeout: float, engine: str) -> None:
        super().__init__(http, timeout)
        self.engine = f"labkit serve, {engine}"
        self._root = http.at(http.url.removesuffix("/v1"))

    def ignored(self, options: Options, raw: bool) -> dict[str, str]:
        out = super().ignored(options, raw)
        out.pop("max_tokens", None)  # leaving it out means no limit
        return out

    def count_text(self, model: str, text: str, guard: Guard) -> int | None:
        return self._count({"model": model, "content": text}, guard)

    def count_chat(self, model: str, messages: Sequence[Message], guard: Guard) -> int | None:
        return self._count({"model": model, "messages": [message_dict(message) for message in messages]}, guard)

    def _count(self, body: Mapping[str, Any], guard: Guard) -> int | None:
        answer = self._root.json("/tokenize", body, guard)
        count = answer.get("count") if isinstance(answer, dict) else None
        return count if isinstance(count, int) else None

    def render(self, model: str, messages: Sequence[Mapping[str, Any]]) -> str | None:
        answer = self._root.json("/apply-template", {"model": model, "messages": list(messages)}, Guard(self.timeout))
        return answer.get("prompt") if isinstance(answer, dict) else None


class VLLM(Kind):
    """vLLM."""

    engine = "vLLM"
    uncut = REFUSES
    extra: ClassVar[Mapping[str, str]] = {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repetition_penalty"}
    why = "vLLM looks back over the whole prompt and answer"

    def thinking(self, think: bool | str) -> dict[str, Any]:
        return {"chat_template_kwargs": {"enable_thinking": bool(think)}}


class LlamaCppPython(Kind):
    """`python -m llama_cpp.server`: no usage in a stream, a dropped connection for a long prompt, texts to embed cut silently."""

    uncut = REFUSES
    extra: ClassVar[Mapping[str, str]] = {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repeat_penalty"}
    breaks_off = "llama_cpp.server ends a stream when the next request comes.", "Start it with --interrupt_requests false."
    why = "llama-cpp-python fixes it when it loads the model (last_n_tokens_size, 64)"

    def __init__(self, http: Server, timeout: float = 30.0) -> None:
        super().__init__(http, timeout)
        self._root = http.at(http.url.removesuffix("/v1"))
        try:
            version = self._root.json("/openapi.json", guard=Guard(timeout))["info"]["version"]
        except (LabError, KeyError, TypeError):
            version = ""
        self.engine = f"llama_cpp.server {version}".strip()
        self._tokens: dict[str, int] = {}  # piece of text -> tokens

    def extensions(self, options: Options, raw: bool) -> dict[str, Any]:
        # 0 is its "no limit"; without it a text without template ends after 16 tokens.
        unlimited = {"max_tokens": 0} if options.max_tokens is None and raw else {}
        return super().extensions(options, raw) | unlimited

    def response_format(self, schema: Mapping[str, Any] | str) -> dict[str, Any]:
        return {"type": "json_object"} | ({} if isinstance(schema, str) else {"schema": dict(schema)})

    def thinking(self, think: bool | str) -> dict[str, Any]:
        return {}

    def ignored(self, options: Options, raw: bool) -> dict[str, str]:
        out = super().ignored(options, raw) | {"stream_options": "it sends no usage in a stream: counted afterwards, by its tokenizer"}
        out.pop("max_tokens", None)
        if options.think is not None:
            out["think"] = "this server has no switch for thinking"
        if raw and options.schema is not None:
            out["schema"] = "this server takes it for chats only"
        return out

    def count(self, model: str, path: str, body: Mapping[str, Any], pieces: Sequence[str], guard: Guard) -> Usage:
        try:
            for piece in {piece for piece in pieces if not piece.isascii()} - set(self._tokens):
                self._tokens[piece] = self.count_text(model, piece, guard) or 1
            # A piece is one token, or the several that make one character. The prompt is still in the cache: one token is computed.
            return Usage(self.probe(path, body, guard), sum(self._tokens.get(piece, 1) for piece in pieces))
        except RefusedError:
            return Usage()

    def check(self, model: str, request: Request) -> None:
        if not any(message.images for message in request.messages):
            return
        # Who sees complains about a broken picture; who does not reads its bytes as text, or nothing.
        parts = [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
        body = {"model": model, "messages": [{"role": "user", "content": parts}]}
        guard = Guard(request.options.timeout, request.deadline, cancelled=request.cancelled)
        try:
            self.probe("/chat/completions", body, guard)
        except RefusedError:
            return
        raise CapabilityError(f"Model {model!r} cannot see images.", "This server would take them for text.", "Take one that can.")

    def count_text(self, model: str, text: str, guard: Guard) -> int | None:
        count = self._root.json("/extras/tokenize/count", {"model": model, "input": text}, guard)
        count = count.get("count") if isinstance(count, dict) else None
        return count if isinstance(count, int) else None

    def check_embedded(self, model: str, texts: Sequence[str], tokens: int | None, guard: Guard, window: int | None) -> None:
        if tokens is None:
            return
        counts = [self.count_text(model, text, guard) or 0 for text in texts]
        if sum(counts) > tokens:
            raise too_long(max(counts), window, self.longer())


class OllamaV1(Kind):
    """Ollama's /v1: it takes no num_ctx, no top_k, min_p and repeat_penalty, and cuts what does not fit without a word."""

    is_ollama = True
    uncut = ""
    breaks_off = GAVE_UP, "Try another seed, or load the model as 'ollama:NAME' with repeat_penalty=1.1."
    why = "Ollama's /v1 does not take it: the Modelfile's value or the server's default holds"

    def __init__(self, http: Server, timeout: float, version: str) -> None:
        super().__init__(http, timeout)
        self.native = OllamaServer(http.url.removesuffix("/v1"), timeout)
        self.engine = f"Ollama {version} (/v1)"
        self._window: int | None = None
        self._around = 0  # bytes that template and system message of the Modelfile may add

    def context_window(self, model: str, listed: Mapping[str, Any]) -> int | None:
        # /api/ps tells what is allocated, but only of a model in memory; loading it as /v1 does is what makes it true for /v1.
        try:
            self.native.load(model)
            shown = self.native.show(model)
        except RefusedError:
            return None
        self._around = sum(len(str(shown.get(part) or "").encode()) for part in ("template", "system", "messages"))
        self._window = self.native.allocated(model)
        return self._window

    def ignored(self, options: Options, raw: bool) -> dict[str, str]:
        out = super().ignored(options, raw)
        out.pop("max_tokens", None)
        return out

    def check(self, model: str, request: Request) -> None:
        if request.prompt is not None:
            raise CapabilityError(
                "Ollama's /v1/completions puts every text into the chat template, so it cannot continue one as it is.",
                fix=f'Use Ollama\'s own protocol: load("ollama:{model}").',
            )
        if any(message.images for message in request.messages) and "vision" not in self.native.show(model).get("capabilities", ["vision"]):
            raise CapabilityError(f"Model {model!r} cannot see images.", "Ollama would leave them out silently.", "Take one that can.")

    def room(self, model: str, request: Request, guard: Guard) -> int | None:
        options, window = request.options, self._window
        size = sum(len(message.content.encode()) + TEMPLATE_BYTES for message in request.messages) + len(str(options.tools))
        seeing = any(message.images for message in request.messages)
        # A token is at least one byte, so most prompts need no second look.
        if window and options.max_tokens and size + self._around + options.max_tokens < window and not seeing:
            return None
        # Ollama's own protocol can refuse to cut. It computes the prompt, and /v1 then finds it in the cache.
        try:
            count = self.count_chat(model, request.messages, guard, tools=[dict(tool) for tool in options.tools])
        except RefusedError as error:
            if not is_too_long(error.message):
                raise
            window = window or self.native.allocated(model)
            count = about_tokens(self.native, model, request, window, {"num_ctx": window}) if window else None
            raise too_long(count, window, self.longer(), about=True) from None
        return None if not window or count is None else max(1, window - count)

    def count_chat(self, model: str, messages: Sequence[Message], guard: Guard, **fields: Any) -> int | None:
        body = chat_body(model, messages, stream=False, truncate=False, options={"num_predict": 1}, **fields)
        count = self.native.http.json("/api/chat", body, guard).get("prompt_eval_count")
        return count if isinstance(count, int) else None

    def count_text(self, model: str, text: str, guard: Guard) -> int | None:
        body = {"model": model, "prompt": text, "raw": True, "stream": False, "truncate": False, "options": {"num_predict": 1}}
        count = self.native.http.json("/api/generate", body, guard).get("prompt_eval_count")
        return count if isinstance(count, int) else None

    def render(self, model: str, messages: Sequence[Mapping[str, Any]]) -> str | None:
        body = {"model": model, "messages": list(messages), "_debug_render_only": True}
        answer = self.http.json("/chat/completions", body, Guard(self.timeout))
        return ((answer or {}).get("_debug_info") or {}).get("rendered_template")

    def check_embedded(self, model: str, texts: Sequence[str], tokens: int | None, guard: Guard, window: int | None) -> None:
        if window and any(len(text.encode()) + 2 >= window for text in texts):
            self.native.http.json("/api/embed", {"model": model, "input": list(texts), "truncate": False}, guard)

    def longer(self) -> str:
        advice = 'use load("ollama:NAME", context_window=...), or a Modelfile with num_ctx.'
        return f"Shorten it, or let Ollama drop the oldest part: truncate=True. Its /v1 cannot set the window: {advice}"


def recognize(http: Server, listed: Mapping[str, Any], timeout: float) -> Kind:
    """Find out which server it is: by what it lists, or by Ollama's own version call."""
    owner = OWNERS.get(str(listed.get("owned_by", "")))
    if owner == "labkit":
        return Labkit(http, timeout, str(listed.get("engine", "")))
    if owner == "llama_cpp":
        return LlamaCppPython(http, timeout)
    if owner == "llama.cpp":
        return LlamaServer(http, timeout)
    if owner == "vLLM":
        return VLLM(http, timeout)
    try:
        version = OllamaServer(http.url.removesuffix("/v1"), timeout).version()
    except LabError:
        return Kind(http, timeout)
    return OllamaV1(http, timeout, version)
