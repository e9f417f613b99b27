"""The training loop.

It resumes from its checkpoint. Where the budget is time, pausing the process neither counts nor harms: what is left of the schedule is
spread over what is left until the deadline, so the learning rate always ends near zero.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from . import device as devices
from . import packing
from .batches import Batch, Stream
from .feed import Feed
from .model import CONFIGS, Config, Llama
from .optimizer import MUON_RATE, gentle, optimizers
from .skills import STAGES, Stage

WARM_UP = 100  # steps
FLAT = 0.5  # share of the schedule before the learning rate falls
LONGEST_STEP = 5.0  # seconds: a longer step was a pause
GRACE = 60.0  # seconds in which a run that was paused past its deadline still lets the learning rate fall


@dataclass
class Budget:
    """How much of the schedule is done: `progress` grows from 0 to 1.

    Attributes
    ----------
    minutes : float
        Time from start to deadline; 0 where `tokens` counts.
    tokens : float
        Tokens to train on; 0 where `minutes` counts.
    """

    minutes: float = 0.0
    tokens: float = 0.0
    progress: float = 0.0
    seconds: float = 0.0
    _deadline: float = field(default=0.0, repr=False)

    def start(self) -> None:
        """Begin, or begin again after a checkpoint: the rest of the time counts from now."""
        self._deadline = time.monotonic() + self.minutes * 60 * (1 - self.progress)

    def spend(self, seconds: float, tokens: int) -> None:
        """Count one step."""
        active = min(seconds, LONGEST_STEP)
        self.seconds += active
        if self.tokens:
            self.progress = min(1.0, self.progress + tokens / self.tokens)
        else:
            left = max(self._deadline - time.monotonic(), GRACE * (1 - self.progress))
            self.progress = min(1.0, self.progress + (1 - self.progress) * active / (active + left))
            if self.progress > 0.9985:
                self.progress = 1.0

    def left(self) -> float:
        """Seconds that are left, about."""
        return self.seconds / max(self.progress, 1e-6) * (1 - self.progress)


def rate(step: int, progress: float) -> float:
    """The learning rate as a share of its height: up in 100 steps, flat, then down to almost nothing."""
    fall = 1.0 if progress < FLAT else max(0.005, (1 - progress) / (1 - FLAT))
    return min(1.0, (step + 1) / WARM_UP) * fall


class Loop(ABC):
    """Steps until the budget is spent, with checkpoints: everything needed to go on after a stop.

    Parameters
    ----------
    model : nn.Module
    config : dataclass
        Sizes of the model, kept in the checkpoint.
    folder : Path
        Where `checkpoint.pt` and `log.jsonl` go.
    budget : Budget
    random : random.Random
        Where the samples come from.
    device : str
        'cpu', 'cuda' or 'auto'.
    rate : float
        Learning rate of the matrices at its height.
    """

    def __init__(
        self, model: nn.Module, config: Any, folder: Path, budget: Budget, random: Random, device: str, rate: float = MUON_RATE
    ) -> None:
        self.device = devices.named(device)
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")
        self.model, self.config, self.folder, self.budget, self.random = model.to(self.device), config, folder, budget, random
        self._use(optimizers(self.model, rate))
        self.feed: Feed | None = None
        self.step = self.tokens = 0
        self.before: dict[str, Any] = {"tokens": 0, "seconds": 0.0, "machine": ""}  # what the weights had learned from when this run began
        folder.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def steps(self) -> Iterator[dict[str, Tensor]]:
        """Make step after step, without end, and say how each went: 'loss' and what else is worth a line of the log."""

    def close(self) -> None:
        """End the processes of the feed."""
        if self.feed:
            self.feed.close()

    def _use(self, chosen: list[torch.optim.Optimizer]) -> None:
        self.optimizers = chosen
        self.heights = [optimizer.param_groups[0]["lr"] for optimizer in chosen]

    def start_from(
        self,
        weights: Mapping[str, Tensor],
        tokens: int = 0,
        seconds: float = 0.0,
        machine: str = "",
        using: Callable[[nn.Module], list[torch.optim.Optimizer]] = gentle,
    ) -> None:
        """Begin with weights that were trained before, on so many tokens, for so long and on such a machine; go on gently or thoroughly."""
        self.model.load_state_dict(weights)
        self._use(using(self.model))
        self.before = {"tokens": tokens, "seconds": seconds, "machine": machine}

    def train(self, report_every: float = 20.0, save_every: float = 180.0) -> None:
        """Train until the budget is spent, then save.

        Parameters
        ----------
        report_every, save_every : float
            Seconds between lines of progress, and between checkpoints.
        """
        self.budget.start()
        last = last_report = last_save = time.monotonic()
        found: list[dict[str, Tensor]] = []
        steps = self.steps()
        while self.budget.progress < 1:
            tokens = self.tokens
            found.append(next(steps))
            now = time.monotonic()
            self.budget.spend(now - last, self.tokens - tokens)
            last = now
            if now - last_report > report_every or self.budget.progress >= 1:
                self._report(found)
                last_report, found = now, []
            if now - last_save > save_every:
                self.save()
                last_save = now
        self.save()

    def learn(self, loss: Tensor) -> None:
        """One step of all optimizers down the slope of a loss."""
        share = rate(self.step, self.budget.progress)
        for optimizer, height in zip(self.optimizers, self.heights, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = height * share
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.optimizers[-1].param_groups[0]["params"], 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1

    def precision(self) -> torch.autocast:
        """Matrix products in bfloat16 within it, where the device has units for that."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=devices.has_bfloat16(self.device))

    def _report(self, found: list[dict[str, Tensor]]) -> None:
        line = {
            "step": self.step,
            "tokens": self.tokens,
            "progress": round(self.budget.progress, 4),
            **{name: round(float(torch.stack([figures[name] for figures in found]).mean()), 4) for name in found[0]},
            "per_second": round(self.tokens / max(self.budget.seconds, 1e-9)),
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
            "before": self.before,
            "machine": devices.described(self.device),
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
        self.step, self.tokens, self.before = state["step"], state["tokens"], state["before"]
        self.budget.progress, self.budget.seconds = state["progress"], state["seconds"]
        self.random.setstate(state["random"])
        return True


class Trainer(Loop):
    """The loop of a chat model: each batch teaches the tokens of its answers, and a little of its prompts.

    Parameters
    ----------
    config : Config
    tokenizer : Tokenizer
    folder, budget, device
        As of `Loop`.
    seed : int
    stages : sequence of Stage
        What is learned when.
    rate : float
        As of `Loop`.
    workers : int
        Processes that make batches ahead, packed for a GPU (`packing.py`); 0: batches of like length are made between the steps.
    batch_tokens : int
        Tokens of a step; 0: what the stages say, or `packing.BATCH_TOKENS` with workers.
    """

    def __init__(
        self,
        config: Config,
        tokenizer: Tokenizer,
        folder: Path,
        budget: Budget,
        seed: int = 0,
        device: str = "auto",
        stages: Sequence[Stage] = STAGES,
        rate: float = MUON_RATE,
        workers: int = 0,
        batch_tokens: int = 0,
    ) -> None:
        torch.manual_seed(seed)
        if batch_tokens:
            stages = [replace(stage, batch_tokens=batch_tokens) for stage in stages]
        self.stream = Stream(tokenizer, seed, stages)
        super().__init__(Llama(config), config, folder, budget, self.stream.random, device, rate)
        if workers:
            sequences = max(1, (batch_tokens or packing.BATCH_TOKENS) // packing.LENGTH)
            packer = packing.Packer(tokenizer.to_str(), sequences, stages)
            self.feed = Feed(packer, workers, self.device, seed)
        self.loss_of = torch.compile(packing.loss_of, dynamic=False) if self.device.type == "cuda" else packing.loss_of

    def steps(self) -> Iterator[dict[str, Tensor]]:
        """Batches of the feed or the stream, which changes with progress."""
        while self.feed:
            yield {"loss": self._packed_step(self.feed.take(self.budget.progress))}
        while True:
            for batch in self.stream.batches(self.budget.progress):
                yield {"loss": self._step(batch)}

    def _packed_step(self, batch: dict[str, Tensor]) -> Tensor:
        with self.precision():
            loss, of_answers = self.loss_of(self.model, batch, packing.seen(batch))
        self.learn(loss)
        self.tokens += batch["ids"].numel()
        return of_answers

    def _step(self, batch: Batch) -> Tensor:
        ids, positions, targets, weights = (t.to(self.device) for t in (batch.ids, batch.positions, batch.targets, batch.weights))
        mask = None if batch.mask is None else batch.mask.to(self.device)
        wanted = weights > 0
        with self.precision():
            scores = self.model(ids, None if mask is None else positions, mask, wanted)
        loss = functional.cross_entropy(scores.float(), targets[wanted], reduction="none")
        weight = weights[wanted]
        answers = weight == 1
        total = answers.sum().clamp(min=1)
        self.learn((loss * weight).sum() / total)
        self.tokens += batch.tokens
        return (loss.detach() * answers).sum() / total


def config_of(name: str) -> Config:
    """The sizes of a model by its name."""
    if name not in CONFIGS:
        raise SystemExit(f"There is no model {name!r} to train. Known: {', '.join(CONFIGS)}.")
    return CONFIGS[name]
