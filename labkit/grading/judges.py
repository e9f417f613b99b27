"""Judges' processes, kept for the next submission: starting one takes as long as grading an honest answer.

A judge never runs a submission's code, so one submission leaves nothing in it for the next; one that fails is replaced.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shlex
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from .. import settings
from ..errors import ExerciseError
from .cage import Limits, best, network
from .judge import Job
from .relay import to_server

GRACE = 60.0  # seconds that a judge may take beyond what it gives the submission
JUDGE = ("-I", "-X", "utf8", "-m", "labkit.grading.judge")


class Judge:
    """One judge's process, in a network of its own where the machine allows.

    Parameters
    ----------
    isolation : str
        One of `cage.METHODS`.
    container : str
        A command that comes before the judge's, instead of all isolation of ours outside it.
    server : str
        Address of the one server that its network has a way to; '' for none.
    """

    def __init__(self, isolation: str, container: str = "", server: str = "") -> None:
        self._held = contextlib.ExitStack()
        self.relay: tuple[int, str] | tuple[()] = ()
        env = dict(os.environ)
        if container:  # hidden tests come in by the pipe and are never a file there
            command = [*shlex.split(container), "python", *JUDGE]
        else:
            command = [*(network() if isolation == "namespaces" else ()), sys.executable, *JUDGE]
        if server and isolation == "namespaces" and not container:
            port = urlsplit(server).port or settings.OLLAMA_PORT
            self.relay = (port, self._held.enter_context(to_server(server)))
            env["OLLAMA_HOST"] = f"http://127.0.0.1:{port}"
        self._said = self._held.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed with the judge
        self._lines: queue.Queue[bytes] = queue.Queue()
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, env=env)
        except OSError as error:
            self._held.close()
            raise ExerciseError(f"The judge could not be started: {error}", fix="Look at --container.") from None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            for line in self.process.stdout:
                self._lines.put(line)
        self._lines.put(b"")

    def grade(self, job: Job) -> dict[str, Any]:
        """Grade one submission.

        Raises
        ------
        ExerciseError
            When the judge failed; it is of no more use then.
        """
        seconds = Limits(**(job.limits or {})).seconds + GRACE
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
            self.process.stdin.flush()
            line = self._lines.get(timeout=seconds)
        except OSError:
            line = b""
        except queue.Empty:
            raise ExerciseError(f"The judge of {job.name} was not done after {seconds:g} s.") from None
        if not line:
            self.process.wait(5)
            self._said.seek(0)
            last = (self._said.read().decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1]
            raise ExerciseError(f"The judge of {job.name} failed: {last[:300]}", "The exercise's own check or source is broken.")
        result = json.loads(line)
        assert isinstance(result, dict)
        return result

    def close(self) -> None:
        """End the process, and its submission with it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(2)
        self.process.stdout.close()
        self._held.close()


class Judges:
    """Judges for whoever needs one, from any thread; those that are idle are used again."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, str, str], list[Judge]] = {}
        self._lock = threading.Lock()

    def judged(self, source: str, submission: str, name: str, lang: str, container: str = "", **options: Any) -> dict[str, Any]:
        """Grade one submission; see `Job`.

        Raises
        ------
        ExerciseError
            When the judge itself failed.
        """
        isolation = options.pop("isolation", "auto")
        if not container and isolation == "auto":
            isolation = best()
        served = str((options.get("params") or {}).get("model", "")).startswith("ollama:")
        key = (isolation, container, settings.read().ollama if served else "")
        with self._lock:
            idle = self._idle.setdefault(key, [])
            judge = idle.pop() if idle else None
        judge = judge or Judge(*key)
        try:
            result = judge.grade(Job(source, submission, name, lang, isolation=isolation, relay=judge.relay, **options))
        except BaseException:
            judge.close()
            raise
        with self._lock:
            self._idle[key].append(judge)
        return result

    def __enter__(self) -> Judges:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:
            idle = [judge for judges in self._idle.values() for judge in judges]
            self._idle.clear()
        for judge in idle:
            judge.close()
