"""Running other programs: under a clock, with their latest news, and ended together with all that they started."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from .causes import explained
from .places import LOG, PYTHON, ROOT, WINDOWS

# What would lead Python, pip or uv to another place than the environment, and what would let every start compile everything anew.
NOT_OURS = ("PYTHONHOME", "PYTHONPATH", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "UV_SYSTEM_PYTHON",
            "PYTHONDONTWRITEBYTECODE")  # fmt: skip

News = Callable[[str], str] | None  # from a line of output to what is worth showing of it


class Step:
    """What is going on: a title, then one line that moves with the clock; where nobody watches, a line now and then."""

    def __init__(self, title: str) -> None:
        self.title, self.news, self.start = title, "", time.monotonic()
        self._moving, self._over = sys.stdout.isatty(), threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Step:
        say(self.title)
        self._ticker.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._over.set()
        self._ticker.join()
        self.say(f"{clock(time.monotonic() - self.start)}  {'stopped' if kind else 'done'}")

    def say(self, text: str) -> None:
        """Leave a line that stays."""
        say(f"\r      {text:{self._width()}}".rstrip() if self._moving else f"      {text}")

    def _tick(self) -> None:
        while not self._over.wait(0.5 if self._moving else 15):
            line = f"{clock(time.monotonic() - self.start)}  {self.news}"
            if self._moving:
                width = self._width()
                print(_printable(f"\r      {line[:width]:{width}}"), end="", flush=True)
            else:
                say(f"      {line}")

    def _width(self) -> int:
        return max(20, shutil.get_terminal_size().columns - 7)


def run(command: list[str], step: Step, news: News = None, log: Path = LOG, env: dict[str, str] | None = None) -> None:
    """Run a program to its end, with all of its output in the log.

    Raises
    ------
    LabError
        It failed: with the cause where its last words tell.
    """
    last: deque[str] = deque(maxlen=60)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"\n$ {shlex.join(command)}\n")
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**environment(command[0]), "PYTHONUTF8": "1", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            close_fds=WINDOWS,  # elsewhere only what is marked is handed on: the lock of the set-up
            process_group=None if WINDOWS else 0,
        )
        try:
            for line in process.stdout or ():
                file.write(line)
                last.append(line)
                step.news = (news and news(line)) or step.news
            process.wait()
        finally:
            end(process)
    if process.returncode:
        raise explained("".join(last).strip() or f"{Path(command[0]).name} ended with status {process.returncode}.", log)


def end(process: subprocess.Popen[str]) -> None:
    """End a program that is still running, with all that it started: politely, then surely."""
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True, check=False)
        return
    with contextlib.suppress(subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGINT)
        process.wait(5)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def hand_over(command: list[str]) -> int:
    """Become another program, so that Ctrl-C and the exit status are its own."""
    sys.stdout.flush()
    os.chdir(ROOT)
    env = environment(command[0])
    if not WINDOWS:
        os.execve(command[0], command, env)
    with subprocess.Popen(command, env=env) as process:
        while True:
            with contextlib.suppress(KeyboardInterrupt):  # the program has had the Ctrl-C as well
                return process.wait()


def environment(program: str) -> dict[str, str]:
    """The variables for a program: its neighbours come first on the PATH, and it finds labkit without the link in the environment."""
    env = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
    return {
        **env,
        "PATH": os.pathsep.join([str(Path(program).parent), env.get("PATH", "")]),
        "PYTHONPATH": str(ROOT),
        "PYTHONNOUSERSITE": "1",
    }


def uv() -> str:
    """Where uv is, on the PATH or in .venv; "" where it is not."""
    own = PYTHON.with_name("uv.exe" if WINDOWS else "uv")
    return shutil.which("uv") or (str(own) if own.exists() else "")


def clock(seconds: float) -> str:
    """
    >>> clock(81.4)
    '1:21'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def say(text: str) -> None:
    """Print a line, also where the terminal cannot show every letter."""
    print(_printable(text), flush=True)


def _printable(text: str) -> str:
    encoding = sys.stdout.encoding or "ascii"
    return text.encode(encoding, "replace").decode(encoding)
