"""Are texts that are computed together those that are computed alone? python -m benchmarks.batched [texts] [tokens]

Greedy texts of different questions, first each alone, then all in one `generate_many`. llama.cpp adds the same numbers in another order
when it computes many sequences in one pass, so the last bits of the logits differ, and where two tokens are nearly equally likely the
texts fork. For each text that does: how far apart the two likeliest tokens are at the fork, in logits, computed alone. For comparison,
the same margin over all places of the texts that do not fork.
"""

from __future__ import annotations

import statistics
import sys
from typing import Any

from .sweep import WHO


def main(count: int = 200, tokens: int = 64) -> None:
    """Compare and print."""
    import numpy as np

    import labkit as lab
    from labkit.backends._logits import next_logits
    from labkit.chat import as_messages

    model: Any = lab.load("mini-m")
    questions = [f"Tell story {number} about a {WHO[number % 8]}." for number in range(count)]
    way: dict[str, Any] = {"temperature": 0, "seed": 1, "max_tokens": tokens}
    alone = [model.chat(question, **way).text for question in questions]
    together = [reply.text for reply in model.generate_many(questions, **way)]

    def margin(question: str, so_far: str) -> float:
        _, logits = next_logits(model, as_messages(question), so_far)
        second, first = np.sort(logits)[-2:]
        return float(first - second)

    forks = [(q, _common(a, b)) for q, a, b in zip(questions, alone, together, strict=True) if a != b]
    print(f"{count - len(forks)} of {count} greedy texts of at most {tokens} tokens are identical")
    margins = sorted(margin(question, so_far) for question, so_far in forks)
    if margins:
        print(
            f"margin of the two likeliest tokens at the fork: median {statistics.median(margins):.4f}, largest {margins[-1]:.4f} (logits)"
        )
    usual = [margin(question, text[: len(text) // 2]) for question, text in list(zip(questions, alone, strict=True))[:100]]
    low, middle, high = statistics.quantiles(usual, n=4)
    print(f"margin in the middle of texts, for comparison: median {middle:.2f}, quartiles {low:.2f} to {high:.2f} (n = {len(usual)})")


def _common(one: str, other: str) -> str:
    """The beginning that two texts share."""
    same = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:same]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
