"""When each piece of a reply came: `timeline(model.stream(...))`.

A client sees chunks, not tokens: a chunk may hold several tokens, or none (half a character waits for its other half). So the gaps between
chunks are measured, while the time for each token is computed from the engine's own count, as everywhere in the kit:

    time per token = (t_last - t_first) / (completion_tokens - 1) = 1 / tokens_per_second
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .. import display
from ..backends.base import Stream
from ..chat import Chunk, Reply
from ..display import Figure, escape, table_html
from ..errors import OptionError
from ..wording import chosen, say

if TYPE_CHECKING:
    import pandas as pd

COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7")


@dataclass(frozen=True, repr=False)
class Timeline:
    """A reply and its chunks, each with the second of its arrival.

    Attributes
    ----------
    reply : Reply
    chunks : tuple of Chunk
    """

    reply: Reply
    chunks: tuple[Chunk, ...]

    @property
    def time_to_first_token(self) -> float | None:
        """Seconds from the call to the first text or thinking."""
        return self.chunks[0].elapsed if self.chunks else None

    @property
    def time_per_token(self) -> float | None:
        """Seconds for each token after the first, from the engine's count; the *inter-token latency*."""
        speed = self.reply.timing.tokens_per_second
        return 1 / speed if speed else None

    @property
    def total_duration(self) -> float:
        """Seconds from the call to the end."""
        return self.reply.timing.total_duration or (self.chunks[-1].elapsed if self.chunks else 0.0)

    @cached_property
    def gaps(self) -> tuple[float, ...]:
        """Seconds between neighbouring chunks: one fewer than there are chunks."""
        return tuple(later.elapsed - earlier.elapsed for earlier, later in zip(self.chunks, self.chunks[1:], strict=False))

    def gap(self, percent: float) -> float | None:
        """The gap that so many percent of all gaps do not exceed, in seconds (nearest rank); None without gaps.

        >>> chunks = [Chunk("a", elapsed=elapsed) for elapsed in (1, 2, 4, 7)]
        >>> Timeline(Reply("aaaa", "", "stop"), tuple(chunks)).gap(50)
        2
        """
        if not 0 < percent <= 100:
            raise OptionError(f"percent={percent!r} is out of range.", fix="It is above 0 and at most 100.")
        ordered = sorted(self.gaps)
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else None

    def frame(self) -> pd.DataFrame:
        """One row for each chunk: 'elapsed' (s), 'gap_ms', 'characters' so far, 'text', 'thinking'."""

        total, rows = 0, []
        for chunk, gap in zip(self.chunks, (None, *self.gaps), strict=False):
            total += len(chunk.text) + len(chunk.thinking)
            gap_ms = None if gap is None else gap * 1000
            rows.append((chunk.elapsed, gap_ms, total, chunk.text, chunk.thinking))
        frame = display.frame(rows, columns=["elapsed", "gap_ms", "characters", "text", "thinking"])
        return frame.astype({"elapsed": float, "gap_ms": float})

    def row(self) -> dict[str, Any]:
        """One flat row, for a table: seconds, and how many chunks and tokens."""
        return {
            "model": self.reply.model,
            "time_to_first_token": self.time_to_first_token,
            "time_per_token": self.time_per_token,
            "gap_median": self.gap(50),
            "gap_95": self.gap(95),
            "gap_longest": max(self.gaps, default=None),
            "total_duration": self.total_duration,
            "chunks": len(self.chunks),
            "completion_tokens": self.reply.usage.completion_tokens,
            "finish_reason": self.reply.finish_reason,
        }

    def plot(self, lang: str | None = None) -> Figure:
        """The text as it grows, and the gaps between chunks."""
        return plot([self], lang)

    def __repr__(self) -> str:
        return f"<{_alt(self)}>"

    def _repr_html_(self) -> str:
        shown = {name: f"{value:.4g}" if isinstance(value, float) else escape(value) for name, value in self.row().items()}
        return table_html(("", say("value (durations in s)")), shown.items())


def timeline(stream: Stream) -> Timeline:
    """Take a stream to its end, and nothing else meanwhile, so that the times are the engine's and not ours.

    Parameters
    ----------
    stream : Stream
        From `model.stream(...)` or `stream_text`; one that is cancelled meanwhile ends there.

    Raises
    ------
    LabError
        What the stream raises; `stream.reply` then holds what had arrived.
    """
    if not isinstance(stream, Stream):
        raise OptionError(f"timeline() takes a stream, not {type(stream).__name__}.", fix="Give it model.stream(...), not yet used.")
    chunks = tuple(stream)
    assert stream.reply is not None
    return Timeline(stream.reply, chunks)


def plot(timelines: Sequence[Timeline], lang: str | None = None) -> Figure:
    """Several timelines in one figure; the dashed line is where a reply that is not streamed would begin to show.

    Parameters
    ----------
    timelines : sequence of Timeline
        Four at most, so that their colours stay apart.
    lang : {'en', 'es'}, optional
        By default the reader's.
    """
    from matplotlib import pyplot

    lang = chosen(lang)
    if not 1 <= len(timelines) <= len(COLOURS):
        raise OptionError(f"{len(timelines)} timelines cannot be drawn.", fix="Give one to four.")
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(8, 2.8), width_ratios=(3, 2))
    widest = max((line.gap(99) or 0 for line in timelines), default=0) * 1000 or 1.0
    for number, (line, colour) in enumerate(zip(timelines, COLOURS, strict=False)):
        frame = line.frame()
        end = line.total_duration
        heights = [0, *frame["characters"]]
        left.step([0, *frame["elapsed"], end], [*heights, heights[-1]], where="post", color=colour)
        whole = say("a reply that is not streamed", lang) if not number else None
        left.axvline(end, color=colour, linestyle="--", linewidth=1, label=whole)
        label = line.reply.model if len(timelines) > 1 else None
        shown = [min(value * 1000, widest) for value in line.gaps]
        right.hist(shown, bins=24, range=(0, widest), histtype="step", color=colour, linewidth=1.5, label=label)
    left.set(xlabel=say("seconds since the call", lang), ylabel=say("characters arrived", lang), ylim=(0, None), xlim=(0, None))
    right.set(xlabel=say("gap between chunks (ms)", lang), ylabel=say("chunks", lang), xlim=(0, None))
    left.legend(loc="upper left", fontsize="small")
    if len(timelines) > 1:
        right.legend(fontsize="small")
    figure.tight_layout()
    return Figure(figure, "; ".join(_alt(line, lang) for line in timelines))


def _alt(line: Timeline, lang: str | None = None) -> str:
    first, middle = line.time_to_first_token, line.gap(50)
    if first is None:
        return say("{model}: no text", lang, model=line.reply.model)
    gap = "" if middle is None else say(", median gap {gap:.2g} ms", lang, gap=middle * 1000)
    said = "{model}: first text after {first:.2g} s, whole after {whole:.2g} s, {chunks} chunks"
    return say(said, lang, model=line.reply.model, first=first, whole=line.total_duration, chunks=len(line.chunks)) + gap
