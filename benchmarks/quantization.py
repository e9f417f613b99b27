"""What fewer bits cost a shipped model: size, perplexity of right answers, and two skills. ``python -m benchmarks.quantization``

The texts are held out: new names, and for course facts new wordings. The perplexity is that of the right answer's tokens, given all
that stands before them. Shares have 95 % intervals (Wilson's).

    python -m benchmarks.quantization                        mini-l
    python -m benchmarks.quantization mini-m --samples 300
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np

import labkit as lab
from labkit.measure import likelihood
from labkit.zoo import catalog
from labkit.zoo.training import evaluate

KINDS = ("F16", "Q8_0", "Q4_K_M", "Q4_0", "Q2_K")
SKILLS = ("short_facts", "course_facts")
LANGUAGES = ("en", "es")


def file_of(name: str, kind: str) -> Path:
    """The file of a model at a quantization, made now where it is not there."""
    return catalog.path(name) if kind == catalog.card(name).quantization else lab.zoo.quantize(name, kind)


def perplexity(file: Path, n: int) -> tuple[float, int]:
    """Perplexity over the right answers of both skills in both languages, and their tokens."""
    logprobs: list[float] = []
    with lab.load(str(file), threads=1) as model:
        for skill in SKILLS:
            for lang in LANGUAGES:
                for sample in evaluate.samples(skill, lang, n, there=True if skill == "short_facts" else None):
                    logprobs += list(likelihood.token_logprobs(model, sample.messages, sample.answer))
    return math.exp(-float(np.mean(logprobs))), len(logprobs)


def main() -> None:
    """Print one line for each quantization."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quantization", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", nargs="?", default="mini-l")
    parser.add_argument("--samples", type=int, default=100, help="of each skill and language")
    options = parser.parse_args()
    print(f"{options.model}; n = {options.samples} a cell; perplexity over right answers")
    for kind in KINDS:
        file = file_of(options.model, kind)
        surprise, tokens = perplexity(file, options.samples)
        player = evaluate.Player(file)
        shares = []
        for skill in SKILLS:
            for lang in LANGUAGES:
                s = evaluate.judge(player, skill, lang, options.samples)[skill]
                shares.append(f"{skill} {lang} {s['right'] / s['n']:.0%} [{s['low']:.0%}, {s['high']:.0%}]")
        print(
            f"{kind:7} {file.stat().st_size / 1e6:5.1f} MB  perplexity {surprise:.3f} ({tokens} tokens)  " + " · ".join(shares), flush=True
        )


if __name__ == "__main__":
    main()
