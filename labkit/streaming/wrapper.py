"""`Wrapper`: a Model that passes everything on to another one. `Watched`, `Cached` and `Fallback` change one thing each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..backends.base import Delta, End, Events, Model, ModelInfo, Prompt, Request, Stream
from ..chat import Chunk, Reply, Sent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Wrapper(Model):
    """A model in front of another.

    Parameters
    ----------
    model : Model
        `close` closes it too.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.name, self.engine, self.context_window, self.at_once = model.name, model.engine, model.context_window, model.at_once

    def _events(self, request: Request) -> Events:
        stream = Stream(self.model, request)
        try:
            yield from passed_on(stream)
        finally:
            stream.close()

    def embed(self, texts: str | Sequence[str]) -> NDArray[np.float32]:
        self._check_open()
        return self.model.embed(texts)

    def count_tokens(self, prompt: Prompt) -> int:
        self._check_open()
        return self.model.count_tokens(prompt)

    def render(self, prompt: Prompt, *, system: str = "") -> str:
        self._check_open()
        return self.model.render(prompt, system=system)

    def info(self) -> ModelInfo:
        return self.model.info()

    def close(self) -> None:
        super().close()
        self.model.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"


def passed_on(stream: Stream, sent: Sent | None = None, first: Chunk | None = None) -> Events:
    """A stream of another model as the events of this one.

    Parameters
    ----------
    stream : Stream
    sent : Sent
        What to say instead of what the other model sent.
    first : Chunk
        Taken out of the stream already.
    """
    told = False
    for chunk in [] if first is None else [first]:
        yield sent or stream.so_far().sent
        told = True
        yield Delta(chunk.text, chunk.thinking)
    for chunk in stream:
        if not told:
            yield sent or stream.so_far().sent
            told = True
        yield Delta(chunk.text, chunk.thinking)
    reply = stream.reply
    assert reply is not None
    if not told:
        yield sent or reply.sent
    yield end_of(reply)


def end_of(reply: Reply) -> End:
    """How a reply ended, with the durations that its engine told."""
    timing = reply.timing
    return End(
        reply.finish_reason,
        reply.usage,
        reply.tool_calls,
        timing.load_duration,
        timing.prompt_duration,
        timing.generation_duration,
        timing.tokens_per_second,
    )
