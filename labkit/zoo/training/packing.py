"""Rows packed into sequences of one length, for a GPU: one shape, hardly any padding, and attention that skips what it may not see."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask

from .batches import Row, Stream
from .feed import Arrays, Maker
from .skills import STAGES, Stage

BATCH_TOKENS = 20_480
LENGTH = 2048  # of a sequence; the longest row has 1,500 tokens
NOBODY = -1  # number of the row where there is none: padding
POOL = 8  # batches that are packed together: the more, the fewer gaps


def pack(rows: list[Row], length: int = LENGTH) -> Arrays:
    """Rows into as few sequences as will do, each row into the first that has room (first fit, the longest first).

    Returns
    -------
    dict of ndarray, (sequences, length)
        'ids', 'positions', 'rows' (number of the row in its sequence), 'branches', 'targets' and 'weights' (of the target; 0 where
        there is none), as in `batches.Batch`.
    """
    sequences: list[list[Row]] = []
    room: list[int] = []
    for row in sorted(rows, key=lambda r: -len(r.ids)):
        place = next((n for n, free in enumerate(room) if free >= len(row.ids)), None)
        if place is None:
            place = len(room)
            sequences.append([])
            room.append(length)
        sequences[place].append(row)
        room[place] -= len(row.ids)
    shape = (len(sequences), length)
    made: Arrays = {name: np.zeros(shape, np.int16) for name in ("ids", "positions", "branches", "targets")}
    made["rows"], made["weights"] = np.full(shape, NOBODY, np.int16), np.zeros(shape, np.float16)
    for n, sequence in enumerate(sequences):
        start = 0
        for number, row in enumerate(sequence):
            size = len(row.ids)
            here = slice(start, start + size)
            ids, branches, weights = np.array(row.ids), np.array(row.branches), np.array(row.weights)
            goes_on = branches[:-1] == branches[1:]  # the last token of a branch, and of the beginning, has none that follows
            made["ids"][n, here], made["positions"][n, here], made["branches"][n, here] = ids, row.positions, branches
            made["rows"][n, here] = number
            made["targets"][n, start : start + size - 1] = np.where(goes_on, ids[1:], 0)
            made["weights"][n, start : start + size - 1] = np.where(goes_on, weights[1:], 0)
            start += size
    return made


def seen(batch: dict[str, Tensor]) -> Tensor | BlockMask:
    """Which token sees which: back in its own row, the common beginning and its own branch. A GPU skips the rest in blocks."""
    rows, branches = batch["rows"], batch["branches"]

    def sees(b: Tensor, h: Tensor, query: Tensor, key: Tensor) -> Tensor:
        same = (rows[b, query] == rows[b, key]) & (query >= key)
        return same & ((branches[b, key] == 0) | (branches[b, key] == branches[b, query]))

    size, length = rows.shape
    if rows.is_cuda:
        made: BlockMask = _block_mask()(sees, size, None, length, length, device=rows.device)
        return made
    which, place = torch.arange(size), torch.arange(length)
    return sees(which[:, None, None], which[:1], place[None, :, None], place[None, None, :]).unsqueeze(1)


@functools.cache
def _block_mask() -> Any:
    return torch.compile(create_block_mask, dynamic=False)


@dataclass(frozen=True)
class Packer:
    """Starts what makes packed batches, in a process of its own.

    Attributes
    ----------
    words : str
        The tokenizer, as JSON.
    sequences : int
        Of a batch.
    stages : sequence of Stage
        As of `batches.Stream`.
    """

    words: str
    sequences: int
    stages: Sequence[Stage] = STAGES

    def __call__(self, number: int) -> Maker:
        stream = Stream(Tokenizer.from_str(self.words), number, self.stages)

        def make(progress: float) -> Iterator[Arrays]:
            stream.at(progress)
            made = pack(stream.rows(progress, POOL * self.sequences * LENGTH))
            order: Any = np.random.default_rng(stream.random.getrandbits(32)).permutation(len(made["ids"]))
            for start in range(0, len(order) - self.sequences + 1, self.sequences):
                yield {name: array[order[start : start + self.sequences]] for name, array in made.items()}

        return make


def loss_of(model: torch.nn.Module, batch: dict[str, Tensor], mask: Tensor | BlockMask) -> tuple[Tensor, Tensor]:
    """The loss that is lowered, and that of the answers alone, which is worth reporting."""
    scores = model(batch["ids"].long(), batch["positions"].long(), mask)
    weights = batch["weights"].float().flatten()
    loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1).float(), batch["targets"].long().flatten(), reduction="none")
    answers = weights == 1
    total = answers.sum().clamp(min=1)
    return (loss * weights).sum() / total, (loss.detach() * answers).sum() / total
