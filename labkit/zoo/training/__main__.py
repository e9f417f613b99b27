"""One command per step: ``python -m labkit.zoo.training tokenizer|train|export|evaluate --model mini-m``.

`--model mini-embed` trains the embedding model, which has a tokenizer of its own; the chat models share one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import settings
from ...errors import MissingDependencyError, status_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from .train import Loop

FOLDER = Path(".training")
EMBEDDERS = ("mini-embed", "test-embed")


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
    parser.add_argument("--workers", type=int, default=0, help="processes that make text ahead, for a GPU; 0: none")
    parser.add_argument("--batch-tokens", type=int, default=0, help="of a step; 0: as the stage says, 20,480 for workers")
    parser.add_argument("--pairs", type=int, default=64, help="of a step of an embedding model")
    parser.add_argument("--rate", type=float, help="default: 0.004, with --start 0.001 (mini-l: say 0.0004), with --muon 0.0025")
    parser.add_argument("--samples", type=int, default=0, help="of the tokenizer's text, or of each skill and language to evaluate")
    parser.add_argument("--fresh", action="store_true", help="begin anew even where there is a checkpoint")
    parser.add_argument("--start", default="", help="a shipped model to train further, a chat model mostly on reading, with its tokenizer")
    parser.add_argument("--muon", action="store_true", help="with --start: not gently but with Muon, for a run of millions of tokens")
    parser.add_argument(
        "--lora", type=int, default=0, metavar="RANK", help="with --start: train an adapter of this rank beside the weights"
    )
    parser.add_argument("--keep", type=float, default=0.0, help="export: the share, 0 to 1, of the weights of --start that is blended in")
    parser.add_argument(
        "--average", type=Path, nargs="+", default=(), help="export: other checkpoints of the model, or of its adapters, to average with"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where tokenizer and checkpoints are kept")
    parser.add_argument("--out", type=Path, help="the GGUF file to write or to evaluate; default: the shipped one")
    arguments = parser.parse_args(words)
    try:
        {"tokenizer": tokenizer_step, "train": train_step, "export": export_step, "evaluate": evaluate_step}[arguments.step](arguments)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"{error.name} is absent.", fix=settings.command_for("train")) from None


def vocabulary(arguments: argparse.Namespace) -> Path:
    """Where the tokenizer of a model is kept."""
    embeds = arguments.model in EMBEDDERS
    return Path(arguments.folder, *([arguments.model] if embeds else []), "tokenizer.json")


def vocabulary_of(arguments: argparse.Namespace) -> Tokenizer:
    """The tokenizer of a model; where there is none yet, that of the model to start from."""
    from . import tokenizer

    file = vocabulary(arguments)
    if not file.is_file():
        if not arguments.start:
            raise SystemExit(f"There is no tokenizer {file}: first `python -m labkit.zoo.training tokenizer --model {arguments.model}`.")
        tokenizer_step(arguments)
    return tokenizer.load(file)


def tokenizer_step(arguments: argparse.Namespace) -> None:
    """Learn the vocabulary from our own text, or take that of a shipped model."""
    from . import tokenizer

    file = vocabulary(arguments)
    file.parent.mkdir(parents=True, exist_ok=True)
    samples = arguments.samples or 1500
    if arguments.start:
        words = read(arguments)[2]
    elif arguments.model in EMBEDDERS:
        from .embedding import model
        from .embedding.tokenizer import learn

        words = learn(samples, vocabulary=model.CONFIGS[arguments.model].vocabulary)
    else:
        words = tokenizer.learn(samples)
    words.save(str(file))
    print(f"{file}: {words.get_vocab_size()} tokens")


def train_step(arguments: argparse.Namespace) -> None:
    """Train, from the checkpoint where there is one."""
    import torch

    if not arguments.minutes and not arguments.tokens:
        raise SystemExit("Say how long: --minutes 60 or --tokens 15e6.")
    if arguments.lora and (arguments.model in EMBEDDERS or not arguments.start or arguments.muon):
        raise SystemExit("--lora is for a chat model that is trained already, without --muon: train --start mini-l --model mini-l --lora 8")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    loop = embedding_loop(arguments) if arguments.model in EMBEDDERS else chat_loop(arguments)
    print(f"{arguments.model}: {sum(p.numel() for p in loop.model.parameters()):,} parameters on {loop.device}", flush=True)
    if not arguments.fresh and loop.resume():
        print(f"goes on at step {loop.step}, {loop.budget.progress:.0%} done", flush=True)
    try:
        loop.train()
    finally:
        loop.close()


def chat_loop(arguments: argparse.Namespace) -> Loop:
    """The training of a chat model, from nothing or from a shipped one."""
    from . import skills, train

    words = vocabulary_of(arguments)
    config, stages = train.config_of(arguments.model), skills.FURTHER if arguments.start else skills.STAGES
    trainer = train.Trainer(config, words, **shared(arguments), batch_tokens=arguments.batch_tokens, stages=stages)
    if arguments.start:
        begin(trainer, arguments, words)
    return trainer


def begin(loop: Loop, arguments: argparse.Namespace, words: Tokenizer) -> None:
    """Take the weights of a shipped model, to train it further."""
    from .. import catalog
    from . import export, lora, optimizer

    sizes, weights, theirs = read(arguments)
    if sizes != loop.config or theirs.get_vocab() != words.get_vocab():
        raise SystemExit(f"{arguments.start} has other sizes or another vocabulary: first `tokenizer --start {arguments.start}`.")
    card = catalog.card(arguments.start)
    runs = [card.trained, card.adapter] if card.adapter and not arguments.lora else [card.trained]
    before = {
        "tokens": sum(run["tokens"] for run in runs),
        "seconds": sum(run["seconds"] for run in runs),
        "machine": export.THEN.join(dict.fromkeys(run["machine"] for run in runs)),
    }
    chosen, usual = (optimizer.thorough, optimizer.FURTHER_MUON_RATE) if arguments.muon else (optimizer.gentle, optimizer.FURTHER_RATE)
    if arguments.lora:
        chosen, usual = partial(lora.attach, rank=arguments.lora), lora.RATE
    loop.start_from(weights, **before, using=partial(chosen, rate=arguments.rate or usual))


def read(arguments: argparse.Namespace) -> tuple[Any, dict[str, Any], Tokenizer]:
    """Sizes, weights and tokenizer of the shipped model to start from; for a new adapter without the one that it has."""
    from .. import catalog
    from . import export
    from .embedding import export as embedding

    if (arguments.start in EMBEDDERS) != (arguments.model in EMBEDDERS):
        raise SystemExit(f"{arguments.start} and {arguments.model} are of two kinds: a chat model and one that embeds.")
    file = catalog.WEIGHTS / catalog.card(arguments.start).file if arguments.lora else catalog.path(arguments.start)
    return embedding.from_gguf(file) if arguments.start in EMBEDDERS else export.from_gguf(file)


def embedding_loop(arguments: argparse.Namespace) -> Loop:
    """The training of an embedding model."""
    import dataclasses

    from .embedding import model
    from .embedding.train import Trainer

    words = vocabulary_of(arguments)
    config = dataclasses.replace(model.CONFIGS[arguments.model], vocabulary=words.get_vocab_size())
    trainer = Trainer(config, words, **shared(arguments), count=arguments.pairs)
    if arguments.start:
        begin(trainer, arguments, words)
    return trainer


def shared(arguments: argparse.Namespace) -> dict[str, Any]:
    """What both kinds of training take from the command line."""
    from . import optimizer, train

    return {
        "folder": arguments.folder / arguments.model,
        "budget": train.Budget(arguments.minutes, arguments.tokens),
        "seed": arguments.seed,
        "device": arguments.device,
        "rate": arguments.rate or optimizer.MUON_RATE,
        "workers": arguments.workers,
    }


def export_step(arguments: argparse.Namespace) -> None:
    """Write the GGUF file, and begin its card where it is the shipped one."""
    from .. import catalog
    from . import export, lora
    from .embedding.export import to_gguf
    from .evaluate import note_adapter, note_training

    embeds = arguments.model in EMBEDDERS
    if not 0 <= arguments.keep <= 1 or (arguments.keep and (embeds or not arguments.start)):
        raise SystemExit("--keep is a share from 0 to 1 of the weights of --start, a chat model: export --start mini-m --keep 0.2")
    if arguments.average and embeds:
        raise SystemExit("--average is for chat models.")
    if arguments.lora and (embeds or arguments.keep):
        raise SystemExit("--lora is for chat models, without --keep.")
    out = arguments.out or catalog.WEIGHTS / f"{arguments.model}{'.lora' if arguments.lora else ''}.gguf"
    checkpoint = arguments.folder / arguments.model / "checkpoint.pt"
    for file in (checkpoint, *arguments.average):
        if not file.is_file():
            raise SystemExit(f"There is no checkpoint {file}: first `python -m labkit.zoo.training train --model {arguments.model}`.")
    if arguments.lora:
        figures = lora.to_gguf(checkpoint, out, arguments.model, arguments.average)
    elif embeds:
        figures = to_gguf(checkpoint, vocabulary_of(arguments), out, arguments.model)
    else:
        before = export.from_gguf(catalog.path(arguments.start))[1] if arguments.keep else None
        words = vocabulary_of(arguments)
        figures = export.to_gguf(checkpoint, words, out, arguments.model, before, arguments.keep, arguments.average)
    print(f"{out}: {out.stat().st_size:,} bytes, {figures}")
    if arguments.out:
        return
    today = time.strftime("%Y-%m-%d")
    if arguments.lora:
        note_adapter(arguments.model, out, figures, today)
    else:
        note_training(arguments.model, figures, today, "embedding" if embeds else "chat")


def evaluate_step(arguments: argparse.Namespace) -> None:
    """Judge the shipped model and write its card; with --out, judge that file and only print."""
    from . import evaluate

    if not arguments.out:
        evaluate.write_card(arguments.model, arguments.samples or 300)
    elif arguments.model in EMBEDDERS:
        from .embedding.evaluate import skills_of

        evaluate.show(skills_of(arguments.out, arguments.samples or 500))
    else:
        evaluate.show(evaluate.skills_of(arguments.out, arguments.samples or 100))


if __name__ == "__main__":
    sys.exit(status_of(main, "labkit.zoo.training"))
