"""The training loop of mini-embed: in a batch of pairs, each query must find its own passage among all (InfoNCE, van den Oord 2018)."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from ..optimizer import optimizers
from ..sample import Draw
from ..train import Budget, rate
from .model import Bert, Config
from .pairs import Pair, pairs
from .tokenizer import PAD

PAIRS = 64  # in a batch
GROUP = 16  # texts that are read at once
TEMPERATURE = 0.05


class Trainer:
    """Model, optimizers and budget; goes on from its checkpoint after a stop.

    Parameters
    ----------
    config : Config
    tokenizer : Tokenizer
    folder : Path
        Where `checkpoint.pt` and `log.jsonl` go.
    budget : Budget
    seed : int
    device : str
        'cpu', 'cuda' or 'auto'.
    """

    def __init__(self, config: Config, tokenizer: Tokenizer, folder: Path, budget: Budget, seed: int = 0, device: str = "auto") -> None:
        self.device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
        torch.manual_seed(seed)
        self.config, self.tokenizer, self.folder, self.budget = config, tokenizer, folder, budget
        self.model = Bert(config).to(self.device)
        self.optimizers = optimizers(self.model)
        self.heights = [optimizer.param_groups[0]["lr"] for optimizer in self.optimizers]
        self.random = Random(seed)
        self.step = self.tokens = 0
        folder.mkdir(parents=True, exist_ok=True)

    def train(self, report_every: float = 20.0, save_every: float = 180.0) -> None:
        """Train until the budget is spent, then save. Times in seconds."""
        self.budget.start()
        last_report = last_save = time.monotonic()
        losses: list[tuple[float, float]] = []
        while self.budget.progress < 1:
            started = time.monotonic()
            before = self.tokens
            losses.append(self._step(pairs(Draw(self.random, self.random.choice(("en", "es"))), PAIRS)))
            now = time.monotonic()
            self.budget.spend(now - started, self.tokens - before)
            if now - last_report > report_every or self.budget.progress >= 1:
                self._report(losses)
                last_report, losses = now, []
            if now - last_save > save_every:
                self.save()
                last_save = now
        self.save()

    def _step(self, found: list[Pair]) -> tuple[float, float]:
        share = rate(self.step, self.budget.progress)
        for optimizer, height in zip(self.optimizers, self.heights, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = height * share
        queries, passages = self.vectors([p.query for p in found]), self.vectors([p.passage for p in found])
        scores = queries @ passages.T / TEMPERATURE
        unfair = torch.tensor([[i != j and a.may_confuse(b) for j, b in enumerate(found)] for i, a in enumerate(found)])
        scores = scores.masked_fill(unfair.to(self.device), -torch.inf)
        own = torch.arange(len(found), device=self.device)
        loss = (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)) / 2
        torch.autograd.backward(loss)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return float(loss.detach()), float((scores.argmax(1) == own).float().mean())

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

    def _report(self, losses: list[tuple[float, float]]) -> None:
        count = max(1, len(losses))
        line = {
            "step": self.step,
            "tokens": self.tokens,
            "progress": round(self.budget.progress, 4),
            "loss": round(sum(loss for loss, _ in losses) / count, 4),
            "found": round(sum(found for _, found in losses) / count, 4),
            "left_minutes": round(self.budget.left() / 60, 1),
        }
        print("  ".join(f"{name} {value:,}" for name, value in line.items()), flush=True)
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state: dict[str, Any] = {
            "config": asdict(self.config),
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "tokens": self.tokens,
            "progress": self.budget.progress,
            "seconds": self.budget.seconds,
            "random": self.random.getstate(),
        }
        partial = self.folder / "checkpoint.partial"
        torch.save(state, partial)
        partial.replace(self.folder / "checkpoint.pt")

    def resume(self) -> bool:
        """Go on from the checkpoint, where there is one."""
        file = self.folder / "checkpoint.pt"
        if not file.is_file():
            return False
        state = torch.load(file, map_location=self.device, weights_only=False)
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.tokens = state["step"], state["tokens"]
        self.budget.progress, self.budget.seconds = state["progress"], state["seconds"]
        self.random.setstate(state["random"])
        return True
