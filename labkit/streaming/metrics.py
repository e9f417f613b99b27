"""`Metrics`: a second example of callbacks. Counts and durations of replies, as Prometheus reads them."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from ..backends.base import Model
from ..chat import Reply
from ..errors import BackendError, CapabilityError, ContextWindowExceededError, OptionError
from .watched import Watched

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

DEFAULT_PORT = 9464  # the one that OpenTelemetry's exporter of the same form uses
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
TOKEN_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
OF_THE_REQUEST = (CapabilityError, ContextWindowExceededError, OptionError)  # another request to the same model would do well


class Metrics:
    """What a monitoring system wants to know of models: ``Metrics().watch(model)``.

    Each object has a registry of its own, so a notebook cell can be run again. Names follow Prometheus' rules: base units, `_total` for
    counts; the label `model` is the model that answered.

    Attributes
    ----------
    registry : prometheus_client.CollectorRegistry
    """

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry: CollectorRegistry = CollectorRegistry()
        here, labels = self.registry, ["model"]
        self._replies = Counter("labkit_replies", "Replies that ended.", [*labels, "finish_reason"], registry=here)
        self._errors = Counter("labkit_errors", "Replies that failed.", [*labels, "error"], registry=here)
        self._prompt = Counter("labkit_prompt_tokens", "Tokens of prompts.", labels, registry=here)
        self._completion = Counter("labkit_completion_tokens", "Tokens generated.", labels, registry=here)
        self._hits = Counter("labkit_cache_hits", "Replies that came from a cache.", labels, registry=here)
        self._fallbacks = Counter("labkit_fallbacks", "Replies of a model that stood in for another.", labels, registry=here)
        name, text = "labkit_time_to_first_token_seconds", "From the call to the first text."
        self._first = Histogram(name, text, labels, registry=here, buckets=SECONDS)
        name, text = "labkit_time_per_token_seconds", "For each token after the first."
        self._token = Histogram(name, text, labels, registry=here, buckets=TOKEN_SECONDS)
        self._whole = Histogram("labkit_reply_duration_seconds", "The whole reply.", labels, registry=here, buckets=SECONDS)
        self._up = Gauge("labkit_up", "1 where the last reply ended well, 0 where it failed.", labels, registry=here)

    def watch(self, model: Model) -> Watched:
        """The model, with its replies counted."""
        return Watched(model, on_done=self.on_done, on_error=self.on_error)

    def on_done(self, reply: Reply) -> None:
        """Count a reply."""
        model, timing, usage, request = reply.model, reply.timing, reply.usage, reply.sent.request
        self._replies.labels(model, reply.finish_reason).inc()
        self._up.labels(model).set(1)
        if request.get("cache") == "hit":
            self._hits.labels(model).inc()
            return  # nothing was computed
        if request.get("failed"):
            self._fallbacks.labels(model).inc()
        self._prompt.labels(model).inc(usage.prompt_tokens or 0)
        self._completion.labels(model).inc(usage.completion_tokens or 0)
        if timing.time_to_first_token is not None:
            self._first.labels(model).observe(timing.time_to_first_token)
        if timing.tokens_per_second:
            self._token.labels(model).observe(1 / timing.tokens_per_second)
        if timing.total_duration is not None:
            self._whole.labels(model).observe(timing.total_duration)

    def on_error(self, error: BaseException, reply: Reply) -> None:
        """Count a failure; one of the request says nothing of whether the model answers others."""
        if isinstance(error, OF_THE_REQUEST):
            self._errors.labels(reply.model, type(error).__name__).inc()
        else:
            self.fail(reply.model, error)

    def fail(self, model: str, error: BaseException) -> None:
        """Count a failure of a model that could not even be loaded."""
        self._errors.labels(model, type(error).__name__).inc()
        self._up.labels(model).set(0)

    def text(self) -> str:
        """All figures in the text form that Prometheus reads."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry).decode()

    def serve(self, port: int = DEFAULT_PORT, host: str = "127.0.0.1") -> Exporter:
        """Answer at http://127.0.0.1:PORT/metrics, from a thread, until the result is closed. Port 0 takes a free one."""
        return Exporter(self, port, host)


class Exporter:
    """A server of /metrics on this machine.

    Attributes
    ----------
    url : str
    """

    def __init__(self, metrics: Metrics, port: int, host: str) -> None:
        from prometheus_client import start_http_server

        try:
            self._server, self._thread = start_http_server(port, host, metrics.registry)
        except OSError as error:
            raise BackendError(
                f"Nothing can be served on port {port} of {host}: {error.strerror or error}.",
                "Another program has the port, perhaps an earlier exporter.",
                "Close that one, or take a free port: port=0 (`labkit metrics --port 0`).",
            ) from None
        self.url = f"http://{host}:{self._server.server_port}/metrics"

    def close(self) -> None:
        """End it; the port is free again when this returns."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def __enter__(self) -> Exporter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Exporter at {self.url}>"
