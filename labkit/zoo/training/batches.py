"""Samples into batches of like length.

Samples of one skill call share the beginning of their prompt (the same passages, several questions). The beginning is read once: the
row holds it, then the branches one after another; each branch sees the beginning and itself, and counts its positions from there.
So four questions over 300 tokens of passages cost about 450 tokens instead of 1,400.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import torch
from tokenizers import Tokenizer
from torch import Tensor

from .sample import END, Draw, Sample, render
from .skills import STAGES, Skill, Stage

LONGEST = 1000  # tokens of one sample
LONGEST_ROW = 1500


@dataclass(frozen=True)
class Row:
    """Tokens of one or more samples with a common beginning: ids, positions, branch (0: the beginning) and weight of each."""

    ids: list[int]
    positions: list[int]
    branches: list[int]
    weights: list[float]


@dataclass(frozen=True)
class Batch:
    """Rows as tensors. `weights[i]` belongs to the token that follows `ids[i]` in its branch, `targets[i]`."""

    ids: Tensor
    positions: Tensor
    mask: Tensor | None
    targets: Tensor
    weights: Tensor
    tokens: int


def row(samples: list[Sample], tokenizer: Tokenizer, random: Random, prompt_weight: float = Stage.prompt_weight) -> Row:
    """One row of samples that share the beginning of their prompt, whose own tokens teach a little too (see `Stage`)."""

    def weights(count: int) -> list[float]:
        """A third of the tokens at three times the weight: it costs less."""
        return [3 * prompt_weight if random.random() < 1 / 3 else 0.0 for _ in range(count)]

    prompts = encoded([render(sample.messages) for sample in samples], tokenizer)
    answers = [tokenizer.encode(sample.answer + END + "\n", add_special_tokens=False).ids for sample in samples]
    common = _common(prompts) if len(samples) > 1 else 0
    ids = prompts[0][:common]
    made = Row(ids, list(range(common)), [0] * common, weights(common))
    for branch, (prompt, answer) in enumerate(zip(prompts, answers, strict=True), 1):
        tail = prompt[common:] + answer
        made.ids.extend(tail)
        made.positions.extend(range(common, common + len(tail)))
        made.branches.extend([branch] * len(tail))
        made.weights.extend(weights(len(prompt) - common) + [1.0] * len(answer))
    return made


def encoded(texts: list[str], tokenizer: Tokenizer) -> list[list[int]]:
    """Token ids of texts. Where all begin alike up to an empty line, that part is encoded once: no token reaches over it."""
    cut = texts[0].rfind("\n\n", 0, _common(texts)) if len(texts) > 1 else -1
    if cut < 1 or texts[0][cut - 1].isspace():
        return [e.ids for e in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    head = tokenizer.encode(texts[0][:cut], add_special_tokens=False).ids
    return [head + tokenizer.encode(text[cut:], add_special_tokens=False).ids for text in texts]


def _common(prompts: Sequence[Sequence[int] | str]) -> int:
    """How many tokens (or characters) all prompts begin with alike; each keeps one of its own at least."""
    shortest = min(map(len, prompts)) - 1
    return next((place for place in range(shortest) if len({prompt[place] for prompt in prompts}) > 1), shortest)


def collate(rows: list[Row]) -> Batch:
    """Rows of like length as one batch."""
    longest = max(len(r.ids) for r in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    positions, branches, targets = torch.zeros_like(ids), torch.full_like(ids, -1), torch.zeros_like(ids)
    weights = torch.zeros(len(rows), longest)
    for n, r in enumerate(rows):
        size = len(r.ids)
        ids[n, :size], positions[n, :size], branches[n, :size] = torch.tensor(r.ids), torch.tensor(r.positions), torch.tensor(r.branches)
        # the next token of a branch; the last of a branch, and of the beginning, has none
        follows = [i for i in range(size - 1) if r.branches[i] == r.branches[i + 1]]
        after = torch.tensor(follows, dtype=torch.long)
        targets[n, after] = torch.tensor([r.ids[i + 1] for i in follows])
        weights[n, after] = torch.tensor([r.weights[i + 1] for i in follows])
    mask = None
    if any(r.branches[-1] > 1 for r in rows):
        back = torch.ones(longest, longest, dtype=torch.bool).tril()
        seen = back & ((branches[:, None, :] == 0) | (branches[:, None, :] == branches[:, :, None]))
        mask = torch.zeros(seen.shape).masked_fill(~seen, -torch.inf).unsqueeze(1)
    return Batch(ids, positions, mask, targets, weights, sum(len(r.ids) for r in rows))


class Stream:
    """Batches without end, skills mixed by their shares.

    Parameters
    ----------
    tokenizer : Tokenizer
    seed : int
    stages : sequence of Stage
        What is learned when, in how large steps.
    """

    def __init__(self, tokenizer: Tokenizer, seed: int, stages: Sequence[Stage] = STAGES) -> None:
        self.tokenizer, self.random, self.stages = tokenizer, Random(seed), tuple(stages)
        self.spent: dict[Skill, float] = {}
        self.enter(self.stages[0])

    def enter(self, stage: Stage) -> None:
        """Begin a stage, with the skills that have their text; all start level."""
        self.stage = stage
        self.shares = {skill: share for skill, share in stage.shares.items() if skill(Draw(Random(0), "en"))}
        self.spent = dict.fromkeys(self.shares, 0.0)

    def at(self, progress: float) -> Stage:
        """The stage for a progress between 0 and 1, entered where it is a new one."""
        stage = next((stage for stage in self.stages if progress < stage.until), self.stages[-1])
        if stage is not self.stage:
            self.enter(stage)
        return stage

    def rows(self, progress: float, tokens: int) -> list[Row]:
        """New rows: always of the skill that is furthest behind its share."""
        rows: list[Row] = []
        have = 0
        grown = 1.0 if self.stage.grown else progress
        while have < tokens:
            skill = min(self.shares, key=lambda s: self.spent[s] / self.shares[s])
            self.spent[skill] += 1  # also where nothing comes of it
            samples = skill(Draw(self.random, self.random.choice(("en", "es")), grown))
            if not samples:
                continue
            made = row(samples, self.tokenizer, self.random, self.stage.prompt_weight)
            self.spent[skill] += len(made.ids)
            if len(made.ids) <= LONGEST_ROW and max(made.positions) < LONGEST:
                rows.append(made)
                have += len(made.ids)
        return rows

    def batches(self, progress: float) -> Iterator[Batch]:
        """Some forty batches for a progress between 0 and 1, in random order."""
        stage = self.at(progress)
        rows = sorted(self.rows(progress, 40 * stage.batch_tokens), key=lambda r: len(r.ids))
        groups: list[list[Row]] = [[]]
        for r in rows:
            if groups[-1] and len(r.ids) * (len(groups[-1]) + 1) > stage.batch_tokens:
                groups.append([])
            groups[-1].append(r)
        self.random.shuffle(groups)
        for group in groups:
            yield collate(group)
