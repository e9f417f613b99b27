"""Intervals hold what they promise: checked on simulated experiments whose truth is known."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from labkit.errors import OptionError
from labkit.measure import Interval, bootstrap, difference, paired_difference, summarize
from labkit.measure.stats import _resampled, _t_quantile, median_absolute_deviation

EXPERIMENTS = 1000


def coverage(draw, truth: float, make) -> float:
    """How often the interval of a simulated experiment holds the truth."""
    chance = np.random.default_rng(11)
    return sum(truth in make(draw(chance), number) for number in range(EXPERIMENTS)) / EXPERIMENTS


@pytest.mark.parametrize("n", [10, 30])
def test_paired_interval_covers_a_known_difference(n):
    def draw(chance):
        hard = chance.normal(0, 2, n)  # what both models share: some prompts are harder
        return hard + chance.normal(0.3, 1, n), hard + chance.normal(0, 1, n)

    found = coverage(draw, 0.3, lambda pair, seed: paired_difference(*pair, resamples=600, seed=seed).interval)
    print(f"n = {n}: {found:.1%} of {EXPERIMENTS}")
    assert 0.93 <= found <= 0.97


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_interval_of_skewed_values_covers_their_mean(method):
    found = coverage(
        lambda chance: chance.gamma(4, 1, 40), 4.0, lambda data, seed: bootstrap(data, method=method, resamples=600, seed=seed)
    )
    assert 0.93 <= found <= 0.97, found


def test_interval_of_five_repeats_covers_the_median():
    found = coverage(lambda chance: chance.normal(100, 5, 5), 100.0, lambda data, seed: summarize(data, seed=seed).interval)
    assert found >= 0.91, found  # five values cannot promise more: all five lie on one side in 6 % of the experiments


def test_resamples_of_many_values_take_little_memory():
    data = np.random.default_rng(7).normal(0, 1, 3001)
    tracemalloc.start()
    try:
        found = bootstrap(data, resamples=1500, seed=3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    at_once = data[np.random.default_rng(3).integers(0, 3001, (1500, 3001))].mean(axis=1)
    assert peak < 40e6 and at_once.min() < found.low < found.high < at_once.max()
    assert np.array_equal(_resampled(data, np.mean, 1500, np.random.default_rng(3)), at_once), "the same draws as all at once"


def test_no_clear_difference_where_there_is_none():
    chance = np.random.default_rng(2)
    wrong = sum(paired_difference(chance.normal(0, 1, 20), chance.normal(0, 1, 20), resamples=500).clear for _ in range(400))
    assert wrong / 400 <= 0.08
    same = paired_difference([1, 0, 1, 1], [1, 0, 1, 1])
    assert not same.clear and str(same).startswith("no clear difference: +0")


def test_a_difference_is_clear_only_with_enough_pairs():
    assert not paired_difference([1] * 5, [0] * 5).clear
    assert paired_difference([1] * 6, [0] * 6).clear
    assert "no clear" not in str(paired_difference([1] * 6, [0] * 6))


def test_pairing_finds_what_separate_sets_hide():
    chance = np.random.default_rng(3)
    hard = chance.normal(0, 10, 30)
    first, second = hard + 1 + chance.normal(0, 0.5, 30), hard + chance.normal(0, 0.5, 30)
    assert paired_difference(first, second).clear and not difference(first, second).clear
    assert difference(hard + 100, hard).clear and difference(hard + 100, hard).estimate == pytest.approx(100)


def test_summary_is_robust_and_repeatable():
    summary = summarize([1, 2, 3, 4, 1000])
    assert (summary.median, summary.spread, summary.low, summary.high, summary.n) == (3, 2, 1, 1000, 5)
    assert summary == summarize([1, 2, 3, 4, 1000]) and summary.interval.low >= 1
    assert summarize([7]).interval is None and summarize([1, 2, 3, 4]).interval is None and str(summarize([7])) == "7 (n = 1)"
    assert median_absolute_deviation([1, 2, 3, 4, 1000]) == 1


def test_t_quantiles_are_those_of_the_tables():
    for df, value in {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 9: 2.262, 29: 2.045, 1000: 1.962}.items():
        assert _t_quantile(0.975, df) == pytest.approx(value, rel=0.006)


def test_own_statistics_and_wrong_arguments():
    assert isinstance(bootstrap([1, 2, 3], np.max), Interval)
    for call in (
        lambda: bootstrap([]),
        lambda: bootstrap([1, float("nan")]),
        lambda: bootstrap([1, 2], "mode"),
        lambda: bootstrap([1, 2], level=95),
        lambda: bootstrap([1, 2], method="magic"),
        lambda: paired_difference([1, 2], [1]),
    ):
        with pytest.raises(OptionError):
            call()
