"""Experiments: models, prompts and settings against each other, with figures that can be trusted."""

from . import metrics, scorers
from .comparing import compare
from .comparison import Comparison, Entrant
from .reproducing import Reproduction, reproduce
from .runlog import RunLog
from .sweeping import sweep
from .swept import Sweep
from .votes import Pair, blind_pairs, tally

__all__ = [
    "Comparison", "Entrant", "Pair", "Reproduction", "RunLog", "Sweep", "blind_pairs", "compare", "metrics", "reproduce", "scorers",
    "sweep", "tally",
]  # fmt: skip
