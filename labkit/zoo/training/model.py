"""The model: a llama, as small as it gets. RMSNorm, rotary positions, SwiGLU, the embedding used twice."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention.flex_attention import BlockMask, flex_attention


@dataclass(frozen=True)
class Config:
    """Sizes of a model.

    Attributes
    ----------
    width : int
        Length of the vector that stands for a token; a multiple of 256, so that K-quants are real.
    layers : int
    inner : int
        Width inside each feed-forward block.
    head : int
        Width of an attention head.
    vocabulary : int
    context : int
        Tokens that it can read at once.
    """

    width: int
    layers: int
    inner: int
    head: int = 64
    vocabulary: int = 2048
    context: int = 1024


CONFIGS = {
    "mini-s": Config(width=256, layers=2, inner=256),
    "mini-m": Config(width=256, layers=5, inner=512),
    "mini-l": Config(width=512, layers=5, inner=512),
    "test": Config(width=64, layers=2, inner=128, head=32),
}
EPSILON = 1e-5
ROPE_BASE = 10000.0


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Attention of queries to keys and values, (batch, heads, time, head) each; "look back" without a mask.

    On a processor PyTorch's own kernel does not use the units for bfloat16 and takes three times as long as these products.
    """
    if q.dtype != torch.bfloat16 or q.device.type != "cpu":
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
    if mask is None:
        mask = torch.full((q.shape[-2],) * 2, -torch.inf).triu(1)
    return torch.softmax(q * q.shape[-1] ** -0.5 @ k.mT + mask.to(q.dtype), -1) @ v


class Attention(nn.Module):
    """Each token looks back at the others."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.head = config.head
        self.q, self.k, self.v, self.o = (nn.Linear(config.width, config.width, bias=False) for _ in range(4))

    def forward(self, x: Tensor, turn: Tensor, mask: Tensor | BlockMask | None) -> Tensor:
        """Parameters: x (batch, time, width), turn from `rotation`, mask where it is more than "look back"."""
        batch, time, width = x.shape
        q, k, v = (w(x).view(batch, time, -1, self.head).transpose(1, 2) for w in (self.q, self.k, self.v))
        q, k = rotate(q, turn), rotate(k, turn)
        if isinstance(mask, BlockMask):
            seen: Tensor = flex_attention(q, k, v, block_mask=mask)
        else:
            seen = attend(q, k, v, mask)
        out: Tensor = self.o(seen.transpose(1, 2).reshape(batch, time, width))
        return out


class FeedForward(nn.Module):
    """What the model knows, token by token."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.gate = nn.Linear(config.width, config.inner, bias=False)
        self.up = nn.Linear(config.width, config.inner, bias=False)
        self.down = nn.Linear(config.inner, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down(functional.silu(self.gate(x)) * self.up(x))
        return out


class Block(nn.Module):
    """Attention, then feed-forward, each added to what was there."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.width, EPSILON)
        self.attention = Attention(config)
        self.feed_norm = nn.RMSNorm(config.width, EPSILON)
        self.feed = FeedForward(config)

    def forward(self, x: Tensor, turn: Tensor, mask: Tensor | BlockMask | None) -> Tensor:
        x = x + self.attention(self.attention_norm(x), turn, mask)
        out: Tensor = x + self.feed(self.feed_norm(x))
        return out


class Llama(nn.Module):
    """The whole model: token ids in, a score for every token of the vocabulary out."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width, EPSILON)
        self.register_buffer("turns", rotation(config), persistent=False)
        for name, parameter in self.named_parameters():
            if name == "embedding.weight":
                nn.init.normal_(parameter, std=0.02)
            elif parameter.ndim == 2:
                into_the_sum = name.endswith(("attention.o.weight", "feed.down.weight"))
                nn.init.normal_(parameter, std=config.width**-0.5 * (0.3 if into_the_sum else 1))

    def forward(
        self, ids: Tensor, positions: Tensor | None = None, mask: Tensor | BlockMask | None = None, wanted: Tensor | None = None
    ) -> Tensor:
        """Scores of the next token.

        Parameters
        ----------
        ids : Tensor of int, (batch, time)
        positions : Tensor of int, (batch, time), optional
            Place of each token in its own conversation; 0, 1, 2… without it.
        mask : Tensor, (batch, 1, time, time), or BlockMask, optional
            0 where a token may see another, minus infinity where not; "all before it" without it.
        wanted : Tensor of bool, (batch, time), optional
            Compute scores at these places only.
        """
        turns: Tensor = self.turns  # type: ignore[assignment]
        turn = turns[: ids.shape[1]] if positions is None else turns[positions].unsqueeze(1)
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, turn, mask)
        x = self.norm(x)
        return functional.linear(x if wanted is None else x[wanted], self.embedding.weight)


def rotation(config: Config) -> Tensor:
    """Cosine and sine of every position and pair: (context, head / 2, 2)."""
    speed = ROPE_BASE ** (-torch.arange(0, config.head, 2) / config.head)
    angle = torch.outer(torch.arange(config.context).float(), speed)
    return torch.stack((angle.cos(), angle.sin()), -1)


def rotate(x: Tensor, turn: Tensor) -> Tensor:
    """Turn each pair of neighbouring numbers by the angle of its position, so that a product of two shows their distance."""
    first, second = x.float().reshape(*x.shape[:-1], -1, 2).unbind(-1)
    cos, sin = turn.unbind(-1)
    return torch.stack((first * cos - second * sin, first * sin + second * cos), -1).flatten(-2).type_as(x)
