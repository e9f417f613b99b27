"""A helper process spoken to in lines of JSON, with a deadline for every answer."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any


class Helper:
    """A Python process that answers one line of JSON with another.

    Parameters
    ----------
    arguments : sequence of str
        For the Python that runs this process.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
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

    def close(self) -> int:
        """End the process; its exit status, negative for a signal."""
        process = self._process
        try:
            status = process.wait(timeout=0.2) if self._ended() else None
        except subprocess.TimeoutExpired:
            status = None
        process.kill()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        return process.wait() if status is None else status

    def _ended(self) -> bool:
        return self._process.stdout is None or self._process.stdout.closed

    def __del__(self) -> None:
        if self._process.poll() is None:
            self.close()
