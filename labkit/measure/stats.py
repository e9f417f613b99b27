"""What a handful of measurements says, and what it does not: medians, spreads, bootstrap intervals, differences.

Sources. Efron and Tibshirani, *An Introduction to the Bootstrap* (1993): percentile (13.3) and BCa intervals (14.3). Hesterberg, *What
Teachers Should Know about the Bootstrap* (2015), 3.2 and 4.2: plain percentile intervals are too short for small samples, by
sqrt((n - 1) / n) and by normal instead of t quantiles; the expanded percentiles used here mend both. Abramowitz and Stegun (1964),
26.7.5: quantiles of Student's t.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, pi, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import OptionError
from ..wording import say

Numbers = NDArray[np.float64]
Statistic = str | Callable[..., Any]

RESAMPLES = 2000
LEVEL = 0.95
BLOCK = 1_000_000  # numbers that are drawn at a time
FEWEST = 5  # values from which an interval is given
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Interval:
    """Where the true value probably is.

    Attributes
    ----------
    low, high : float
        In the unit of the values.
    level : float
        How often, over many experiments, such an interval holds the true value.
    n : int
        Values that it was made from.
    """

    low: float
    high: float
    level: float
    n: int

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return say("{low:.3g} to {high:.3g}", low=self.low, high=self.high)


@dataclass(frozen=True)
class Summary:
    """A handful of values.

    Attributes
    ----------
    n : int
    median : float
    spread : float
        Interquartile range: the middle half of the values is so wide.
    low, high : float
        Least and greatest.
    interval : Interval or None
        Of the median; None for fewer than five values: from least to greatest, four hold the true median only 87.5 % of the time.
    """

    n: int
    median: float
    spread: float
    low: float
    high: float
    interval: Interval | None

    def __str__(self) -> str:
        if self.n == 1:
            return f"{self.median:.3g} (n = 1)"
        return f"{self.median:.3g} ± {self.spread / 2:.2g} (n = {self.n})"


@dataclass(frozen=True)
class Difference:
    """How far two sets of values are apart: the first less the second.

    Attributes
    ----------
    estimate : float
        In the unit of the values.
    interval : Interval
    clear : bool
        Whether the data tell the two apart at this level.
    """

    estimate: float
    interval: Interval
    clear: bool

    def __str__(self) -> str:
        level, n = self.interval.level, self.interval.n
        found = say("{found:+.3g} ({level:.0%} interval {ends}, n = {n})", found=self.estimate, level=level, ends=self.interval, n=n)
        return found if self.clear else say("no clear difference: {found}", found=found)


def summarize(values: ArrayLike, *, level: float = LEVEL, seed: int = 0) -> Summary:
    """Median, spread and an interval of some values.

    >>> str(summarize([3.0, 1.0, 2.0, 10.0, 2.5]))
    '2.5 ± 0.5 (n = 5)'
    """
    data = _numbers(values)
    low, middle, high = (float(value) for value in np.percentile(data, [25, 50, 75]))
    interval = bootstrap(data, "median", level=level, seed=seed) if len(data) >= FEWEST else None
    return Summary(len(data), middle, high - low, float(data.min()), float(data.max()), interval)


def median_absolute_deviation(values: ArrayLike) -> float:
    """The median distance from the median; times 1.4826 it estimates the standard deviation of normal values.

    >>> median_absolute_deviation([1, 2, 3, 4, 100])
    1.0
    """
    data = _numbers(values)
    return float(np.median(np.abs(data - np.median(data))))


def bootstrap(
    values: ArrayLike,
    statistic: Statistic = "mean",
    *,
    level: float = LEVEL,
    method: str = "percentile",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """An interval from resampling the values.

    Parameters
    ----------
    values : array_like
        Independent values of one kind. Repeats of one prompt are not independent of each other: average them first. From fewer than
        five, or from five to ten that are skewed, an interval holds the truth less often than its level says.
    statistic : {'mean', 'median'} or callable
        A callable takes an array and `axis`, as `np.mean` does.
    level : float
        In (0, 1).
    method : {'percentile', 'bca'}
        'percentile' with ends that are widened for small samples; 'bca' corrects bias and skewness instead.
    resamples : int
    seed : int
        The same seed gives the same interval.
    """
    data, function = _numbers(values), _statistic(statistic)
    if not 0 < level < 1 or method not in ("percentile", "bca"):
        raise OptionError(f"level={level!r}, method={method!r}: there is no such interval.", fix="0 < level < 1; 'percentile' or 'bca'.")
    n = len(data)
    estimates = _resampled(data, function, resamples, np.random.default_rng(seed))
    ends = _expanded(n, level) if method == "percentile" else _bca(data, function, estimates, level)
    low, high = np.quantile(estimates, ends)
    return Interval(float(low), float(high), level, n)


def share(right: float, n: int, *, level: float = LEVEL) -> Interval:
    """An interval of a share: so many out of n. Wilson's, which is not empty where all or none are (1927).

    >>> print(share(9, 10), share(10, 10), sep="; ")
    0.596 to 0.982; 0.722 to 1
    """
    if n < 1 or not 0 <= right <= n:
        raise OptionError(f"{right!r} out of {n!r} is no share.", fix="Give a number from 0 to n, and n of at least 1.")
    z = _NORMAL.inv_cdf((1 + level) / 2)
    p, scale = right / n, 1 + z * z / n
    middle, half = (p + z * z / (2 * n)) / scale, z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale
    return Interval(max(0.0, middle - half), min(1.0, middle + half), level, n)


def paired_difference(first: ArrayLike, second: ArrayLike, statistic: Statistic = "mean", **options: Any) -> Difference:
    """How far two sets of values are apart that belong together one by one: the same prompts, two models.

    Parameters
    ----------
    first, second : array_like
        Of the same length; the i-th of both were taken under the same conditions.
    statistic : {'mean', 'median'} or callable
        Of the differences.
    **options
        As in `bootstrap`.

    >>> scores = np.random.default_rng(1).normal(0, 1, 30)
    >>> str(paired_difference(scores, scores + 0.001))[:19]
    '-0.001 (95% interva'
    >>> print(paired_difference([1, 0, 1], [0, 0, 0]))
    no clear difference: +0.667 (95% interval 0 to 1, n = 3)
    """
    one, other = _numbers(first), _numbers(second)
    if len(one) != len(other):
        raise OptionError(
            f"{len(one)} values cannot be paired with {len(other)}.", fix="Use difference() for values that do not belong together."
        )
    apart = one - other
    interval = bootstrap(apart, statistic, **options)
    # With fewer pairs not even the sign test, in which all of them agree, reaches the level: 2 * (1/2)^n.
    enough = 2.0 ** (1 - np.count_nonzero(apart)) <= 1 - interval.level + 1e-12
    return Difference(float(_statistic(statistic)(apart, axis=0)), interval, bool(enough and 0 not in interval))


def difference(
    first: ArrayLike,
    second: ArrayLike,
    statistic: Statistic = "mean",
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """How far two sets of values are apart that do not belong together one by one."""
    one, other, function = _numbers(first), _numbers(second), _statistic(statistic)
    chance = np.random.default_rng(seed)
    parts = [_resampled(data, function, resamples, chance) for data in (one, other)]
    fewest = min(len(one), len(other))
    low, high = np.quantile(parts[0] - parts[1], _expanded(fewest, level))
    interval = Interval(float(low), float(high), level, fewest)
    return Difference(float(function(one, axis=0) - function(other, axis=0)), interval, bool(fewest > 3 and 0 not in interval))


def _resampled(data: Numbers, function: Callable[..., Any], resamples: int, chance: np.random.Generator) -> Numbers:
    """The statistic of each resample, drawn in blocks: all at once would take gigabytes for thousands of values."""
    n, rows = len(data), max(1, BLOCK // len(data))
    sizes = [min(rows, resamples - start) for start in range(0, resamples, rows)]
    return np.concatenate([function(data[chance.integers(0, n, (size, n))], axis=1) for size in sizes])


# -- ends of the intervals ----------------------------------------------------------------------------------------------------------


def _expanded(n: int, level: float) -> tuple[float, float]:
    if n < 2:
        return 0.0, 1.0
    tail = _NORMAL.cdf(-sqrt(n / (n - 1)) * _t_quantile((1 + level) / 2, n - 1))
    return tail, 1 - tail


def _bca(data: Numbers, function: Callable[..., Any], estimates: Numbers, level: float) -> tuple[float, float]:
    n, value = len(data), function(data, axis=0)
    below = (np.count_nonzero(estimates < value) + np.count_nonzero(estimates == value) / 2) / len(estimates)
    bias = _NORMAL.inv_cdf(min(max(below, 1e-6), 1 - 1e-6))
    others = np.arange(n - 1) + (np.arange(n - 1) >= np.arange(n)[:, None])  # row i: all places but i
    left_out = function(data[others], axis=1) if n > 1 else np.zeros(1)
    apart = left_out.mean() - left_out
    scale = float((apart**2).sum()) ** 1.5
    skew = float((apart**3).sum()) / (6 * scale) if scale > 0 else 0.0
    z = _NORMAL.inv_cdf((1 + level) / 2)
    low, high = (_NORMAL.cdf(bias + (bias + end) / (1 - skew * (bias + end))) for end in (-z, z))
    return low, high


def _t_quantile(p: float, df: int) -> float:
    """Quantile of Student's t: exact for 1 and 2 degrees of freedom, else A&S 26.7.5 (within 0.02 from 3 on at 97.5 %)."""
    if df == 1:
        return -cos(pi * p) / sqrt(1 - cos(pi * p) ** 2)
    if df == 2:
        return (2 * p - 1) * sqrt(2 / (4 * p * (1 - p)))
    z = _NORMAL.inv_cdf(p)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return float(z + sum(term / df**power for power, term in enumerate(terms, 1)))


def _statistic(statistic: Statistic) -> Callable[..., Any]:
    if callable(statistic):
        return statistic
    known: dict[str, Callable[..., Any]] = {"mean": np.mean, "median": np.median}
    if statistic not in known:
        raise OptionError(f"statistic={statistic!r} is unknown.", fix="Use 'mean', 'median' or a function of an array and axis.")
    return known[statistic]


def _numbers(values: ArrayLike | Sequence[float]) -> Numbers:
    data = np.asarray(values, dtype=np.float64).ravel()
    if not len(data) or not np.isfinite(data).all():
        raise OptionError("There are no values, or some are no numbers.", fix="Leave out what could not be measured, and say how many.")
    return data
