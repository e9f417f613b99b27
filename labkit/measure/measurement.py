"""`Measurement`: the figures of one model on one prompt, with what they were taken on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from ..chat import Reply
from ..display import PLAIN, bytes_text, escape, table_html
from ..wording import say
from .provenance import Provenance
from .stats import Summary, summarize

STATES = ("cold", "warm", "cached")
CACHED = 0.25  # part of the prompt from which a prompt rate would be that of the cache

# What is shown: figure -> its unit and what it is.
FIGURES = {
    "load_duration": ("s", "loading the model"),
    "time_to_first_token": ("s", "from the call to the first text"),
    "prompt_tokens_per_second": ("tokens/s", "reading the prompt"),
    "tokens_per_second": ("tokens/s", "writing, after the first token"),
    "total_duration": ("s", "the whole reply"),
}


@dataclass(frozen=True)
class Run:
    """One reply, measured.

    Attributes
    ----------
    state : {'cold', 'warm', 'cached'}
        'cold': the model was loaded for it. 'warm': the model was in memory, the prompt was not. 'cached': both were.
    load_duration, time_to_first_token, prompt_duration, generation_duration, total_duration : float or None
        Seconds, as in `Timing`; `time_to_first_token` and `total_duration` of a cold run include loading.
    tokens_per_second : float or None
        Of the generation: the prompt is not part of it.
    prompt_tokens, completion_tokens, cached_tokens : int or None
    """

    state: str
    load_duration: float | None
    time_to_first_token: float | None
    prompt_duration: float | None
    generation_duration: float | None
    total_duration: float | None
    tokens_per_second: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None

    @classmethod
    def of(cls, state: str, reply: Reply, loading: float = 0.0) -> Run:
        """From a reply; `loading`: seconds that the client spent on loading before it."""
        timing, usage = reply.timing, reply.usage
        first, total = timing.time_to_first_token, timing.total_duration
        return cls(
            state,
            loading or (timing.load_duration if state == "cold" else None),
            None if first is None else first + loading,
            timing.prompt_duration,
            timing.generation_duration,
            None if total is None else total + loading,
            timing.tokens_per_second,
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cached_tokens,
        )

    @property
    def prompt_tokens_per_second(self) -> float | None:
        """Prompt tokens that were computed, for each second of it; None where a part of the prompt came from a cache."""
        if self.state == "cached" or not self.prompt_tokens or not self.prompt_duration:
            return None
        cached = self.cached_tokens or 0
        return (self.prompt_tokens - cached) / self.prompt_duration if cached <= CACHED * self.prompt_tokens else None


@dataclass(frozen=True)
class Measurement:
    """What `measure` found. A notebook shows it as a table; `row()` gives it to a frame.

    Attributes
    ----------
    runs : tuple of Run
        Each reply, warm-up left out.
    memory : dict
        'peak', 'growth' (bytes of this process) or 'server', 'server_vram' (bytes that Ollama reports), and 'source'.
    notes : tuple of str
        What could not be measured, and why.
    options : dict
        What was sent.
    provenance : Provenance
    """

    runs: tuple[Run, ...]
    memory: Mapping[str, Any]
    notes: tuple[str, ...]
    options: Mapping[str, Any]
    provenance: Provenance
    text: str = field(default="", repr=False)

    @cached_property
    def states(self) -> dict[str, dict[str, Summary]]:
        """State -> figure -> summary, for every figure that could be measured."""
        out: dict[str, dict[str, Summary]] = {}
        for state in STATES:
            runs = [run for run in self.runs if run.state == state]
            for name in FIGURES:
                values = [value for run in runs if (value := getattr(run, name)) is not None]
                if values:
                    out.setdefault(state, {})[name] = summarize(values)
        return out

    def __getitem__(self, key: tuple[str, str]) -> Summary:
        state, figure = key
        return self.states[state][figure]

    def rows(self) -> list[dict[str, Any]]:
        """One row for each state and figure, for a frame."""
        rows = []
        for state, figures in self.states.items():
            for name, found in figures.items():
                ends = found.interval
                low, high = (ends.low, ends.high) if ends else (None, None)
                row = {"model": self.provenance.model, "state": state, "figure": name, "unit": FIGURES[name][0]}
                rows.append(row | {"median": found.median, "spread": found.spread, "low": low, "high": high, "n": found.n})
        return rows

    def row(self) -> dict[str, Any]:
        """One flat row: medians, with the state in the name, spreads, memory and provenance."""
        flat: dict[str, Any] = {"model": self.provenance.model}
        for state, figures in self.states.items():
            for name, found in figures.items():
                flat |= {f"{state}_{name}": found.median, f"{state}_{name}_spread": found.spread, f"{state}_n": found.n}
        first = self.runs[0]
        flat |= {"prompt_tokens": first.prompt_tokens, "completion_tokens": first.completion_tokens}
        return flat | {f"memory_{key}": value for key, value in self.memory.items()} | self.provenance.row()

    def raw(self) -> list[dict[str, Any]]:
        """Every single reply, for a plot."""
        return [asdict(run) | {"prompt_tokens_per_second": run.prompt_tokens_per_second} for run in self.runs]

    def _lines(self) -> list[tuple[str, ...]]:
        lines: list[tuple[str, ...]] = []
        for state, figures in self.states.items():
            for name, found in figures.items():
                interval = str(found.interval) if found.interval else ""
                spread = f"{found.spread:.2g}" if found.n > 1 else ""  # one value has none
                lines.append((state, name, FIGURES[name][0], f"{found.median:.4g}", spread, interval, str(found.n)))
        return lines

    def _memory_text(self) -> str:
        memory = self.memory
        if "peak" in memory:
            peak, growth = bytes_text(memory["peak"]), bytes_text(memory["growth"])
            return say("memory of this process: {peak} at most, {growth} more than before", peak=peak, growth=growth)
        if "server" in memory:
            size, on_gpu = bytes_text(memory["server"]), bytes_text(memory["server_vram"])
            return say("memory that Ollama reports: {size}, {on_gpu} of it on the GPU", size=size, on_gpu=on_gpu)
        return say("memory: unknown")

    def __str__(self) -> str:
        lines = [
            f"{state:6} {name:26} {value:>8} {unit:8} ({say('spread') + f' {spread}, ' if spread else ''}n = {n})"
            for state, name, unit, value, spread, _, n in self._lines()
        ]
        return "\n".join([*lines, self._memory_text(), *self.notes, str(self.provenance)])

    def _repr_html_(self) -> str:
        columns = [*(say(name) for name in ("state", "figure", "unit", "median", "spread", "95% interval")), "n"]
        small = "".join(f"<div>{escape(line)}</div>" for line in (self._memory_text(), *self.notes, str(self.provenance)))
        return table_html(columns, self._lines()) + f'<div class="{PLAIN}" style="font-size:90%">{small}</div>'
