"""Tokens per second of `Model.stream` as a ratio to `Llama.create_completion`: python -m benchmarks.stream

Both generate the same number of tokens from the same prompt with the same sampling options, threads and context, turn by turn in one
process, so that a busy machine slows both. The figure is the median of the ratios of neighbouring runs.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

PROMPT = "Tell a story about a fox."
SAMPLING: dict[str, Any] = {"temperature": 0.8, "top_k": 40, "top_p": 0.9, "min_p": 0.0}
PAIRS, TOKENS = 15, 256


def main(pairs: int = PAIRS) -> None:
    """Measure and print."""
    import llama_cpp

    import labkit as lab
    from labkit.zoo import catalog

    model: Any = lab.load("mini-m")
    llama = llama_cpp.Llama(
        str(catalog.path("mini-m")), n_ctx=model.context_window, n_threads=model.threads, n_threads_batch=model.threads, verbose=False
    )
    rendered = model.render(PROMPT)

    def ours(seed: int) -> int:
        count = 0
        for _ in model.stream_text(rendered, seed=seed, max_tokens=TOKENS, **SAMPLING):
            count += 1
        return model.last_reply.usage.completion_tokens or count

    def theirs(seed: int) -> int:
        llama.reset()
        return int(llama.create_completion(rendered, seed=seed, max_tokens=TOKENS, **SAMPLING)["usage"]["completion_tokens"])

    ours(0), theirs(0)
    ratios, rates = [], []
    for seed in range(1, pairs + 1):
        order = (ours, theirs) if seed % 2 else (theirs, ours)
        speed = {function: _speed(function, seed) for function in order}
        ratios.append(speed[ours] / speed[theirs])
        rates.append((speed[ours], speed[theirs]))
    low, _, high = statistics.quantiles(ratios, n=4)
    print(f"Model.stream / Llama.create_completion: {statistics.median(ratios):.2f} (n = {pairs}, quartiles {low:.2f} to {high:.2f})")
    print(
        f"tokens per second: {statistics.median(a for a, _ in rates):.0f} and {statistics.median(b for _, b in rates):.0f}, prompt included"
    )


def _speed(function: Callable[[int], int], seed: int) -> float:
    start = time.perf_counter()
    count = function(seed)
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS)
