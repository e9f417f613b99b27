"""The model: a BERT of two blocks, its vectors averaged and scaled to length 1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..model import attend

EPSILON = 1e-12


@dataclass(frozen=True)
class Config:
    """Sizes of an embedding model: see `labkit.zoo.training.model.Config`; `context` is the longest text in tokens."""

    width: int = 256
    layers: int = 2
    inner: int = 512
    head: int = 64
    vocabulary: int = 4096
    context: int = 512


CONFIGS = {"mini-embed": Config(), "test-embed": Config(width=64, layers=1, inner=64, head=32)}


class Block(nn.Module):
    """Attention in both directions, then feed-forward; each is added, then the sum is normalized."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.head = config.head
        self.q, self.k, self.v, self.o = (nn.Linear(config.width, config.width) for _ in range(4))
        self.attention_norm, self.feed_norm = (nn.LayerNorm(config.width, EPSILON) for _ in range(2))
        self.up, self.down = nn.Linear(config.width, config.inner), nn.Linear(config.inner, config.width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, time, width = x.shape
        q, k, v = (w(x).view(batch, time, -1, self.head).transpose(1, 2) for w in (self.q, self.k, self.v))
        seen = attend(q, k, v, mask)
        x = self.attention_norm(x + self.o(seen.transpose(1, 2).reshape(batch, time, width)))
        out: Tensor = self.feed_norm(x + self.down(functional.gelu(self.up(x), approximate="tanh")))  # as llama.cpp computes it
        return out


class Bert(nn.Module):
    """Token ids in, one vector of length 1 a text out."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.position_embedding = nn.Embedding(config.context, config.width)
        self.norm = nn.LayerNorm(config.width, EPSILON)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        for name, parameter in self.named_parameters():
            if "embedding" in name:
                nn.init.normal_(parameter, std=0.02 if "position" not in name else 0.002)
            elif parameter.ndim == 2:
                into_the_sum = name.endswith(("o.weight", "down.weight"))
                nn.init.normal_(parameter, std=config.width**-0.5 * (0.3 if into_the_sum else 1))

    def forward(self, ids: Tensor, there: Tensor) -> Tensor:
        """Vectors of texts.

        Parameters
        ----------
        ids : Tensor of int, (batch, time)
        there : Tensor of bool, (batch, time)
            False where a text has ended.

        Returns
        -------
        Tensor of float, (batch, width)
        """
        places = torch.arange(ids.shape[1], device=ids.device)
        x = self.norm(self.embedding(ids) + self.position_embedding(places))
        mask = torch.zeros(there.shape, device=ids.device).masked_fill(~there, -torch.inf)[:, None, None, :]
        for block in self.blocks:
            x = block(x, mask)
        weights = there.unsqueeze(-1).float()
        return functional.normalize((x * weights).sum(1) / weights.sum(1), dim=-1)
