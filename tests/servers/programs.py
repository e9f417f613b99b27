"""Find and run the programs that tests need, by their own process id, and say what is missing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from ..conftest import REAL

REQUIRED = {name.strip() for name in REAL.get("LABKIT_REQUIRE", "").split(",") if name.strip()}


def absent(name: str, reason: str) -> NoReturn:
    """Skip with the reason, or fail where LABKIT_REQUIRE names the program."""
    if name in REQUIRED:
        pytest.fail(f"LABKIT_REQUIRE names {name}: {reason}", pytrace=False)
    pytest.skip(reason)


def find_ollama() -> str | None:
    """The Ollama program: LABKIT_OLLAMA, PATH, or the user's cache, where .ci/run keeps it."""
    home = Path(REAL.get("HOME") or REAL.get("USERPROFILE") or ".")
    caches = [REAL.get("LABKIT_CACHE"), REAL.get("XDG_CACHE_HOME") and f"{REAL['XDG_CACHE_HOME']}/labkit", home / ".cache" / "labkit"]
    places = [REAL.get("LABKIT_OLLAMA"), shutil.which("ollama", path=REAL.get("PATH")), *(Path(c, "bin", "ollama") for c in caches if c)]
    return next((str(place) for place in places if place and os.access(place, os.X_OK)), None)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], log: Path, ready: str, env: Mapping[str, str], seconds: float = 90
) -> Iterator[subprocess.Popen[bytes]]:
    """A server process that answers at `ready`; ended by its own id afterwards."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env={**os.environ, **env})
    try:
        wait_for(lambda: _answers(ready), seconds, lambda: f"{command[0]} did not start (exit {process.poll()}):\n{tail(log)}", process)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(done: Callable[[], bool], seconds: float, problem: Callable[[], str], process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline or (process and process.poll() is not None):
            raise RuntimeError(problem())
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (OSError, urllib.error.URLError):
        return False


def tail(log: Path, size: int = 3000) -> str:
    """The end of a log."""
    return log.read_text(errors="replace")[-size:]


@contextmanager
def serve_ollama(program: str, folder: Path, **env: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A real Ollama with a store of its own in `folder`; yields its address and process."""
    folder.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{free_port()}"
    own = {"OLLAMA_HOST": url, "OLLAMA_MODELS": str(folder / "models"), "HOME": str(folder)}
    own |= {"OLLAMA_NO_CLOUD": "1", "OLLAMA_NUM_PARALLEL": "1"}
    with running([program, "serve"], folder / "serve.log", f"{url}/api/version", own | env) as process:
        yield url, process
