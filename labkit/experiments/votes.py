"""Blind votes: two answers to the same prompt, nobody knows whose, and what many such votes say.

The judge may be a person, another model or a function: whoever decides sees `Pair.left` and `Pair.right` and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import comb
from random import Random
from typing import TYPE_CHECKING

from .. import display
from ..errors import OptionError
from ..measure import Interval, share
from ..wording import say

if TYPE_CHECKING:
    import pandas as pd

CHOICES = ("left", "right", "tie")


@dataclass(frozen=True)
class Pair:
    """Two answers to one prompt.

    Attributes
    ----------
    prompt : str
    left, right : str
        The answers, in an order drawn by chance.
    hidden : tuple of (str, str)
        Who wrote them; not part of what a notebook shows.
    """

    prompt: str
    left: str
    right: str
    hidden: tuple[str, str] = field(repr=False)


def blind_pairs(frame: pd.DataFrame, n: int | None = None, *, seed: int = 0, equal: bool = False) -> list[Pair]:
    """Pairs to vote on, from the rows of a comparison.

    Parameters
    ----------
    frame : DataFrame
        `Comparison.frame`, or any with 'model', 'case', 'prompt', 'repeat', 'text' and 'error'.
    n : int, optional
        At most so many, drawn by chance.
    seed : int
        For the order of the pairs and the sides.
    equal : bool
        Keep pairs of equal texts too; they are ties and cost a vote each.
    """
    good = frame[frame["error"] == ""]
    chance = Random(seed)
    pairs = []
    for _, part in good.groupby(["case", "repeat"], sort=True):
        texts = dict(zip(part["model"], part["text"], strict=True))
        for one, other in combinations(texts, 2):
            if equal or texts[one].strip() != texts[other].strip():
                first, second = (one, other) if chance.random() < 0.5 else (other, one)
                pairs.append(Pair(str(part["prompt"].iloc[0]), texts[first], texts[second], (first, second)))
    chance.shuffle(pairs)
    return pairs[:n]


def tally(pairs: Sequence[Pair], votes: Mapping[int, str] | Iterable[str | None], *, level: float = 0.95) -> pd.DataFrame:
    """What votes say about each two models.

    Parameters
    ----------
    pairs : sequence of Pair
    votes : dict of place -> vote, or iterable of votes
        'left', 'right' or 'tie'; None for a pair that nobody has judged.
    level : float
        Of all pairs of models together (Bonferroni).

    Returns
    -------
    DataFrame
        'first', 'second', 'wins' of the first, 'losses', 'ties', 'share' of wins where there was no tie, its interval 'low' to 'high'
        (Wilson), 'clear' (by the exact binomial test: two equal models would be this far apart in at most 1 - `level` of all series of
        so many votes) and 'verdict'. Decide beforehand how many votes there will be: who stops as soon as it is clear finds a winner
        among equals far more often.
    """

    given = dict(votes) if isinstance(votes, Mapping) else dict(enumerate(votes))
    counts: dict[tuple[str, str], list[int]] = {}
    for place, vote in given.items():
        if vote is None:
            continue
        if vote not in CHOICES or not 0 <= place < len(pairs):
            raise OptionError(f"Vote {vote!r} on pair {place} does not count.", fix=f"Votes: {', '.join(CHOICES)}; pairs: {len(pairs)}.")
        left, right = pairs[place].hidden
        first, second = sorted((left, right))
        winner = {"left": left, "right": right}.get(vote)
        counts.setdefault((first, second), [0, 0, 0])[2 if winner is None else int(winner == second)] += 1
    rows = [_row(models, found, 1 - (1 - level) / len(counts)) for models, found in sorted(counts.items())]
    return display.frame(rows, columns=["first", "second", "wins", "losses", "ties", "share", "low", "high", "clear", "verdict"])


def chance_of(wins: int, losses: int) -> float:
    """How likely two equal models are at least this far apart: the exact two-sided binomial test (also called sign test).

    >>> chance_of(4, 0), chance_of(6, 0), chance_of(3, 3)
    (0.125, 0.03125, 1.0)
    """
    n = wins + losses
    return min(1.0, 2 * sum(comb(n, i) for i in range(max(wins, losses), n + 1)) / (1 << n))


def _row(models: tuple[str, str], counts: Sequence[int], level: float) -> dict[str, object]:
    wins, losses, ties = counts
    ends = share(wins, wins + losses, level=level) if wins + losses else Interval(0.0, 1.0, level, 0)
    # Not from Wilson's interval: after four votes for one and none for the other it leaves out one half, as one series in eight does.
    clear = chance_of(wins, losses) <= 1 - level
    better, other = models if wins > losses else models[::-1]
    preferred = say("{better} is preferred to {other}", better=better, other=other)
    verdict = preferred if clear else say("no clear difference between {one} and {other}", one=models[0], other=models[1])
    head = {"first": models[0], "second": models[1], "wins": wins, "losses": losses, "ties": ties}
    part = wins / (wins + losses) if wins + losses else float("nan")
    return head | {"share": part, "low": ends.low, "high": ends.high, "clear": clear, "verdict": verdict}
