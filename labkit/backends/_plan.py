"""How many sequences are computed at once, in how many contexts, and what memory that takes: decided before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..display import bytes_text
from ..errors import OutOfMemoryError
from ..machine import machine, usable_cores
from . import memory
from ._crowd import padded
from ._prompt import Prompt
from .many import Job

if TYPE_CHECKING:
    from .llama_cpp import LlamaCppModel

SEATS = 64  # of one crowd: more gain little
SEATS_UNIFIED = 24  # of one whose sequences share their beginning: each looks past the ends of all others
UNIFY = 64  # tokens shared by all requests from which that pays, if they are a fifth of the longest
FLASH = 256  # tokens of a sequence up to which flash attention is the faster one here
SHARE = 32  # tokens from which copying a computed beginning is cheaper than computing it again
SPARE = 0.8  # part of the free memory that may be taken
TINY_MODEL = 20_000_000  # parameters up to which a core for each crowd beats several threads in one pass


@dataclass(frozen=True)
class Ask:
    """A job with its prompt as tokens, and how many tokens may follow."""

    job: Job
    prompt: Prompt
    limit: int


@dataclass(frozen=True)
class Plan:
    """How the requests are computed.

    Attributes
    ----------
    crowds, seats : int
        Contexts, and sequences in each.
    cells : int
        Tokens that each context has room for.
    threads : int
        CPU threads of each.
    shared : int
        Tokens with which all requests begin, where the sequences of a crowd share them; else 0.
    flash : bool or None
        Flash attention; None leaves it to llama.cpp.
    memory : int
        Bytes predicted for all.
    """

    crowds: int
    seats: int
    cells: int
    threads: int
    shared: int
    flash: bool | None
    memory: int

    @property
    def at_once(self) -> int:
        """Sequences under way together."""
        return self.crowds * self.seats


def plan(model: LlamaCppModel, asks: Sequence[Ask], workers: int | None) -> Plan:
    """Fit crowds and seats to the requests, the cores and the free memory.

    Raises
    ------
    OutOfMemoryError
        When there is not enough for one sequence.
    """
    header, given = model.header, (model.recipe or ("", {}))[1]
    tiny = header.parameters <= TINY_MODEL
    crowds = min(workers or (usable_cores() if tiny else 1), max(1, len(asks) // 4))
    window = max(len(ask.prompt.ids) + ask.limit for ask in asks)
    shared = 0 if model._engine.recurrent or len(asks) == 1 else min(common(ask.prompt.ids, asks[0].prompt.ids) for ask in asks[1:])
    unified = shared >= max(UNIFY, window // 5)
    seats = min(SEATS_UNIFIED if unified else SEATS, -(-len(asks) // crowds))
    # On the CPU, flash attention takes one query after the other, which long sequences pay for.
    flash = False if (unified or window > FLASH) and not given.get("gpu_layers") else None
    free = int(min(machine().memory_available, given.get("memory_limit") or float("inf")) * SPARE)

    def made(crowds: int, seats: int) -> Plan:
        cells = padded(shared + seats * (window - shared + SHARE)) if unified else padded(window) * seats
        need = memory.predict(header, cells)
        scores = 0 if flash is None else 4 * memory.BATCH * header.number("attention.head_count") * (cells if unified else padded(window))
        per_crowd = need.kv_cache + memory.predict(header, window).compute + scores + 4 * header.vocabulary * seats
        return Plan(
            crowds, seats, cells, 1 if tiny else max(1, model.threads // crowds), shared if unified else 0, flash, crowds * per_crowd
        )

    found = made(crowds, seats)
    while found.memory > free and found.at_once > 1:
        found = made(found.crowds, found.seats // 2) if found.seats > 1 else made(found.crowds // 2, 1)
    if found.memory > free:
        raise OutOfMemoryError(
            f"{model.name} needs about {bytes_text(found.memory)} more for one sequence of {window:,} tokens.",
            f"{bytes_text(free)} may be taken.",
            fix=f"Ask for less (max_tokens={max(16, window // 4)}), close other programs, or ask one by one: chat().",
        )
    return found


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """Length of the common beginning of two prompts, at most all but the last token of the first: its logits are needed."""
    high = min(len(one) - 1, len(other))
    if high < SHARE or one[:SHARE] != other[:SHARE]:
        return 0
    if one[:high] == other[:high]:
        return high
    low = SHARE
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low
