"""LoRA: instead of a model's matrices, thin ones beside them are trained (Hu et al. 2021, *Low-Rank Adaptation of Large Language Models*).

A matrix W of out × in numbers stays as it is; what is learned is B·A, of out × rank and rank × in. The model keeps what it knew better
than where all of it moves, and what was learned is a file of a thirtieth of the size, which llama.cpp and Ollama take as an adapter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import torch
from torch import Tensor, nn

from . import optimizer
from .export import MATRICES, finish, half

RATE = 4e-3
SCALE = 2.0  # of B·A: what the field calls alpha / rank


class Adapted(nn.Module):
    """A frozen matrix and the change of it that is learned: x · (W + scale · B·A)ᵀ."""

    def __init__(self, whole: nn.Linear, rank: int) -> None:
        super().__init__()
        self.whole = whole
        self.a = nn.Parameter(torch.randn(rank, whole.in_features, device=whole.weight.device) * whole.in_features**-0.5)
        self.b = nn.Parameter(torch.zeros(whole.out_features, rank, device=whole.weight.device))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.whole(x) + x @ self.a.mT @ self.b.mT * SCALE
        return out


def attach(model: nn.Module, rank: int, rate: float = RATE) -> list[torch.optim.Optimizer]:
    """Freeze a model, put thin matrices beside those inside its blocks, and give the optimizer of these alone."""
    model.requires_grad_(False)
    for block in model.blocks:  # type: ignore[union-attr]
        for name in MATRICES:
            part, _, matrix = name.partition(".")
            holder = getattr(block, part)
            setattr(holder, matrix, Adapted(getattr(holder, matrix), rank))
    return [optimizer.adam([p for p in model.parameters() if p.requires_grad], rate)]


def to_gguf(checkpoint: Path, out: Path, name: str, average: Sequence[Path] = ()) -> dict[str, Any]:
    """Write what was trained beside the weights as an adapter for llama.cpp and Ollama; see `labkit.zoo.merging`.

    Parameters
    ----------
    checkpoint : Path
        What `Trainer.save` wrote, of a model with thin matrices.
    out : Path
    name : str
        Name of the model, kept in the file.
    average : sequence of Path
        Checkpoints of other adapters of the same weights: see `averaged`.

    Returns
    -------
    dict
        The figures of these trainings alone: tokens, seconds and machine.
    """
    states = [torch.load(file, map_location="cpu", weights_only=False) for file in (checkpoint, *average)]
    state, weights = states[0], averaged([state["model"] for state in states])
    writer = gguf.GGUFWriter(str(out), "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_name(name)
    writer.add_license("mit")
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, SCALE * next(len(w) for key, w in weights.items() if key.endswith(".a")))
    for block in range(state["config"]["layers"]):
        for ours, theirs in MATRICES.items():
            for thin in "ab":
                writer.add_tensor(f"blk.{block}.{theirs}.weight.lora_{thin}", half(weights[f"blocks.{block}.{ours}.{thin}"]))
    finish(writer, state)
    return {"tokens": sum(s["tokens"] for s in states), "seconds": sum(s["seconds"] for s in states), "machine": state["machine"]}


def averaged(sets: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of what several adapters of the same weights add, as one of their ranks together.

    With A and B of one beside those of the next, B·A is their sum; so each B is divided by how many there are.
    """
    thin = [name for name in sets[0] if name.endswith((".a", ".b"))]
    return {
        name: torch.cat([one[name] for one in sets]) if name.endswith(".a") else torch.cat([one[name] for one in sets], 1) / len(sets)
        for name in thin
    }
