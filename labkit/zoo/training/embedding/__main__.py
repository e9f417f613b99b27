"""One command per step: ``python -m labkit.zoo.training.embedding tokenizer|train|export``; judged by ``python -m labkit.zoo evaluate``."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(".training")


def main(words: Sequence[str] | None = None) -> None:
    """Read the command line, or `words` instead of it, and do one step."""
    parser = argparse.ArgumentParser(prog="python -m labkit.zoo.training.embedding", description=__doc__)
    parser.add_argument("step", choices=("tokenizer", "train", "export"))
    parser.add_argument("--model", default="mini-embed")
    parser.add_argument("--minutes", type=float, default=0, help="train for so long")
    parser.add_argument("--tokens", type=float, default=0, help="or on so many tokens")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto")
    parser.add_argument("--threads", type=int, default=0, help="of the processor; 0: all")
    parser.add_argument("--samples", type=int, default=0, help="of the tokenizer's text, sixteen pairs each")
    parser.add_argument("--fresh", action="store_true", help="begin anew even where there is a checkpoint")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where tokenizer and checkpoints are kept")
    parser.add_argument("--out", type=Path, help="the GGUF file to write; default: the shipped one")
    arguments = parser.parse_args(words)
    {"tokenizer": tokenizer_step, "train": train_step, "export": export_step}[arguments.step](arguments)


def tokenizer_step(arguments: argparse.Namespace) -> None:
    """Learn the vocabulary from our own text."""
    from . import tokenizer
    from .model import CONFIGS

    folder = arguments.folder / arguments.model
    folder.mkdir(parents=True, exist_ok=True)
    words = tokenizer.learn(arguments.samples or 1500, vocabulary=CONFIGS[arguments.model].vocabulary)
    words.save(str(folder / "tokenizer.json"))
    print(f"{folder / 'tokenizer.json'}: {words.get_vocab_size()} tokens")


def train_step(arguments: argparse.Namespace) -> None:
    """Train, from the checkpoint where there is one."""
    import dataclasses

    import torch

    from .. import tokenizer
    from ..train import Budget
    from .model import CONFIGS
    from .train import Trainer

    if not arguments.minutes and not arguments.tokens:
        raise SystemExit("Say how long: --minutes 30 or --tokens 5e6.")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    folder = arguments.folder / arguments.model
    words = tokenizer.load(folder / "tokenizer.json")
    config = dataclasses.replace(CONFIGS[arguments.model], vocabulary=words.get_vocab_size())
    trainer = Trainer(config, words, folder, Budget(arguments.minutes, arguments.tokens), arguments.seed, arguments.device)
    resumed = not arguments.fresh and trainer.resume()
    print(f"{arguments.model}: {sum(p.numel() for p in trainer.model.parameters()):,} parameters on {trainer.device}", flush=True)
    if resumed:
        print(f"goes on at step {trainer.step}, {trainer.budget.progress:.0%} done", flush=True)
    trainer.train()


def export_step(arguments: argparse.Namespace) -> None:
    """Write the GGUF file, and begin its card where it is the shipped one."""
    from ... import catalog
    from .. import tokenizer
    from . import export

    folder = arguments.folder / arguments.model
    out = arguments.out or catalog.WEIGHTS / f"{arguments.model}.gguf"
    figures = export.to_gguf(folder / "checkpoint.pt", tokenizer.load(folder / "tokenizer.json"), out, arguments.model)
    print(f"{out}: {out.stat().st_size:,} bytes, {figures}")
    if not arguments.out:
        from ..evaluate import note_training

        note_training(arguments.model, figures, time.strftime("%Y-%m-%d"), "embedding")


if __name__ == "__main__":
    main()
