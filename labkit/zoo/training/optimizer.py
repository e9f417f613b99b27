"""Muon for the matrices, AdamW for the rest: three times less loss than AdamW alone in the same time (see LOG.md).

Muon makes the step of a matrix orthogonal: all its directions are learned equally fast. `torch.optim.Muon` computes that in bfloat16,
which is ten times slower than float32 on a processor without units for it; so here it is in float32 there, for many matrices at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .device import has_bfloat16

MUON_RATE, ADAM_RATE = 0.004, 3e-3
FURTHER_RATE, FURTHER_MUON_RATE = 1e-3, 2.5e-3


class Muon(torch.optim.Optimizer):
    """Momentum, then Newton-Schulz.

    Parameters
    ----------
    matrices : iterable of Tensor
        Parameters with two dimensions.
    rate : float
        Learning rate.
    momentum, decay : float
        Share of the old step that is kept; pull towards zero.
    """

    def __init__(self, matrices: Iterable[Tensor], rate: float = MUON_RATE, momentum: float = 0.95, decay: float = 0.01) -> None:
        super().__init__(list(matrices), {"lr": rate, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step of every matrix."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                alike[matrix.shape].append(matrix)
            for shape, matrices in alike.items():
                slopes = [matrix.grad if matrix.grad is not None else torch.zeros_like(matrix) for matrix in matrices]
                olds = [self.state[matrix].setdefault("momentum", torch.zeros_like(matrix)) for matrix in matrices]
                torch._foreach_lerp_(olds, slopes, 1 - group["momentum"])
                steps = orthogonal(torch.stack(torch._foreach_lerp(slopes, olds, group["momentum"])))
                size = max(1.0, shape[0] / shape[1]) ** 0.5
                torch._foreach_mul_(matrices, 1 - group["lr"] * group["decay"])
                torch._foreach_add_(matrices, list(steps.unbind()), alpha=-group["lr"] * size)


def orthogonal(matrices: Tensor, rounds: int = 4) -> Tensor:
    """The orthogonal matrix nearest to each, roughly: Newton-Schulz with the coefficients of Keller Jordan's Muon."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    x: Tensor = matrices.bfloat16() if has_bfloat16(matrices.device) else matrices
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(rounds):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.mT if tall else x).float()


def optimizers(model: nn.Module, rate: float = MUON_RATE) -> list[torch.optim.Optimizer]:
    """Muon, at a learning rate of `rate`, for the matrices inside the blocks; AdamW for embedding and norms."""
    matrices, rest = apart(model)
    return [Muon(matrices, rate), adam(rest, ADAM_RATE)]


def gentle(model: nn.Module, rate: float = FURTHER_RATE) -> list[torch.optim.Optimizer]:
    """AdamW for a model that is trained already: it costs next to nothing, and Muon unsettles what is known at first (see LOG.md)."""
    matrices, rest = apart(model)
    return [adam(matrices, rate), adam(rest, rate / 2)]


def thorough(model: nn.Module, rate: float = FURTHER_MUON_RATE) -> list[torch.optim.Optimizer]:
    """Muon for a model that is trained already: worse at first, then quicker for each token (see LOG.md)."""
    matrices, rest = apart(model)
    return [Muon(matrices, rate), adam(rest, rate / 4)]


def apart(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """The matrices inside the blocks, and all the rest: embedding and norms."""
    matrices: list[Tensor] = []
    rest: list[Tensor] = []
    for name, p in model.named_parameters():
        (matrices if p.ndim == 2 and "embedding" not in name else rest).append(p)
    return matrices, rest


def adam(parameters: list[Tensor], rate: float) -> torch.optim.Optimizer:
    """AdamW without decay, which remembers a little less far back than usual."""
    return torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.98), weight_decay=0.0)
