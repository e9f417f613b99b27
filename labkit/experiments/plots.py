"""Plots of experiments: bars, points, lines and heat maps, with units, intervals and a text that says the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..display import Figure, bytes_text
from ..measure import Interval
from ..wording import say

# Okabe and Ito (2008): eight colours that people with any colour vision tell apart; on light and dark pages.
COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#0072b2", "#999999")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#808080"


@dataclass(frozen=True)
class Point:
    """A figure of one thing, with its interval where there is one."""

    label: str
    value: float
    interval: Interval | None = None

    @property
    def known(self) -> bool:
        """Whether there is a value at all."""
        return self.value is not None and not math.isnan(self.value)

    def text(self, unit: str = "") -> str:
        """As people read it: 0.8 (0.6 to 0.9)."""
        value = bytes_text(int(self.value)) if unit == "bytes" else f"{self.value:.3g}{f' {unit}' if unit else ''}"
        return f"{value} ({self.interval})" if self.interval else value

    @property
    def reach(self) -> tuple[float, float]:
        """How far the interval goes below and above the value."""
        if self.interval is None:
            return 0.0, 0.0
        return max(0.0, self.value - self.interval.low), max(0.0, self.interval.high - self.value)


def named(figure: str, unit: str) -> str:
    """The label of an axis: the name of what it shows, and its unit."""
    return f"{figure} ({unit})" if unit else figure


def bars(points: Sequence[Point], figure: str, unit: str = "") -> Figure:
    """One horizontal bar for each, its interval across its end."""
    pyplot = _pyplot()
    known = [point for point in points if point.known]
    drawn, axes = pyplot.subplots(figsize=(6, 0.8 + 0.45 * max(1, len(known))))
    reach = list(zip(*(point.reach for point in known), strict=True)) if known else None
    places = range(len(known))
    axes.barh(places, [p.value for p in known], xerr=reach, color=COLOURS[0], ecolor=GREY, capsize=4, height=0.6)
    axes.set_yticks(places, [p.label for p in known])
    axes.invert_yaxis()
    axes.set_xlabel(named(figure, unit))
    if any(p.interval for p in known):
        axes.set_title(say("line: 95 % interval"), fontsize=9)
    return Figure(drawn, f"{figure}. " + "; ".join(f"{p.label}: {p.text(unit) if p.known else say('unknown')}" for p in points))


def scatter(x: Sequence[Point], y: Sequence[Point], x_name: str, y_name: str, x_unit: str = "", y_unit: str = "") -> Figure:
    """One point for each, with both intervals: which one to choose is a matter of both axes."""
    pyplot = _pyplot()
    drawn, axes = pyplot.subplots(figsize=(6, 3.6))
    pairs = [(one, other) for one, other in zip(x, y, strict=True) if one.known and other.known]
    scale = 1e6 if x_unit == "bytes" else 1.0
    for number, (one, other) in enumerate(pairs):
        x_reach, y_reach = [[end / scale] for end in one.reach], [[end] for end in other.reach]
        style = {"marker": MARKERS[number % len(MARKERS)], "color": COLOURS[number % len(COLOURS)], "label": one.label}
        axes.errorbar(one.value / scale, other.value, xerr=x_reach, yerr=y_reach, capsize=3, linestyle="", **style)
    axes.set_xlabel(named(x_name, "MB" if x_unit == "bytes" else x_unit))
    axes.set_ylabel(named(y_name, y_unit))
    if pairs:
        axes.legend(fontsize=9)
    said = "; ".join(f"{one.label}: {x_name} {one.text(x_unit)}, {y_name} {other.text(y_unit)}" for one, other in pairs)
    return Figure(drawn, f"{say('{y} against {x}.', y=y_name, x=x_name)} {said}")


def line(points: Sequence[Point], setting: str, figure: str, unit: str = "") -> Figure:
    """A figure along one setting; the labels of the points are its values."""
    pyplot = _pyplot()
    drawn, axes = pyplot.subplots(figsize=(6, 3.2))
    known = [point for point in points if point.known]
    values = [_as_number(p.label) for p in known]
    numeric = all(value is not None for value in values)
    places: Any = values if numeric else range(len(known))
    reach = list(zip(*(point.reach for point in known), strict=True)) if known else None
    axes.errorbar(places, [p.value for p in known], yerr=reach, color=COLOURS[0], ecolor=GREY, marker="o", capsize=3)
    if not numeric:
        axes.set_xticks(range(len(known)), [p.label for p in known])
    axes.set_xlabel(setting)
    axes.set_ylabel(named(figure, unit))
    if any(p.interval for p in known):
        axes.set_title(say("vertical lines: 95 % intervals"), fontsize=9)
    head = say("{figure} by {setting}.", figure=figure, setting=setting)
    return Figure(drawn, f"{head} " + "; ".join(f"{p.label}: {p.text(unit)}" for p in known))


def heat(table: Any, figure: str, unit: str = "", note: str = "") -> Figure:
    """A figure over two settings: rows and columns of a frame, each cell with its number."""
    pyplot = _pyplot()
    rows, columns = table.shape
    drawn, axes = pyplot.subplots(figsize=(1.8 + 0.8 * columns, 1.2 + 0.5 * rows))
    image = axes.imshow(table.to_numpy(dtype=float), cmap="cividis", aspect="auto")
    axes.set_xticks(range(columns), [f"{value:g}" if isinstance(value, int | float) else str(value) for value in table.columns])
    axes.set_yticks(range(rows), [f"{value:g}" if isinstance(value, int | float) else str(value) for value in table.index])
    axes.set_xlabel(str(table.columns.name))
    axes.set_ylabel(str(table.index.name))
    bar = drawn.colorbar(image, ax=axes)
    bar.set_label(named(figure, unit))
    low, high = image.get_clim()
    for i in range(rows):
        for j in range(columns):
            value = float(table.iat[i, j])
            if not math.isnan(value):
                dark = high <= low or (value - low) / (high - low) < 0.55
                axes.text(j, i, f"{value:.3g}", ha="center", va="center", fontsize=9, color="#ffffff" if dark else "#000000")
    return Figure(drawn, _heat_text(table, figure, note))


def _heat_text(table: Any, figure: str, note: str) -> str:
    cells = [
        f"{table.index.name} {row}, {table.columns.name} {column}: {table.loc[row, column]:.3g}"
        for row in table.index
        for column in table.columns
    ]
    return f"{figure}{f' ({note})' if note else ''}. " + "; ".join(cells)


def _as_number(label: str) -> float | None:
    try:
        return float(label)
    except ValueError:
        return None


def _pyplot() -> Any:
    from matplotlib import pyplot

    return pyplot
