"""One protocol for every figure that the kit shows: how it is taken, how far it spreads, and what it was taken on."""

from .likelihood import perplexity, token_logprobs
from .measurement import Measurement, Run
from .memory import PeakMemory
from .protocol import measure
from .provenance import Provenance, provenance
from .stats import Difference, Interval, Summary, bootstrap, difference, paired_difference, share, summarize

__all__ = [
    "Difference",
    "Interval",
    "Measurement",
    "PeakMemory",
    "Provenance",
    "Run",
    "Summary",
    "bootstrap",
    "difference",
    "measure",
    "paired_difference",
    "perplexity",
    "provenance",
    "share",
    "summarize",
    "token_logprobs",
]
