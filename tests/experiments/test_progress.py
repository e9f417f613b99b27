"""A bar with the time left where somebody looks, silence where nobody does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from labkit.chat import Reply
from labkit.errors import LabError
from labkit.experiments.progress import Meter

CODE = """
from labkit.chat import Reply
from labkit.experiments.progress import Meter
with Meter(4, "compare") as meter:
    meter.skip(1)
    for index in range(3):
        meter.add(index, Reply("x", "m", "stop"))
"""


def test_nobody_looks_at_a_test(capfd):
    with Meter(2, "compare") as meter:
        meter.add(0, Reply("x", "m", "stop"))
    assert capfd.readouterr() == ("", "")


def test_bar_is_shown_when_asked_for_and_counts_errors(capfd):
    with Meter(3, "compare", True) as meter:
        for index, result in enumerate([Reply("x", "m", "stop"), LabError("no"), Reply("x", "m", "stop")]):
            meter.add(index, result)
    shown = capfd.readouterr().err
    assert "compare" in shown and "3/3" in shown and "<" in shown and "errors=1" in shown


def test_callable_gets_what_is_done_and_left():
    seen = []
    with Meter(5, "compare", seen.append) as meter:
        meter.skip(2)
        for index in range(3):
            meter.add(index, Reply("x", "m", "stop"))
    assert [(p.index, p.done, p.total) for p in seen] == [(0, 1, 3), (1, 2, 3), (2, 3, 3)] and seen[-1].seconds_left == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals of this kind")
@pytest.mark.parametrize("mark", ["", "PAPERMILL_OUTPUT_PATH", "TQDM_DISABLE"])
def test_terminal_shows_a_bar_and_a_pipe_does_not(mark):
    import fcntl
    import pty
    import struct
    import termios

    env = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"} | ({mark: "1"} if mark else {})
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    try:
        on_terminal = subprocess.Popen([sys.executable, "-c", CODE], stderr=slave, env=env)
        assert on_terminal.wait() == 0
        os.set_blocking(master, False)
        try:
            shown = os.read(master, 10_000)
        except BlockingIOError:
            shown = b""
    finally:
        os.close(master)
        os.close(slave)
    assert (b"4/4" in shown) == (not mark)
    piped = subprocess.run([sys.executable, "-c", CODE], capture_output=True, env=env)
    assert piped.returncode == 0 and piped.stderr == b"" and piped.stdout == b""
