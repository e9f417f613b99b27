"""Interrupting the kernel stops what widgets compute, also while no cell runs: a kernel at rest ignores the signal by itself."""

from __future__ import annotations

import atexit
import signal
import threading
import weakref
from collections.abc import Callable
from types import FrameType
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
        shell.events.register("pre_execute", _before_cell)
        _before_cell()  # this very cell
        kernel.io_loop.add_callback(_settle, kernel.io_loop)


def _settle(loop: Any) -> None:
    # While a message is handled, ipykernel has a handler of its own in place and puts the former one back afterwards: only what is
    # set at rest, when interrupts are ignored, stays. The loop runs in the main thread, where alone handlers can be set.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, stop_all)
    elif signal.getsignal(signal.SIGINT) is not stop_all:
        loop.call_later(PAUSE, _settle, loop)


def _before_cell() -> None:
    # What ipykernel has set for this cell is called after ours and goes with it: wherever the interrupt then meets the cell, between
    # two statements or where somebody catches it, widgets have heard it.
    handler = signal.getsignal(signal.SIGINT)
    ours = handler is stop_all or isinstance(handler, _StopAnd)
    if callable(handler) and not ours and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _StopAnd(handler))


class _StopAnd:
    def __init__(self, then: Callable[[int, FrameType | None], object]) -> None:
        self._then = then

    def __call__(self, number: int, frame: FrameType | None) -> None:
        stop_all()
        self._then(number, frame)


def _end() -> None:
    stop_all()
    for panel in list(_all):
        panel.wait(2)
