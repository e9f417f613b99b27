"""`Comparison`: what `compare` found, as frames, sentences and plots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import display
from ..backends.base import ModelInfo
from ..chat import Options, Reply
from ..display import PLAIN, Figure, bytes_text, escape, table_html
from ..errors import LabError, OptionError
from ..measure import Difference, Interval, paired_difference
from ..measure.stats import FEWEST, LEVEL
from ..wording import say
from . import plots
from .fair import fairness
from .rows import NUMBERS, RESAMPLES, UNITS, mean_interval, one_text

if TYPE_CHECKING:
    import pandas as pd

SHOWN = ("tokens_per_second", "time_to_first_token", "completion_tokens")


@dataclass(frozen=True)
class Entrant:
    """A model that took part.

    Attributes
    ----------
    label : str
    options : Options
        What was asked of it.
    engine : str
    info : ModelInfo or None
    context_window : int or None
    reply : Reply or None
        One of its replies, for `sent`.
    memory : int or None
        Bytes.
    memory_source : str
        'predicted' (weights, KV cache and working space, from the file's header), 'Ollama ps' (what the server reports) or ''.
    error : LabError or None
        Why it could not be loaded.
    """

    label: str
    options: Options
    engine: str = ""
    info: ModelInfo | None = None
    context_window: int | None = None
    reply: Reply | None = None
    memory: int | None = None
    memory_source: str = ""
    error: LabError | None = None


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes
    ----------
    frame : DataFrame
        One row for each answer: 'model', 'case', 'prompt', 'repeat', 'seed', 'text', a column for each scorer, tokens, times in seconds,
        'error', 'score_error', 'from_log', 'memory' of the model in bytes.
    entrants : dict
        Label -> Entrant.
    scorers : tuple of str
        Their columns.
    notes : tuple of str
        What a reader must know.
    log : Path or None
        The run log; None where none is left.
    """

    frame: pd.DataFrame
    entrants: Mapping[str, Entrant]
    scorers: tuple[str, ...]
    notes: tuple[str, ...] = ()
    log: Path | None = field(default=None, repr=False)

    @property
    def models(self) -> list[str]:
        """Labels, in the order of the call."""
        return list(self.entrants)

    def _figure(self, figure: str | None) -> str:
        known = [*self.scorers, *NUMBERS]
        name = figure or (self.scorers[0] if self.scorers else "tokens_per_second")
        if name not in known:
            raise OptionError(f"There is no figure {name!r}.", fix=f"Figures: {', '.join(known)}.")
        return name

    def units(self, figure: str | None = None) -> pd.DataFrame:
        """The values that statistics are made of: one row for each unit, one column for each model.

        A unit is a prompt, its repeats averaged: they are not independent of each other. With a single prompt it is a repeat, but for
        scores of texts that are always the same (at temperature 0): these are one unit.
        """
        name = self._figure(figure)
        by = "case" if self.frame["case"].nunique() > 1 or (name in self.scorers and self._one_text()) else "repeat"
        table = self.frame.pivot_table(index=by, columns="model", values=name, aggfunc="mean", dropna=False)
        return table.reindex(columns=self.models)

    def _one_text(self) -> bool:
        """Whether there is a single prompt, and each model answers it always the same."""
        own = ((self.frame[self.frame["model"] == label], entrant.options.temperature) for label, entrant in self.entrants.items())
        return self.frame["case"].nunique() == 1 and all(one_text(answers, temperature) for answers, temperature in own)

    def interval(self, model: str, figure: str | None = None, level: float = LEVEL) -> Interval | None:
        """Where the mean of a figure probably is; None for too few units: see `rows.mean_interval`."""
        name = self._figure(figure)
        return mean_interval(self.units(name)[model].dropna(), name in self.scorers, level)

    def summary(self) -> pd.DataFrame:
        """One row for each model: means of the scores with their 95 % intervals, medians of times and lengths, memory and size.

        Returns
        -------
        DataFrame
            Indexed by model; 'n' answers, 'errors' of them; memory and size in bytes.
        """

        rows = []
        for label, entrant in self.entrants.items():
            mine = self.frame[self.frame["model"] == label]
            good = mine[mine["error"] == ""]
            one: dict[str, Any] = {"model": label, "n": len(mine), "errors": len(mine) - len(good)}
            for name in self.scorers:
                ends = self.interval(label, name)
                low, high = (ends.low, ends.high) if ends else (np.nan, np.nan)
                one |= {name: self.units(name)[label].mean(), f"{name}_low": low, f"{name}_high": high}
            one |= {name: good[name].median() if len(good) else np.nan for name in SHOWN}
            info = entrant.info
            one |= {"memory": entrant.memory, "memory_source": entrant.memory_source}
            one |= {"size": info.size if info else None, "quantization": info.quantization if info else "", "engine": entrant.engine}
            rows.append(one)
        return display.frame(rows).set_index("model")

    def differences(self, figure: str | None = None, level: float = LEVEL) -> pd.DataFrame:
        """Whether the models differ in a figure, pair by pair, prompt by prompt (paired bootstrap of the mean difference).

        Parameters
        ----------
        figure : str
            A scorer's column or a number of the frame; by default the first scorer.
        level : float
            Of all pairs together: with several pairs each interval is wider (Bonferroni), or one in twenty would look clear by chance.

        Returns
        -------
        DataFrame
            'first', 'second', 'difference' (first less second), 'low', 'high' (NaN for fewer than five), 'n' (prompts, or repeats of a
            single one), 'clear' and 'verdict'.
        """

        name, table = self._figure(figure), self.units(figure)
        pairs = list(combinations(self.models, 2))
        rows = [self._pair(table, one, other, 1 - (1 - level) / len(pairs)) for one, other in pairs]
        out = display.frame(rows, columns=["first", "second", "difference", "low", "high", "n", "clear", "verdict"])
        out.attrs = {"figure": name, "unit": table.index.name, "level": level, "pairs": len(pairs)}
        return out

    def _pair(self, table: pd.DataFrame, one: str, other: str, level: float) -> dict[str, Any]:
        both = table[[one, other]].dropna()
        head: dict[str, Any] = {"first": one, "second": other}
        if len(both) < 2:
            empty = {"difference": np.nan, "low": np.nan, "high": np.nan, "n": len(both), "clear": False}
            return head | empty | {"verdict": say("too few answers to compare {one} and {other}", one=one, other=other)}
        found = _difference(tuple(both[one]), tuple(both[other]), level)
        low, high = (found.interval.low, found.interval.high) if len(both) >= FEWEST else (np.nan, np.nan)
        numbers = {"difference": found.estimate, "low": low, "high": high, "n": len(both)}
        return head | numbers | {"clear": found.clear, "verdict": _verdict(one, other, found)}

    def fairness(self) -> pd.DataFrame:
        """Every setting, what each engine was sent, and a flag where they differ or one does not obey: see `fair.fairness`."""
        asked = {label: entrant.options for label, entrant in self.entrants.items()}
        replies = {label: entrant.reply for label, entrant in self.entrants.items() if entrant.reply is not None}
        around = {
            label: {"context_window": entrant.context_window, "quantization": entrant.info.quantization if entrant.info else ""}
            for label, entrant in self.entrants.items()
        }
        return fairness(asked, replies, around, self._cached())

    def _cached(self) -> dict[str, float]:
        """Part of each model's prompts that came from its cache, where its engine tells."""
        sums = self.frame[self.frame["prompt_tokens"] > 0].dropna(subset=["cached_tokens"]).groupby("model", sort=False)
        return {str(label): part["cached_tokens"].sum() / part["prompt_tokens"].sum() for label, part in sums}

    def flags(self) -> list[str]:
        """What is not fair, one sentence each; empty for a fair comparison."""
        table = self.fairness()
        return [f"{name}: {flag}" for name, flag in table["flag"].items() if flag]

    def plot(self, figure: str | None = None, against: str | None = None) -> Figure:
        """A figure of each model with its 95 % interval, as bars; or against another figure, as points.

        Parameters
        ----------
        figure : str
            A scorer's column or a number of the frame; by default the first scorer.
        against : str
            What to put on the other axis: a figure, 'memory' or 'size'.
        """
        name = self._figure(figure)
        points = [plots.Point(label, self.units(name)[label].mean(), self.interval(label, name)) for label in self.models]
        if against is None:
            return plots.bars(points, name, UNITS.get(name, ""))
        if against in ("memory", "size"):
            table = self.summary()
            x = [plots.Point(label, float(table[against].astype(float)[label]), None) for label in self.models]
        else:
            other = self._figure(against)
            x = [plots.Point(label, self.units(other)[label].mean(), self.interval(label, other)) for label in self.models]
        return plots.scatter(x, points, against, name, UNITS.get(against, ""), UNITS.get(name, ""))

    def _verdicts(self) -> list[str]:
        if len(self.entrants) < 2 or not self.scorers:
            return []
        level = 1 - (1 - LEVEL) / len(self.scorers)  # of all verdicts together, as of all pairs
        return [f"{name}: {line}." for name in self.scorers for line in _few(self.differences(name, level))]

    def _failures(self) -> list[str]:
        """Who failed, and how: a model that fails on the hard prompts is scored on the easy ones alone."""
        lines = []
        for label in self.models:
            mine = self.frame[self.frame["model"] == label]["error"]
            errors = mine[mine != ""]
            said = "{model}: {failed} of {n} calls failed, and its figures leave them out. First error: {error}"
            lines += [say(said, model=label, failed=len(errors), n=len(mine), error=errors.iloc[0])] if len(errors) else []
        return lines

    def _lines(self) -> list[str]:
        lines = [*self._failures(), *self._verdicts(), *(say("Flagged: {flag}.", flag=flag) for flag in self.flags())]
        once = self.scorers and self.frame["repeat"].nunique() > 1 and self._one_text()
        lines += [say("One prompt at temperature 0 is one observation, however often it is repeated: no interval.")] if once else []
        unscored = self.frame["score_error"].ne("").sum()
        lines += [say("{n} answers could not be scored: see the column 'score_error'.", n=unscored)] if unscored else []
        return [*lines, *self.notes]

    def _table(self) -> tuple[list[str], list[list[str]]]:
        table = self.summary()
        first, memory, size = say("first token (s)"), say("memory"), say("size")
        columns = [say("model"), "n", *self.scorers, "tokens/s", first, "tokens", memory, size]
        rows = []
        for label, one in table.iterrows():
            scores = [_with_interval(one[name], one[f"{name}_low"], one[f"{name}_high"]) for name in self.scorers]
            speeds = [_number(one[name]) for name in SHOWN]
            sizes = [bytes_text(int(one[name])) if one[name] == one[name] and one[name] is not None else "" for name in ("memory", "size")]
            answered = f"{one['n'] - one['errors']}/{one['n']}" if one["errors"] else str(one["n"])
            rows.append([str(label), answered, *scores, *speeds, *sizes])
        return columns, rows

    def __str__(self) -> str:
        columns, rows = self._table()
        widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [columns, *rows]]
        return "\n".join([*table, *self._lines()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        small = "".join(f"<div>{escape(line)}</div>" for line in self._lines())
        return table_html(*self._table()) + f'<div class="{PLAIN}" style="font-size:90%">{small}</div>'


def _few(pairs: pd.DataFrame) -> list[str]:
    """The verdicts of some pairs; where there are many, those without a clear difference are only counted."""
    if len(pairs) <= 3:
        return list(pairs["verdict"])
    clear = list(pairs[pairs["clear"]]["verdict"])
    return [*clear, say("no clear difference in {unclear} of {n} pairs", unclear=len(pairs) - len(clear), n=len(pairs))]


@lru_cache(maxsize=64)  # a notebook shows each comparison twice: as text and as HTML
def _difference(first: tuple[float, ...], second: tuple[float, ...], level: float) -> Difference:
    return paired_difference(first, second, level=level, resamples=RESAMPLES)


def _verdict(one: str, other: str, found: Difference) -> str:
    if not found.clear:
        return say("no clear difference between {one} and {other}", one=one, other=other)
    higher, lower = (one, other) if found.estimate > 0 else (other, one)
    return say("{higher} is higher than {lower}", higher=higher, lower=lower)


def _with_interval(value: float, low: float, high: float) -> str:
    if value != value:
        return ""
    return f"{value:.2f}" if low != low else say("{value:.2f} ({low:.2f} to {high:.2f})", value=value, low=low, high=high)


def _number(value: Any) -> str:
    return "" if value is None or value != value else f"{value:.3g}"
