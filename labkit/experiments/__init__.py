"""Experiments: models, prompts and settings against each other, with figures that can be trusted."""

from . import metrics, scorers
from .comparing import compare
from .comparison import Comparison, Entrant
from .runlog import RunLog
from .sweeping import sweep
from .swept import Sweep

__all__ = ["Comparison", "Entrant", "RunLog", "Sweep", "compare", "metrics", "scorers", "sweep"]
