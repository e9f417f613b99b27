"""`Sweep`: what `sweep` found, as frames and plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import display
from ..backends.base import Model
from ..chat import Options
from ..display import PLAIN, Figure, escape
from ..errors import OptionError
from ..measure import Interval
from ..wording import say
from . import metrics, plots
from .fair import options_text
from .rows import NUMBERS, UNITS, cell, mean_interval, one_text

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 80  # characters of the prompt
OF_TEXTS = ("distinct_1", "distinct_2", "similarity")  # of all answers of one combination together
OF_EACH = ("repetition", "words", "characters", "perplexity")  # of each answer; their mean is shown


@dataclass(frozen=True)
class Sweep:
    """What `sweep` found.

    Attributes
    ----------
    frame : DataFrame
        One row for each answer: the swept settings, 'repeat', 'seed', 'text', a column for each scorer, 'words', 'characters',
        'repetition', 'perplexity', tokens, times in seconds, 'error', 'score_error', 'from_log'.
    model, prompt : str
    settings : dict
        Setting -> its values.
    scorers : tuple of str
    options : Options
        What held for all.
    notes : tuple of str
    log : Path or None
    """

    frame: pd.DataFrame
    model: str
    prompt: str
    settings: Mapping[str, Sequence[Any]]
    scorers: tuple[str, ...]
    options: Options
    notes: tuple[str, ...] = ()
    log: Path | None = field(default=None, repr=False)
    embedder: Model | None = field(default=None, repr=False)

    @property
    def figures(self) -> list[str]:
        """What can be plotted."""
        return [*self.scorers, *OF_TEXTS, *OF_EACH, *NUMBERS]

    def summary(self) -> pd.DataFrame:
        """One row for each combination of settings.

        Returns
        -------
        DataFrame
            The settings; 'n' answers, 'errors' of them; the mean of each scorer; 'distinct_1', 'distinct_2' (different words and pairs
            of words, as a share), 'similarity' (mean over all pairs of answers); means of 'repetition', 'words', 'characters' and
            'perplexity'; medians of the times.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:

        return display.frame([self._combination(point, part) for point, part in self._parts()])

    def _parts(self) -> list[tuple[dict[str, Any], pd.DataFrame]]:
        names = list(self.settings)
        if not names:
            return [({}, self.frame)]
        parts = self.frame.groupby(names, sort=False, dropna=False)
        return [(dict(zip(names, key, strict=True)), part) for key, part in parts]  # type: ignore[call-overload,unused-ignore]

    def _combination(self, point: Mapping[str, Any], part: pd.DataFrame) -> dict[str, Any]:
        good = part[part["error"] == ""]
        texts = list(good["text"])
        row: dict[str, Any] = {**point, "n": len(part), "errors": len(part) - len(good)}
        row |= {name: good[name].mean() for name in self.scorers}
        row |= {"distinct_1": metrics.distinct(texts, 1), "distinct_2": metrics.distinct(texts, 2)}
        row["similarity"] = metrics.similarity(texts, self.embedder)
        row |= {name: good[name].mean() for name in OF_EACH}
        return row | {name: good[name].median() for name in ("completion_tokens", "tokens_per_second", "time_to_first_token")}

    def interval(self, figure: str, **point: Any) -> Interval | None:
        """Where the mean of a figure probably is under one combination; None for figures of all answers together, for too few answers,
        and for what is said of one text (at temperature 0).
        """
        self._check(figure)
        part = self.frame
        for name, value in point.items():
            part = part[part[name] == cell(value)]
        once = one_text(part, point.get("temperature", self.options.temperature))
        if figure in OF_TEXTS or (once and figure not in NUMBERS):
            return None
        return mean_interval(part[figure].dropna(), figure in self.scorers)

    def _check(self, figure: str) -> None:
        if figure not in self.figures:
            raise OptionError(f"There is no figure {figure!r}.", fix=f"Figures: {', '.join(self.figures)}.")

    def plot(self, figure: str = "", x: str = "", y: str = "") -> Figure:
        """A figure along one setting as a line, over two as a heat map.

        Parameters
        ----------
        figure : str
            By default the first scorer, else 'distinct_2'.
        x, y : str
            Settings for the axes; by default the first two that have several values. Over those that are left the mean is taken, and the
            text of the plot says so.
        """
        figure = figure or (self.scorers[0] if self.scorers else "distinct_2")
        self._check(figure)
        several = [name for name, values in self.settings.items() if len(values) > 1] or list(self.settings)
        for name in (x, y):
            if name and name not in self.settings:
                raise OptionError(f"{name!r} was not swept.", fix=f"Settings: {', '.join(self.settings) or 'none'}.")
        x = x or next((name for name in several if name != y), "")
        if not x:
            raise OptionError("Nothing was swept.", fix="Give a setting a list of values: temperature=[0, 0.5, 1].")
        y = y or (next((name for name in several if name != x), "") if not y else "")
        table = self._means(figure)
        unit = UNITS.get(figure, "")
        rest = [name for name in several if name not in (x, y)]
        note = say("mean over {settings}", settings=", ".join(rest)) if rest else ""
        if y:
            cells = table.pivot_table(index=y, columns=x, values=figure, aggfunc="mean", sort=False, dropna=False)
            return plots.heat(cells, figure, unit, note)
        points = [
            plots.Point(
                _label(value), float(table[table[x] == value][figure].mean()), None if rest else self.interval(figure, **{x: value})
            )
            for value in self.settings[x]
        ]
        return plots.line(points, x, figure, unit)

    def _means(self, figure: str) -> pd.DataFrame:
        table = self._summary
        if figure in table:
            return table
        means = [{**point, figure: part[figure].mean()} for point, part in self._parts()]

        return display.frame(means)

    def texts(self, n: int = 1) -> pd.DataFrame:
        """The first n answers of each combination, side by side with its settings."""
        return self.frame[self.frame["repeat"] < n][[*self.settings, "repeat", "seed", "text", "finish_reason"]].reset_index(drop=True)

    def _lines(self) -> list[str]:
        wrong = int((self.frame["error"] != "").sum())
        held = options_text(self.options)
        for_all = say("; for all: {options}", options=held) if held else ""
        asked = repr(self.prompt if len(self.prompt) <= SHOWN else f"{self.prompt[: SHOWN - 1]}…")
        lines = [say("{model}: {n} answers to {prompt}", model=self.model, n=len(self.frame), prompt=asked) + f"{for_all}."]
        by_words, by_vectors = "Similarity: shared words, mean over all pairs.", "Similarity: cosine of vectors, mean over all pairs."
        lines += [say(by_vectors if self.embedder else by_words)]
        lines += [say("{failed} calls failed: see the column 'error'.", failed=wrong)] if wrong else []
        unscored = int((self.frame["score_error"] != "").sum())
        lines += [say("{n} answers could not be scored: see the column 'score_error'.", n=unscored)] if unscored else []
        return [*lines, *self.notes]

    def _shown(self) -> pd.DataFrame:
        columns = [*self.settings, "n", *self.scorers, "distinct_2", "similarity", "repetition", "words", "perplexity"]
        return self._summary[columns].round(3)

    def __str__(self) -> str:
        return "\n".join([self._shown().to_string(index=False), *self._lines()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        small = "".join(f"<div>{escape(line)}</div>" for line in self._lines())
        table = self._shown().to_html(index=False, border=0, na_rep="")
        return f'<div class="{PLAIN}">{table}<div style="font-size:90%">{small}</div></div>'


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float | np.number) and not isinstance(value, bool) else str(value)
