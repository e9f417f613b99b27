"""Below which relevance is a question refused? A threshold chosen from questions with known answers, and what it does to others."""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from ..errors import OptionError
from ..measure.stats import Interval, share
from ..wording import say

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Calibration:
    """A threshold, and what it does to the questions that it was chosen with.

    Attributes
    ----------
    threshold : float
        As of `KnowledgeBase.search`.
    kept : float
        Share of the answerable questions that reach it, and are answered rightly where a model was asked.
    refused : float
        Share of the unanswerable ones that do not, or that the model refuses.
    kept_interval, refused_interval : Interval
        Wilson's, 95 %. Of other questions a little less is kept and refused, since the threshold was chosen for these: see
        `cross_validate`.
    asked : bool
        Whether a model was asked.
    """

    threshold: float
    kept: float
    refused: float
    kept_interval: Interval
    refused_interval: Interval
    asked: bool = False

    def __str__(self) -> str:
        said = "{share:.0%} ({low:.0%} to {high:.0%}) of {n}"
        kept, refused = (say(said, share=v, low=i.low, high=i.high, n=i.n) for v, i in self._shares())
        search = "threshold={threshold:.2f} keeps {kept} questions that have an answer and refuses {refused} that have none"
        model = "threshold={threshold:.2f}: {kept} questions that have an answer are answered rightly, {refused} that have none are refused"
        return say(model if self.asked else search, threshold=self.threshold, kept=kept, refused=refused)

    def _shares(self) -> tuple[tuple[float, Interval], tuple[float, Interval]]:
        return (self.kept, self.kept_interval), (self.refused, self.refused_interval)


def calibrate(rows: pd.DataFrame) -> Calibration:
    """The threshold that parts questions which the documents answer from those which they do not, as fairly to both as can be.

    Of all thresholds the one at which the smaller of `kept` and `refused` is greatest (near the equal error rate); of equal ones the one
    with the greatest sum, and of those the middle.

    Parameters
    ----------
    rows : DataFrame
        From `each`, without a threshold, and searched as will be searched later. Where a model was asked, what it makes of the questions
        counts: only right answers are worth keeping, and what it refuses by itself needs no threshold.

    Raises
    ------
    OptionError
        When there is no answerable question, or no unanswerable one.

    >>> import pandas as pd
    >>> print(calibrate(pd.DataFrame({"answerable": [True, True, False], "relevance": [0.8, 0.6, 0.2]})))
    threshold=0.40 keeps 100% (34% to 100%) of 2 questions that have an answer and refuses 100% (21% to 100%) of 1 that have none
    """
    asked = "text" in rows.columns
    there = rows["answerable"].astype(bool)
    numbers = int(there.sum()), int((~there).sum())
    if not all(numbers):
        raise OptionError("A threshold is chosen between questions with an answer and questions without.", fix="Give some of both kinds.")
    relevance = [float(value) for value in rows["relevance"]]
    good = sorted(itertools.compress(relevance, there & (rows["right"] == 1) if asked else there))
    bad = sorted(itertools.compress(relevance, ~there & (rows["abstained"] == 0) if asked else ~there))

    def shares(threshold: float) -> tuple[float, float]:
        kept, answered = (len(values) - bisect.bisect_left(values, threshold) for values in (good, bad))
        return kept / numbers[0], 1 - answered / numbers[1]

    values = sorted({0.0, *relevance})
    between = [(low + high) / 2 for low, high in itertools.pairwise(values)] or values
    worth = [(round(min(both), 12), round(sum(both), 12)) for both in map(shares, between)]
    best = [one for one, value in zip(between, worth, strict=True) if value == max(worth)]
    threshold = best[len(best) // 2]
    kept, refused = shares(threshold)
    whole = tuple(round(one * n) for one, n in zip((kept, refused), numbers, strict=True))
    return Calibration(threshold, kept, refused, share(whole[0], numbers[0]), share(whole[1], numbers[1]), asked)


def cross_validate(rows: pd.DataFrame, folds: int = 10, seed: int = 0) -> pd.DataFrame:
    """The rows as they would be with a threshold that was chosen without them: what a calibrated threshold does to new questions.

    The questions are parted at random into `folds`; for each part, `calibrate` chooses the threshold with all the others (Stone,
    *Cross-validatory choice and assessment of statistical predictions*, 1974). What is below it is refused.

    Parameters
    ----------
    rows : DataFrame
        From `each` with a model, without a threshold.
    folds : int
        From 2 to the number of questions of either kind, at most.
    seed : int
        Of the parting.

    Returns
    -------
    DataFrame
        As of `each`, with the threshold of each row; for `summary`.

    Raises
    ------
    OptionError
        When no model was asked, or there are too few questions of a kind.
    """
    if "text" not in rows.columns:
        raise OptionError("No model was asked these questions.", fix="Use rows of lab.rag.evaluate.each(kb, questions, model).")
    kinds = [list(rows.index[rows["answerable"] == kind]) for kind in (True, False)]
    most = min(map(len, kinds))
    if not isinstance(folds, int) or isinstance(folds, bool) or not 2 <= folds <= max(2, most) or most < 2:
        raise OptionError(f"folds={folds!r} is out of range.", fix=f"It is a whole number from 2 to {most}: each part needs both kinds.")
    random = Random(seed)
    for kind in kinds:
        random.shuffle(kind)
    found = rows.assign(threshold=float("nan"))
    for part in range(folds):
        held = found.index.isin([index for kind in kinds for index in kind[part::folds]])
        threshold = calibrate(rows[~held]).threshold
        below = held & (rows["relevance"] < threshold)
        found.loc[held, "threshold"] = threshold
        found.loc[below, "abstained"] = 1.0
        found.loc[below, "supported"] = float("nan")
        found.loc[below & rows["answerable"], ["right", "cited"]] = 0.0
    return found
