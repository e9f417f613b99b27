"""The process in which a foreign model file is tried: a line of JSON in, a line of JSON out.

On Linux each trial is a fork, so that one process serves for many files and outlives those that crash. Elsewhere the trial runs in the
process itself, and the parent starts a new one for each file.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

TEXT = "The fox said: «¡Hola, niño!» 12 + 34 = 46\n\t日本語 שלום 👩‍🚀 <|im_start|>user"
FORKS = hasattr(os, "fork") and sys.platform != "darwin"


def trial(path: Path, window: int, embeds: bool) -> None:
    """Everything that labkit will later do with the file, in small."""
    from ..chat import Options
    from ..errors import UnexpectedResponseError
    from ._llama import Engine
    from ._sampling import Sampler

    engine = Engine(path, window=window, threads=1, mmap=True, embedding=embeds)
    if engine.vocabulary < 1:
        raise ValueError("its vocabulary is empty")
    for name in ("bos_token", "eos_token"):
        engine.special(name)
    for token in range(engine.vocabulary):
        engine.piece(token)
    tokens = engine.tokenize(TEXT, special=True, add=True)[: max(1, min(window - 5, 64))] or [0]
    engine.tokenize(TEXT, special=False)
    if any(not 0 <= token < engine.vocabulary for token in tokens):
        raise ValueError("its tokenizer gives tokens that are not in its vocabulary")
    if embeds:
        engine.embed([tokens])
        return
    sampler = Sampler(engine, Options(temperature=0.8, seed=1), tokens, careful=True)
    for _ in range(4):
        engine.compute(tokens, lambda: False)
        tokens = [sampler.next()]
    sampler.free()
    sampler = Sampler(engine, Options(temperature=0, schema="json"), tokens)
    with contextlib.suppress(UnexpectedResponseError):  # a vocabulary need not be able to write JSON
        sampler.next()
    sampler.free()


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Try one file in this process."""
    from ..errors import LabError

    try:
        trial(Path(question["path"]), question["window"], question["embeds"])
    except LabError as error:
        return {"ok": False, "what": error.what.rstrip("."), "log": error.cause}
    except Exception as error:
        return {"ok": False, "what": f"{type(error).__name__}: {error}"[:300]}
    return {"ok": True}


class _Loud(deque[str]):
    """A log that is written out at once, since the process may not live to show it."""

    def append(self, text: str) -> None:
        super().append(text)
        with contextlib.suppress(OSError):
            os.write(2, text.encode("utf-8", "replace"))


def limit(memory: int, seconds: float) -> None:
    """Limits of the system on this process, where it has such."""
    try:
        import resource
    except ImportError:
        return
    for name, value in (("RLIMIT_AS", memory), ("RLIMIT_CPU", int(seconds) + 1), ("RLIMIT_CORE", 0)):
        with contextlib.suppress(ValueError, OSError, AttributeError):
            resource.setrlimit(getattr(resource, name), (value, value))


def in_fork(question: dict[str, Any]) -> dict[str, Any]:
    """Try one file in a fork of this process, and say how it went or how it ended."""
    from ._lines import last_lines
    from .probe import how_it_ended

    with tempfile.TemporaryFile() as log:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(read)
                os.dup2(log.fileno(), 2)
                limit(question["memory"], question["seconds"])
                os.write(write, json.dumps(answer(question)).encode())
            finally:
                os._exit(0)
        os.close(write)
        data, late = _listen(read, question["seconds"])
        if late:
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if data:
            verdict: dict[str, Any] = json.loads(data)
            return verdict
        what = f"it was not done after {question['seconds']:.0f} s" if late else how_it_ended(status)
        return {"ok": False, "what": what, "log": last_lines(log), "passing": late}


def _listen(read: int, seconds: float) -> tuple[bytes, bool]:
    """What the child says until it closes its end, and whether that took too long."""
    data, end = b"", time.monotonic() + seconds
    try:
        while True:
            ready, _, _ = select.select([read], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return b"", True
            part = os.read(read, 65536)
            if not part:
                return data, False
            data += part
    finally:
        os.close(read)


def main() -> None:
    """Serve until the input ends."""
    os.environ["GGML_NO_BACKTRACE"] = "1"
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy's threads would not survive a fork
    from . import _library

    _library.LOG = _Loud()
    _library.library()
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        question = json.loads(line)
        if not FORKS:
            limit(question["memory"], question["seconds"])
        verdict = in_fork(question) if FORKS else answer(question)
        out.write(json.dumps(verdict).encode() + b"\n")
        out.flush()
