"""Are texts that are computed together those that are computed alone? python -m benchmarks.batched [texts] [tokens]

Greedy texts of different questions, first each alone, then all in one `generate_many`. llama.cpp adds the same numbers in another order
when it computes many sequences in one pass, so the last bits of the logits differ, and where two tokens are nearly equally likely the
texts fork. For each text that does: how far apart the two tokens are at the fork, in logits, computed alone. For comparison, the margin
of the two likeliest tokens at the first ten places of fifty texts.
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

    def logits_after(question: str, so_far: list[int]) -> Any:
        return next_logits(model, as_messages(question), so_far)[1]

    def fork(question: str, one: str, other: str) -> float:
        """Walk both texts token by token to where they part. Not by the likeliest token: at a tie either may be the likeliest."""
        so_far: list[int] = []
        while True:
            logits = logits_after(question, so_far)
            order, said = np.argsort(-logits), text_of(so_far)
            mine, theirs = (next(int(token) for token in order if begins(text, said, int(token))) for text in (one, other))
            if mine != theirs:
                return float(abs(logits[mine] - logits[theirs]))
            so_far.append(mine)

    def text_of(tokens: list[int]) -> bytes:
        return b"".join(model._engine.piece(token) or b"" for token in tokens)

    def begins(text: str, said: bytes, token: int) -> bool:
        """Whether a text goes on with this token; with the one that ends it, whether it ends here."""
        piece = model._engine.piece(token)
        return text.encode() == said if piece is None else text.encode().startswith(said + piece) and piece != b""

    forks = [(question, one, other) for question, one, other in zip(questions, alone, together, strict=True) if one != other]
    print(f"{count - len(forks)} of {count} greedy texts of at most {tokens} tokens are identical")
    if forks:
        margins = sorted(fork(*each) for each in forks)
        # Tokens are found again from the texts: where the same letters can be cut in two ways, a fork may be placed too late.
        print(f"margins of the two tokens at the forks, in logits: {', '.join(f'{value:.4f}' for value in margins)}")
    usual = []
    for question in questions[:50]:
        so_far: list[int] = []
        for _ in range(10):
            logits = logits_after(question, so_far)
            second, first = np.sort(logits)[-2:]
            usual.append(float(first - second))
            so_far.append(int(logits.argmax()))
    low, middle, high = statistics.quantiles(usual, n=4)
    print(f"margin at the first ten tokens, for comparison: median {middle:.2f}, quartiles {low:.2f} to {high:.2f} (n = {len(usual)})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
