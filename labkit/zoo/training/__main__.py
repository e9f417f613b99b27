"""One command per step: ``python -m labkit.zoo.training tokenizer|train|export|evaluate --model mini-m``."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from . import texts

FOLDER = Path(".training")


def main(words: Sequence[str] | None = None) -> None:
    """Read the command line, or `words` instead of it, and do one step."""
    parser = argparse.ArgumentParser(prog="python -m labkit.zoo.training", description=__doc__)
    parser.add_argument("step", choices=("tokenizer", "train", "export", "evaluate"))
    parser.add_argument("--model", default="mini-m")
    parser.add_argument("--minutes", type=float, default=0, help="train for so long")
    parser.add_argument("--tokens", type=float, default=0, help="or on so many tokens")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto")
    parser.add_argument("--threads", type=int, default=0, help="of the processor; 0: all")
    parser.add_argument("--samples", type=int, default=0, help="of the tokenizer's text, or of each skill and language to evaluate")
    parser.add_argument("--fresh", action="store_true", help="begin anew even where there is a checkpoint")
    parser.add_argument("--start", default="", help="a shipped model to train further, with its tokenizer")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where tokenizer and checkpoints are kept")
    parser.add_argument("--out", type=Path, help="the GGUF file to write or to evaluate; default: the shipped one")
    arguments = parser.parse_args(words)
    {"tokenizer": tokenizer_step, "train": train_step, "export": export_step, "evaluate": evaluate_step}[arguments.step](arguments)


def tokenizer_step(arguments: argparse.Namespace) -> None:
    """Learn the vocabulary from our own text, or take that of a shipped model."""
    from .. import catalog
    from . import export, tokenizer

    arguments.folder.mkdir(parents=True, exist_ok=True)
    file = arguments.folder / "tokenizer.json"
    words = export.from_gguf(catalog.path(arguments.start))[2] if arguments.start else tokenizer.learn(arguments.samples or 1500)
    words.save(str(file))
    print(f"{file}: {tokenizer.load(file).get_vocab_size()} tokens")


def train_step(arguments: argparse.Namespace) -> None:
    """Train, from the checkpoint where there is one."""
    import torch

    from .. import catalog
    from . import batches, export, tokenizer, train

    if not arguments.minutes and not arguments.tokens:
        raise SystemExit("Say how long: --minutes 60 or --tokens 15e6.")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    budget = train.Budget(arguments.minutes, arguments.tokens)
    words = tokenizer.load(arguments.folder / "tokenizer.json")
    stream = batches.Stream(words, arguments.seed)
    folder = arguments.folder / arguments.model
    config = train.config_of(arguments.model)
    trainer = train.Trainer(config, words, folder, budget, arguments.seed, arguments.device, stream)
    resumed = not arguments.fresh and trainer.resume()
    if arguments.start and not resumed:
        sizes, weights, theirs = export.from_gguf(catalog.path(arguments.start))
        if sizes != config or theirs.get_vocab() != words.get_vocab():
            raise SystemExit(f"{arguments.start} has other sizes or another vocabulary: first `tokenizer --start {arguments.start}`.")
        trained = catalog.card(arguments.start).trained
        trainer.start_from(weights, trained["tokens"], trained["seconds"])
    parameters = sum(p.numel() for p in trainer.model.parameters())
    print(f"{arguments.model}: {parameters:,} parameters on {trainer.device}, {len(texts.all_documents())} documents", flush=True)
    print("skills: " + ", ".join(skill.__name__ for skill in trainer.stream.shares), flush=True)
    if resumed:
        print(f"goes on at step {trainer.step}, {budget.progress:.0%} done", flush=True)
    trainer.train()


def export_step(arguments: argparse.Namespace) -> None:
    """Write the GGUF file."""
    from .. import catalog
    from . import export, tokenizer

    out = arguments.out or catalog.WEIGHTS / f"{arguments.model}.gguf"
    checkpoint = arguments.folder / arguments.model / "checkpoint.pt"
    words = tokenizer.load(arguments.folder / "tokenizer.json")
    figures = export.to_gguf(checkpoint, words, out, arguments.model)
    print(f"{out}: {out.stat().st_size:,} bytes, {figures}")
    if not arguments.out:
        from .evaluate import note_training

        note_training(arguments.model, figures, time.strftime("%Y-%m-%d"))


def evaluate_step(arguments: argparse.Namespace) -> None:
    """Judge the shipped model and write its card; with --out, judge that file and only print."""
    from . import evaluate

    if arguments.out:
        evaluate.show(evaluate.skills_of(arguments.out, arguments.samples or 100))
    else:
        evaluate.write_card(arguments.model, arguments.samples or 300)


if __name__ == "__main__":
    main()
