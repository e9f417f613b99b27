"""A helper process spoken to in lines of JSON, with a deadline for every answer."""

from __future__ import annotations

import contextlib
import json
import queue
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from typing import IO, Any


class Helper:
    """A Python process that answers one line of JSON with another.

    Parameters
    ----------
    arguments : sequence of str
        For the Python that runs this process.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as the process
        self._process = subprocess.Popen([sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said)
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="labkit-helper", daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as out:
            for line in out:
                self._lines.put(line)
        self._lines.put(b"")

    def ask(self, question: dict[str, Any], seconds: float) -> dict[str, Any]:
        """One answer.

        Raises
        ------
        TimeoutError
            When it did not come in time.
        EOFError
            When the process ended instead.
        """
        assert self._process.stdin is not None
        line = b""
        with contextlib.suppress(OSError):  # it has ended already
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError from None
        if not line:
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ended(self) -> tuple[int, str]:
        """Exit status of a process that ended by itself, negative for a signal, and the last of what it wrote to stderr."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        self._process.kill()
        return self._process.wait(), last_lines(self._said)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._process.wait()
        self._said.close()

    def __del__(self) -> None:
        if getattr(self, "_process", None) is not None and self._process.returncode is None:
            self.close()


def last_lines(log: IO[bytes], count: int = 4) -> str:
    """The last lines of a log file, without the folder where llama.cpp was built."""
    log.seek(max(0, log.seek(0, 2) - 4000))
    said = re.sub(r"\S*/llama\.cpp/", "", log.read().decode("utf-8", "replace"))
    return " | ".join([line.strip() for line in said.splitlines() if line.strip(" .")][-count:])
