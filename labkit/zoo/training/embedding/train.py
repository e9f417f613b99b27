"""The training loop of mini-embed: in a batch of pairs, each query must find its own passage among all (InfoNCE, van den Oord 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from ..sample import Draw
from ..train import Budget, Loop
from .model import Bert, Config
from .pairs import Pair, pairs
from .tokenizer import PAD

PAIRS = 64  # in a batch
GROUP = 16  # texts that are read at once
TEMPERATURE = 0.05


class Trainer(Loop):
    """The loop of an embedding model.

    Parameters
    ----------
    config : Config
    tokenizer : Tokenizer
    folder, budget, device
        As of `Loop`.
    seed : int
    """

    def __init__(self, config: Config, tokenizer: Tokenizer, folder: Path, budget: Budget, seed: int = 0, device: str = "auto") -> None:
        torch.manual_seed(seed)
        self.tokenizer = tokenizer
        super().__init__(Bert(config), config, folder, budget, Random(seed), device)

    def steps(self) -> Iterator[dict[str, float]]:
        """Batches of pairs; 'found' is the share of queries that find their passage."""
        while True:
            yield self._step(pairs(Draw(self.random, self.random.choice(("en", "es"))), PAIRS))

    def _step(self, found: list[Pair]) -> dict[str, float]:
        queries, passages = self.vectors([p.query for p in found]), self.vectors([p.passage for p in found])
        scores = queries @ passages.T / TEMPERATURE
        unfair = torch.tensor([[i != j and a.may_confuse(b) for j, b in enumerate(found)] for i, a in enumerate(found)])
        scores = scores.masked_fill(unfair.to(self.device), -torch.inf)
        own = torch.arange(len(found), device=self.device)
        loss = (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)) / 2
        self.learn(loss)
        return {"loss": float(loss.detach()), "found": float((scores.argmax(1) == own).float().mean())}

    def vectors(self, found: list[str]) -> Tensor:
        """Vectors of texts, cut where they are longer than the model reads: (number of texts, width)."""
        encoded = [e.ids[: self.config.context] for e in self.tokenizer.encode_batch(found)]
        self.tokens += sum(map(len, encoded))
        order = sorted(range(len(encoded)), key=lambda n: len(encoded[n]))  # texts of like length together: little is padded
        groups = [order[start : start + GROUP] for start in range(0, len(order), GROUP)]
        vectors = torch.cat([self._vectors([encoded[n] for n in group]) for group in groups])
        return vectors[torch.tensor(order, device=self.device).argsort()]

    def _vectors(self, encoded: list[list[int]]) -> Tensor:
        longest = max(map(len, encoded))
        ids = torch.tensor([e + [PAD] * (longest - len(e)) for e in encoded], device=self.device)
        there = torch.arange(longest, device=self.device)[None] < torch.tensor([len(e) for e in encoded], device=self.device)[:, None]
        vectors: Tensor = self.model(ids, there)
        return vectors
