"""A hybrid search over 1,000, 10,000 and 100,000 passages, as ratios to FAISS and bm25s alone in the same run.

python -m benchmarks.rag [sizes ...]; the peers need `pip install faiss-cpu`.

Each size and each side runs in a process of its own, one after the other, so that its peak of memory is its own (Linux tells it); and
that several times in turn (fewer of the larger sizes), since one run says little. Vectors are given (random, 256 numbers, length 1),
since embedding is the model's time and not the index's; texts are drawn from 20,000 words by Zipf's law, 60 words each. Peer:
`faiss.IndexFlatIP` and `bm25s.BM25` with its own tokenizer, each asked for 50, and both rankings fused by rank in plain Python. Queries
are asked in turn on the same data; p50 and p95 are over 200 queries after 20 to warm up. A ratio is the median of the rounds', with the
least and the greatest.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZES = {1_000: 21, 10_000: 7, 100_000: 3}  # rounds of each
UNITS = {"build": (1, "s"), "build CPU": (1, "s"), "memory": (1e-6, "MB"), "p50": (1e3, "ms"), "p95": (1e3, "ms")}
WIDTH, WORDS, VOCABULARY, QUERIES, WARM, DEPTH, K = 256, 60, 20_000, 200, 20, 50, 4


def data(size: int) -> tuple[list[str], Any, list[str], Any]:
    """Texts, their vectors, questions, their vectors: the same for the same size."""
    import numpy as np

    rng = np.random.default_rng(size)
    names = np.array(["".join(rng.choice(list("abcdefghijklmnoprstuv"), rng.integers(3, 10))) for _ in range(VOCABULARY)])
    share = 1 / np.arange(1, VOCABULARY + 1)
    share /= share.sum()
    texts = [" ".join(row) for row in names[rng.choice(VOCABULARY, (size, WORDS), p=share)]]
    asked = [" ".join(row) for row in names[rng.choice(VOCABULARY, (QUERIES + WARM, 8), p=share)]]

    def unit(count: int) -> Any:
        made = rng.standard_normal((count, WIDTH), dtype=np.float32)
        return made / np.linalg.norm(made, axis=1, keepdims=True)

    return texts, unit(size), asked, unit(len(asked))


def ours(texts: list[str], vectors: Any) -> Callable[[str, Any], Any]:
    """labkit's index and its whole search: both rankings, fusion, hits with their parts."""
    from labkit.rag import index, retrieve
    from labkit.rag.chunks import Passage

    built = index.Index()
    built.add({n: Passage(f"{n}.txt", text) for n, text in enumerate(texts, 1)}, vectors)
    built.words()
    built.store.search(vectors[0], 1)
    given: list[Any] = [None]
    built.model = type("Given", (), {"name": "given", "embed": lambda self, texts: given[0][None]})()

    def ask(question: str, vector: Any) -> Any:
        given[0] = vector
        return retrieve.search(built, question, K)

    return ask


def peers(texts: list[str], vectors: Any) -> Callable[[str, Any], Any]:
    """FAISS flat and bm25s, fused by rank."""
    import bm25s
    import faiss

    flat = faiss.IndexFlatIP(WIDTH)
    flat.add(vectors)
    words = bm25s.BM25()
    words.index(bm25s.tokenize(texts, show_progress=False), show_progress=False)

    def ask(question: str, vector: Any) -> Any:
        _, near = flat.search(vector[None], DEPTH)
        found, _ = words.retrieve(bm25s.tokenize(question, show_progress=False), k=DEPTH, show_progress=False, n_threads=0)
        total: dict[int, float] = {}
        for ranking in (near[0], found[0]):
            for rank, number in enumerate(ranking, 1):
                total[int(number)] = total.get(int(number), 0.0) + 1 / (60 + rank)
        return [texts[number] for number in sorted(total, key=lambda n: -total[n])[:K]]

    return ask


def measure(side: str, size: int) -> dict[str, float]:
    """Seconds to build, bytes at the peak beyond the data, p50 and p95 of a query in seconds."""
    import bm25s  # noqa: F401 - imports are not the index's time
    import numpy as np

    if side == "ours":
        import labkit.rag.index
        import labkit.rag.retrieve  # noqa: F401
    else:
        import faiss  # noqa: F401
    texts, vectors, asked, asked_vectors = data(size)
    before = forget_peak()
    start, cpu = time.perf_counter(), time.process_time()
    ask = (ours if side == "ours" else peers)(texts, vectors)
    built, worked = time.perf_counter() - start, time.process_time() - cpu
    times = []
    for question, vector in zip(asked, asked_vectors, strict=True):
        start = time.perf_counter()
        ask(question, vector)
        times.append(time.perf_counter() - start)
    peak = memory("VmHWM") - before
    p50, p95 = (float(value) for value in np.percentile(times[WARM:], [50, 95]))
    return {"build": built, "build CPU": worked, "memory": peak, "p50": p50, "p95": p95}


def memory(name: str) -> int:
    """What Linux says of this process's memory, in bytes: now (VmRSS) or at the peak (VmHWM)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def forget_peak() -> int:
    """Give back what the data took while it was made, let the peak begin anew, and say what is held now."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def apart(side: str, size: int) -> dict[str, float]:
    """The same in a process of its own."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.rag", "--one", side, str(size)], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(sizes: list[int]) -> None:
    """Measure and print."""
    import os

    if not importlib.util.find_spec("faiss"):
        sys.exit("The peer is not installed: pip install faiss-cpu")
    print(f"hybrid search, {WIDTH} numbers a vector, {WORDS} words a text, n = {QUERIES} queries; load {os.getloadavg()[0]:.1f}")
    for size in sizes:
        rounds = [(apart("ours", size), apart("peers", size)) for _ in range(SIZES.get(size, 3))]
        print(f"{size:>7,} passages, {len(rounds)} rounds; ratio to FAISS and bm25s:")
        for name in rounds[0][0]:
            ratios = [mine[name] / theirs[name] for mine, theirs in rounds if theirs[name]]
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else "-"
            mine, theirs = (statistics.median(both[side][name] for both in rounds) for side in (0, 1))
            scale, unit = UNITS[name]
            print(f"{name:>17} {spread}; labkit {mine * scale:.2f} {unit}, peers {theirs * scale:.2f} {unit}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]))))
    else:
        main([int(size) for size in sys.argv[1:]] or list(SIZES))
