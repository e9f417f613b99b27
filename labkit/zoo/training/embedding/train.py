"""The training loop of mini-embed: in a batch of pairs, each query must find its own passage among all (InfoNCE, van den Oord 2018)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from ..feed import Arrays, Feed, Maker
from ..optimizer import MUON_RATE
from ..sample import Draw
from ..train import Budget, Loop
from .model import Bert, Config
from .pairs import pairs
from .tokenizer import PAD

PAIRS = 64  # in a batch, where no GPU is fed
GROUP = 16  # of this number of texts each is read at once
TEMPERATURE = 0.05


class Trainer(Loop):
    """The loop of an embedding model.

    Parameters
    ----------
    config : Config
    tokenizer : Tokenizer
    folder, budget, device, rate
        As of `Loop`.
    seed : int
    workers : int
        Processes that make pairs ahead, for a GPU; 0: they are made between the steps.
    count : int
        Pairs of a batch: each has all others as counterexamples.
    """

    def __init__(
        self,
        config: Config,
        tokenizer: Tokenizer,
        folder: Path,
        budget: Budget,
        seed: int = 0,
        device: str = "auto",
        rate: float = MUON_RATE,
        workers: int = 0,
        count: int = PAIRS,
    ) -> None:
        torch.manual_seed(seed)
        self.tokenizer, self.maker = tokenizer, PairMaker(tokenizer.to_str(), count, config.context)
        super().__init__(Bert(config), config, folder, budget, Random(seed), device, rate)
        if workers:
            self.feed = Feed(self.maker, workers, self.device, seed)

    def steps(self) -> Iterator[dict[str, Tensor]]:
        """Batches of pairs; 'found' is the share of queries that find their passage."""
        while self.feed:
            yield self._step(self.feed.take(self.budget.progress))
        for arrays in self.maker.batches(self.random):
            yield self._step({name: torch.from_numpy(array).to(self.device) for name, array in arrays.items()})

    def _step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        with self.precision():
            queries, passages = self.read(batch["queries"]), self.read(batch["passages"])
        scores = queries.float() @ passages.float().T / TEMPERATURE
        own = torch.arange(len(scores), device=self.device)
        scores = scores.masked_fill(unfair(batch["source"], batch["subject"], batch["part"]), -torch.inf)
        loss = (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)) / 2
        self.learn(loss)
        self.tokens += int((batch["queries"] != PAD).sum() + (batch["passages"] != PAD).sum())
        return {"loss": loss.detach(), "found": (scores.detach().argmax(1) == own).float().mean()}

    def vectors(self, found: list[str]) -> Tensor:
        """Vectors of texts, cut where they are longer than the model reads: (number of texts, width)."""
        return self.read(torch.from_numpy(self.maker.ids(self.tokenizer, found)).to(self.device))

    def read(self, ids: Tensor) -> Tensor:
        """Vectors of padded texts: (number of texts, width). Those of like length are read together, so little is padded."""
        lengths = (ids != PAD).sum(1)
        order = lengths.argsort()
        groups = [(group, int(lengths[group].max())) for group in torch.split(order, max(GROUP, len(ids) // 8))]
        vectors = torch.cat([self.model(ids[group, :longest].long(), ids[group, :longest] != PAD) for group, longest in groups])
        return vectors[order.argsort()]


def unfair(source: Tensor, subject: Tensor, part: Tensor) -> Tensor:
    """Which passages (columns) are no counterexample for a query (row): of its source, with nothing that tells them apart.

    All three are (number of pairs) numbers; a subject or a part of 0 is none. A name that the query does not say tells nothing apart;
    parts do where both are known.
    """
    alike = (source[:, None] == source) & ((subject[:, None] == 0) | (subject[:, None] == subject))
    alike &= (part[:, None] == 0) | (part == 0) | (part[:, None] == part)
    return alike.fill_diagonal_(False)


@dataclass(frozen=True)
class PairMaker:
    """Starts what makes batches of pairs, in a process of its own.

    Attributes
    ----------
    words : str
        The tokenizer, as JSON.
    count : int
        Pairs of a batch.
    longest : int
        Tokens after which a text is cut.
    """

    words: str
    count: int
    longest: int

    def __call__(self, number: int) -> Maker:
        found = self.batches(Random(number))
        return lambda progress: iter([next(found)])

    def batches(self, random: Random) -> Iterator[Arrays]:
        """Batches without end: 'queries' and 'passages' (count, longest text) padded; 'source', 'subject', 'part' (count) as numbers."""
        tokenizer = Tokenizer.from_str(self.words)
        while True:
            made = [pairs(Draw(random, random.choice(("en", "es"))), min(PAIRS, self.count)) for _ in range(max(1, self.count // PAIRS))]
            found = [pair for few in made for pair in few]
            yield {
                "queries": self.ids(tokenizer, [pair.query for pair in found]),
                "passages": self.ids(tokenizer, [pair.passage for pair in found]),
                "source": np.array([_number(pair.source) for pair in found]),
                "subject": np.array([_number(pair.subject) for pair in found]),
                "part": np.array([_number(pair.part) for pair in found]),
            }

    def ids(self, tokenizer: Tokenizer, found: Sequence[str]) -> NDArray[np.int16]:
        """Token ids of texts, padded: (number of texts, longest)."""
        encoded = [e.ids[: self.longest] for e in tokenizer.encode_batch_fast(list(found))]
        ids = np.full((len(encoded), max(map(len, encoded))), PAD, np.int16)
        for row, text in zip(ids, encoded, strict=True):
            row[: len(text)] = text
        return ids


def _number(name: str) -> int:
    """A number that stands for a name; 0 for none."""
    return zlib.crc32(name.encode()) if name else 0
