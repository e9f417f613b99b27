"""The process that a submission runs in: started, fed, watched, and ended with everything that it started."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .plain import SIZE

KEPT = 20_000  # bytes of output kept for the report


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes
    ----------
    seconds : float
        For everything, starts included.
    cell_seconds, call_seconds : float
        Of computing for one cell, and for one call of a check; by the clock three times as much, so that a busy machine costs no points.
    memory : int
        Bytes, of all its processes together.
    processes : int
        Threads count as well.
    output : int
        Bytes that it may print.
    file_size : int
        Bytes of one file, and of its whole folder where that can be limited.
    """

    seconds: float = 240.0
    cell_seconds: float = 30.0
    call_seconds: float = 20.0
    memory: int = 2_000_000_000
    processes: int = 64
    output: int = 10_000_000
    file_size: int = 50_000_000


METHODS = ("namespaces", "user", "process")  # from the strongest; see texts.ISOLATION for what each keeps apart
WORKER = (sys.executable, "-I", "-X", "utf8", "-m", "labkit.grading.worker")
ENCLOSE = (sys.executable, "-I", "-S", str(Path(__file__).with_name("enclose.py")))


def shown_paths() -> list[tuple[str, str]]:
    """What a submission may read, and where it sees it: Python, its packages, labkit with the shipped models, the course's data."""
    kit = Path(__file__).parents[1]
    python = Path(sys.executable).resolve().parents[1]
    others = [Path(path) for path in sys.path if path.endswith(("site-packages", "dist-packages"))]  # never a folder that may hold more
    paths = [str(path) for path in dict.fromkeys((Path(sys.prefix), Path(sys.base_prefix), python, kit, *others))]
    shown = [(path, path) for path in paths if not path.startswith("/usr") and Path(path) != Path("/")]
    return [*shown, (str(kit.parent / "data"), "/lab/data")]


@cache
def probed() -> tuple[str, str]:
    """The strongest method that works on this machine, tried and not guessed, and what the strongest of all said where it does not."""
    why = ""
    for method in METHODS[:-1]:
        if sys.platform != "linux" or (method == "user" and os.geteuid() != 0):
            continue
        cage = Cage(Limits(), method)
        cage.send(json.dumps({"cells": [{"id": "", "source": "import labkit"}], "params": {}, "cell_seconds": 30}))
        answer = cage.receive(60)
        cage.close("done")
        if answer and b'"errors": []' in answer:
            return method, why
        why = why or (cage.output().strip().splitlines() or [""])[-1][:300]
    return METHODS[-1], why


def best() -> str:
    """The strongest method that works on this machine."""
    return probed()[0]


def network() -> list[str]:
    """The command that gives the judge, and with it the submission, a network of nothing but themselves; empty where none can be had."""
    return [*ENCLOSE, json.dumps({"network": True})] if best() == "namespaces" else []


class Cage:
    """A running process of a submission.

    Attributes
    ----------
    how : str
        How it is kept apart: one of `METHODS`.
    over : str
        Why it ended: 'memory', 'output', 'processes', 'exit', 'timeout' ...; '' while it runs.
    """

    def __init__(self, limits: Limits, isolation: str = "auto", lang: str = "en", command: Sequence[str] = WORKER) -> None:
        self.limits, self.over = limits, ""
        self.how = best() if isolation == "auto" else isolation
        self.folder = Path(tempfile.mkdtemp(prefix="labkit-grade-"))
        self._lines: queue.Queue[bytes | None] = queue.Queue(8)
        self._printed, self._kept = 0, bytearray()
        home = Path("/tmp") if self.how == "namespaces" else self.folder
        self.process = subprocess.Popen(
            [*self._enclosed(lang), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=environment(home),
            start_new_session=True,
        )
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._listen, self._drain, self._watch)]
        for thread in self._threads:
            thread.start()

    def _enclosed(self, lang: str) -> list[str]:
        """The command that limits and encloses the one that follows it."""
        if os.name == "nt":
            return []
        plan: dict[str, Any] = {"mode": self.how, "folder": str(self.folder), "disk": self.limits.file_size, **asdict(self.limits)}
        if self.how == "namespaces":
            plan |= {"root": str(self.folder), "folder": f"/lab/exercises/{lang}", "read": shown_paths()}
        return [*ENCLOSE, json.dumps(plan)]

    def send(self, line: str) -> None:
        """Send one line; where nobody reads any more, nothing happens."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()

    def receive(self, seconds: float) -> bytes | None:
        """The next line; None when none comes in time or the process ended."""
        try:
            line = self._lines.get(timeout=max(0.01, seconds))
        except queue.Empty:
            return None
        if line is None:
            self.over = self.over or "exit"
        return line

    def output(self) -> str:
        """The beginning of what it printed."""
        return self._kept.decode("utf-8", "replace")

    def close(self, why: str) -> None:
        """End the process and everything it started, and remove its folder."""
        self.over = self.over or why
        kill_tree(self.process)
        for thread in self._threads:
            thread.join(2)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        shutil.rmtree(self.folder, ignore_errors=True)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while not self.over:
                line = self.process.stdout.readline(2 * SIZE + 1000)
                if not line:
                    break
                self._put(line)
        self._put(None)

    def _put(self, line: bytes | None) -> None:
        while not self.over or line is None:
            try:
                self._lines.put(line, timeout=0.2)
                return
            except queue.Full:
                if self.over:
                    return

    def _drain(self) -> None:
        assert self.process.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            while piece := self.process.stderr.read1(65536):  # type: ignore[attr-defined]
                self._printed += len(piece)
                self._kept += piece[: max(0, KEPT - len(self._kept))]
                if self._printed > self.limits.output:
                    self._stop("output")
                    return

    def _watch(self) -> None:
        import psutil

        while not self.over and self.process.poll() is None:
            try:
                me = psutil.Process(self.process.pid)
                family = [me, *me.children(recursive=True)]
                if sum(_memory(one) for one in family) > self.limits.memory:
                    self._stop("memory")
                elif len(family) > self.limits.processes:
                    self._stop("processes")
            except psutil.Error:
                pass
            time.sleep(0.2)

    def _stop(self, why: str) -> None:
        self.over = self.over or why
        kill_tree(self.process)


def _memory(process: object) -> int:
    import psutil

    try:
        return int(process.memory_info().rss)  # type: ignore[attr-defined]
    except psutil.Error:
        return 0


def environment(home: Path) -> dict[str, str]:
    """The environment of a submission: nothing of the grader's own but where programs and libraries are."""
    kept = ("PATH", "SYSTEMROOT", "SYSTEMDRIVE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "OLLAMA_HOST")
    own = {name: os.environ[name] for name in kept if name in os.environ}
    for name in ("HOME", "USERPROFILE", "LOCALAPPDATA", "APPDATA", "TMPDIR", "TEMP", "TMP", "IPYTHONDIR", "MPLCONFIGDIR"):
        own[name] = str(home)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return own | threads | {"MPLBACKEND": "agg", "LANG": "C.UTF-8"}


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started."""
    import psutil

    family = []
    with contextlib.suppress(psutil.Error):
        family = psutil.Process(process.pid).children(recursive=True)
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, 9)
    with contextlib.suppress(OSError):
        process.kill()
    for child in family:
        with contextlib.suppress(psutil.Error):
            child.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
