"""`Cached`: the same question again costs nothing."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..backends.base import Delta, End, Events, Model, Request, Stream
from ..backends.many import Job, Results
from ..chat import Message, Options, Reply, Sent
from ..errors import OptionError
from .wrapper import Wrapper, passed_on

WHOLE = ("stop", "length", "tool_calls")


@dataclass(frozen=True)
class _Kept:
    reply: Reply
    since: float


class Cached(Wrapper):
    """A model that remembers its replies, the latest `size` of them, in the memory of this process.

    A reply is given again where everything that shapes it is the same: messages and every option. The seed counts where you gave one; a
    question without a seed gets the reply that it had the first time. `reply.sent.request["cache"]` says "hit" or "miss", and a hit's
    timing is that of the cache. Not kept are replies that were cut short, those that a `Fallback` took from a second model, and
    conversations with pictures.

    Parameters
    ----------
    model : Model
    size : int
        Replies to keep; the one that was not asked for longest goes first.
    max_age : float
        Seconds after which a reply is computed again; by default never.

    Attributes
    ----------
    hits, misses : int
    """

    def __init__(self, model: Model, size: int = 256, max_age: float | None = None) -> None:
        if not isinstance(size, int) or isinstance(size, bool) or size < 1 or (max_age is not None and not max_age > 0):
            raise OptionError(f"size={size!r}, max_age={max_age!r} is no cache.", fix="Keep at least one reply, for more than 0 seconds.")
        super().__init__(model)
        self.size, self.max_age = size, max_age
        self.hits = self.misses = 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def clear(self) -> None:
        """Forget every reply."""
        with self._lock:
            self._kept.clear()

    def _events(self, request: Request) -> Events:
        key = _key(request.messages, request.prompt, request.options, request.seed_drawn)
        if (reply := self._find(key)) is not None:
            yield reply.sent
            if reply.text or reply.thinking:
                yield Delta(reply.text, reply.thinking)
            yield End(reply.finish_reason, reply.usage, reply.tool_calls)
            return
        stream = Stream(self.model, request)
        try:
            for event in passed_on(stream):
                yield _marked(event, "miss") if isinstance(event, Sent) and key else event
        finally:
            stream.close()
            if stream.reply is not None:
                self._keep(key, stream.reply)

    def _many(self, jobs: Sequence[Job], workers: int | None) -> Results:
        """What is known at once, the rest together; the same request twice in one call is computed twice."""
        keys = {job.index: _key(job.messages, None, job.options, False) for job in jobs}
        rest = []
        for job in jobs:
            start = time.perf_counter()
            reply = self._find(keys[job.index])
            if reply is None:
                rest.append(job)
            else:
                yield job.index, replace(reply, timing=replace(reply.timing, total_duration=time.perf_counter() - start))
        if not rest:
            return
        for index, result in self.model._many(rest, workers):
            if isinstance(result, Reply) and keys[index]:
                self._keep(keys[index], result)
                result = replace(result, sent=_marked(result.sent, "miss"))
            yield index, result

    def _find(self, key: str) -> Reply | None:
        with self._lock:
            kept = self._kept.get(key) if key else None
            if kept is not None and self.max_age is not None and time.monotonic() - kept.since > self.max_age:
                del self._kept[key]
                kept = None
            if kept is None:
                self.misses += 1
                return None
            self.hits += 1
            self._kept.move_to_end(key)
        reply = kept.reply
        usage = replace(reply.usage, cached_tokens=reply.usage.prompt_tokens)  # nothing of it was computed
        return Reply(
            reply.text,
            reply.model,
            reply.finish_reason,
            usage,
            sent=_marked(reply.sent, "hit"),
            thinking=reply.thinking,
            tool_calls=reply.tool_calls,
        )

    def _keep(self, key: str, reply: Reply) -> None:
        if not key or reply.finish_reason not in WHOLE or "failed" in reply.sent.request:
            return
        with self._lock:
            self._kept[key] = _Kept(reply, time.monotonic())
            self._kept.move_to_end(key)
            while len(self._kept) > self.size:
                self._kept.popitem(last=False)


def _marked(sent: Sent, cache: str) -> Sent:
    return replace(sent, request=dict(sent.request) | {"cache": cache})


def _key(messages: Sequence[Message], prompt: str | None, options: Options, seed_drawn: bool) -> str:
    """What the reply depends on, as text; empty where it is not kept."""
    if any(message.images for message in messages):
        return ""
    same: dict[str, Any] = {"timeout": 1.0}
    if seed_drawn or options.temperature == 0:
        same["seed"] = None
    return repr((tuple(messages), prompt, replace(options, **same)))
