"""Interrupting the kernel stops what widgets compute, also while no cell runs: a kernel at rest ignores the signal by itself."""

from __future__ import annotations

import atexit
import signal
import weakref
from typing import Any, Protocol

PAUSE = 0.2  # seconds between two looks at whether the kernel is at rest


class Stoppable(Protocol):
    """Whatever computes in a thread of its own."""

    def stop(self) -> None:
        """End soon; from any thread."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end."""


_all: weakref.WeakSet[Any] = weakref.WeakSet()
_listening = False


def stop_all(*_: object) -> None:
    """Stop every widget that computes."""
    for panel in list(_all):
        panel.stop()


def watch(panel: Stoppable) -> None:
    """Stop this widget too, when the kernel is interrupted or ends."""
    global _listening
    _all.add(panel)
    if _listening:
        return
    _listening = True
    atexit.register(_end)
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    kernel = getattr(shell, "kernel", None)
    if kernel is not None and getattr(kernel, "io_loop", None) is not None:
        shell.events.register("post_run_cell", _after_cell)
        kernel.io_loop.add_callback(_settle, kernel.io_loop)


def _settle(loop: Any) -> None:
    # While a message is handled, ipykernel has a handler of its own in place and puts the former one back afterwards: only what is
    # set at rest, when interrupts are ignored, stays. The loop runs in the main thread, where alone handlers can be set.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, stop_all)
    elif signal.getsignal(signal.SIGINT) is not stop_all:
        loop.call_later(PAUSE, _settle, loop)


def _after_cell(result: Any) -> None:
    if isinstance(result.error_in_exec, KeyboardInterrupt):
        stop_all()


def _end() -> None:
    stop_all()
    for panel in list(_all):
        panel.wait(2)
