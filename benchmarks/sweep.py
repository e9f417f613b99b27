"""Many generations at once, as ratios to two peers in the same run: python -m benchmarks.sweep [rounds] [--parts ...] [--models ...]

32 generations of at most 64 tokens, first from different prompts, then from prompts that share 500 tokens: `Model.generate_many`, then
`Llama.create_completion` one by one (with its own best number of threads), and a real Ollama (with its best OLLAMA_NUM_PARALLEL and
num_thread, and answers that are not streamed, which is faster). All take the same model, options and seeds, in turn, so that a busy
machine slows all; a figure is the median of the ratios within each round. CPU time, which other programs change less, is beside it.
At last, the cost of 1, 4, 16, 64 and 256 generations. Where mini-l is not shipped, a model of its size with random weights stands in:
that is good for speed alone.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

COUNT, TOKENS = 32, 64
WAY: dict[str, Any] = {"temperature": 0.8, "top_k": 40, "top_p": 0.9, "min_p": 0.0, "repeat_penalty": 1.0}
Ask = dict[str, Any]
Run = Callable[[list[Ask]], int]
WHO = ("fox", "bear", "robot", "girl", "river", "teacher", "cat", "garden")


def asks(count: int, prefix: str = "") -> list[Ask]:
    """So many requests, each with its own question and seed."""
    return [{"prompt": f"{prefix}Tell story {number} about a {WHO[number % 8]}.", "seed": number} for number in range(count)]


def long_prefix(model: Any, tokens: int = 500) -> str:
    """A text of about so many tokens."""
    parts: list[str] = []
    while model.count_tokens(" ".join(parts)) < tokens:
        parts.append(f"The {WHO[len(parts) % 8]} lives in house {len(parts)}.")
    return " ".join(parts) + " "


def peer(path: Path, model: Any, threads: int, reuse: bool) -> Run:
    """llama-cpp-python one by one; `reuse`: it keeps what two prompts in a row share, as it does by itself."""
    import llama_cpp

    llama = llama_cpp.Llama(str(path), n_ctx=model.context_window, n_threads=threads, n_threads_batch=threads, verbose=False)

    def run(requests: list[Ask]) -> int:
        total = 0
        for ask in requests:
            if not reuse:
                llama.reset()
            answer = llama.create_completion(model.render(ask["prompt"]), max_tokens=TOKENS, seed=ask["seed"], **WAY)
            total += answer["usage"]["completion_tokens"]
        return total

    return run


def ours(model: Any) -> Run:
    """labkit."""
    return lambda requests: sum(reply.usage.completion_tokens for reply in model.generate_many(requests, max_tokens=TOKENS, **WAY))


def ollama(url: str, threads: int) -> Run:
    """Ollama, all requests sent at once."""

    def call(ask: Ask) -> int:
        options = WAY | {"seed": ask["seed"], "num_predict": TOKENS, "num_ctx": 1024, "num_thread": threads}
        body = {"model": "bench", "stream": False, "options": options, "messages": [{"role": "user", "content": ask["prompt"]}]}
        request = urllib.request.Request(f"{url}/api/chat", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=600) as answer:
            return int(json.load(answer).get("eval_count", 0))

    def run(requests: list[Ask]) -> int:
        with ThreadPoolExecutor(len(requests)) as pool:
            return sum(pool.map(call, requests))

    return run


@contextmanager
def serve(program: str, parallel: int = 1) -> Iterator[Any]:
    """A real Ollama with an empty store of its own, as an `OllamaServer`; ended by its own id."""
    from labkit import OllamaServer

    with tempfile.TemporaryDirectory() as folder, socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        sock.close()
        own = {"OLLAMA_HOST": url, "OLLAMA_MODELS": f"{folder}/models", "OLLAMA_NUM_PARALLEL": str(parallel), "HOME": folder}
        with open(f"{folder}/log", "wb") as log:
            process = subprocess.Popen([program, "serve"], stdout=log, stderr=log, env=os.environ | own | {"OLLAMA_NO_CLOUD": "1"})
        try:
            server, deadline = OllamaServer(url), time.monotonic() + 60
            while not server.is_running() and time.monotonic() < deadline:
                time.sleep(0.1)
            yield server
        finally:
            process.terminate()
            process.wait(20)


def speed(run: Run, requests: list[Ask]) -> tuple[float, float]:
    """Tokens for each second of wall time, and of this process's CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    count = run(requests)
    return count / (time.perf_counter() - wall), count / (time.process_time() - cpu)


def ratios(one: Run, other: Run, requests: list[Ask], rounds: int, cpu: bool = True) -> str:
    """How many times as fast the first is, over so many rounds in turn."""
    one(requests), other(requests)
    walls, cpus = [], []
    for number in range(rounds):
        order = (one, other) if number % 2 else (other, one)
        found = {run: speed(run, requests) for run in order}
        walls.append(found[one][0] / found[other][0])
        cpus.append(found[one][1] / found[other][1])
    low, _, high = statistics.quantiles(walls, n=4)
    text = f"{statistics.median(walls):.2f} (n = {rounds}, quartiles {low:.2f} to {high:.2f})"
    return text + (f"; per CPU second {statistics.median(cpus):.2f}" if cpu else "")


PARTS = ("peer", "ollama", "cost")
SIZE_L: dict[str, Any] = {"width": 512, "layers": 4, "inner": 1024, "heads": 8, "kv_heads": 8}


def models(names: list[str], folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Title, what `load` takes, and file of each model."""
    from labkit.zoo import catalog

    for name in names:
        if name in catalog.names() and catalog.path(name).is_file():
            yield name, name, catalog.path(name)
        elif name == "mini-l":
            from tests.backends.synthetic import llama

            path = llama(folder / "random.gguf", **SIZE_L)
            yield f"random weights of mini-l's size ({path.stat().st_size / 1e6:.0f} MB)", str(path), path


def main(rounds: int, program: str | None, names: list[str], parts: list[str]) -> None:
    """Measure and print."""
    import labkit as lab

    with tempfile.TemporaryDirectory() as folder:
        for title, name, path in models(names, Path(folder)):
            model: Any = lab.load(name)
            plain, shared = asks(COUNT), asks(COUNT, long_prefix(model))
            print(f"{title}: {COUNT} generations of at most {TOKENS} tokens; the machine's load is {os.getloadavg()[0]:.1f}", flush=True)
            if "peer" in parts:
                against_peer(path, model, plain, shared, rounds)
            if "ollama" in parts and program:
                against_ollama(program, path, model, plain, shared, rounds)
            if "cost" in parts:
                print("  cost of more generations:")
                for count in (1, 4, 16, 64, 256):
                    rates = [speed(ours(model), asks(count)) for _ in range(rounds)]
                    wall, cpu = (statistics.median(rate) for rate in zip(*rates, strict=True))
                    print(f"    {count:3}: {wall:6.0f} tokens/s, {1000 / cpu:.3f} ms of CPU for each token (n = {rounds})", flush=True)
            model.close()


def against_peer(path: Path, model: Any, plain: list[Ask], shared: list[Ask], rounds: int) -> None:
    """llama-cpp-python, one by one."""
    threads = max((1, 2), key=lambda number: max(speed(peer(path, model, number, True), plain)[0] for _ in range(2)))
    reused, anew = peer(path, model, threads, True), peer(path, model, threads, False)
    print(f"  generate_many / create_completion one by one ({threads} threads, its best):")
    print(f"    different prompts: {ratios(ours(model), reused, plain, rounds)}", flush=True)
    print(f"    500 tokens shared: {ratios(ours(model), reused, shared, rounds)}", flush=True)
    print(f"    500 tokens shared, not reused there: {ratios(ours(model), anew, shared, rounds)}", flush=True)


def against_ollama(program: str, path: Path, model: Any, plain: list[Ask], shared: list[Ask], rounds: int) -> None:
    """Find Ollama's best setting, then compare."""
    best: tuple[float, int, int] = (0.0, 1, 1)
    for parallel in (4, 8, 16, 32):
        with serve(program, parallel) as server:
            server.create("bench", path)
            for threads in (1, 2) if parallel == 4 else (best[2],):
                run = ollama(server.url, threads)
                run(plain[:4])
                best = max(best, (speed(run, plain)[0], parallel, threads))
    _, parallel, threads = best
    print(f"  generate_many / Ollama (its best: OLLAMA_NUM_PARALLEL={parallel}, num_thread={threads}):")
    with serve(program, parallel) as server:
        server.create("bench", path)
        for title, requests in (("different prompts", plain), ("500 tokens shared", shared)):
            print(f"    {title}: {ratios(ours(model), ollama(server.url, threads), requests, rounds, cpu=False)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m benchmarks.sweep")
    parser.add_argument("rounds", nargs="?", type=int, default=7)
    parser.add_argument("--models", nargs="+", default=["mini-m", "mini-l"])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--ollama", default=shutil.which("ollama"), help="the program (default: from PATH)")
    given = parser.parse_args()
    main(given.rounds, given.ollama, given.models, given.parts)
