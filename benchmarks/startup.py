"""From the start of Python to the first 20 tokens of mini-m, and `import labkit` alone: python -m benchmarks.startup

Each run is a process of its own, its clock started before the process is. The two kinds take turns, so that a busy machine slows both;
a bare `python -c pass` says how busy it is.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 10
CODE = {
    "python alone": "pass",
    "import labkit": "import labkit",
    "first 20 tokens": "import labkit as lab; lab.load('mini-m').chat('Tell a story about a fox.', seed=1, max_tokens=20)",
}


def main(runs: int = RUNS) -> None:
    """Measure and print."""
    seconds: dict[str, list[float]] = {name: [] for name in CODE}
    for name in CODE:  # once unmeasured, for the disk
        _run(CODE[name])
    for _ in range(runs):
        for name, code in CODE.items():
            seconds[name].append(_run(code))
    for name, values in seconds.items():
        low, _, high = statistics.quantiles(values, n=4)
        print(
            f"{name:16} median {statistics.median(values):.3f} s (n = {runs}, quartiles {low:.3f} to {high:.3f}, least {min(values):.3f})"
        )
    alone = [labkit - python for labkit, python in zip(seconds["import labkit"], seconds["python alone"], strict=True)]
    print(f"import labkit without Python's own start: {statistics.median(alone):.3f} s (goal 0.15); first 20 tokens: goal 1")


def _run(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
