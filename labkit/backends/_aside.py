"""One thread beside the caller's for long calls into C, so that Ctrl-C and deadlines still reach the caller."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

# Address space, not memory. In llama.cpp's tokenizers std::regex takes some 500 bytes of stack for each character of a long word: on
# the usual 8 MB, a line of 20,000 letters ends the process with many vocabularies.
BIG_STACK = 256 * 1024 * 1024


class Aside:
    """A thread that makes long calls one after another.

    Python runs signal handlers in the main thread between two bytecodes: a call of ten seconds into C holds up Ctrl-C for as long, and
    where C calls back into Python the KeyboardInterrupt would be raised there and lost.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        old = threading.stack_size()
        try:
            threading.stack_size(BIG_STACK)
            self._start()
        except (RuntimeError, ValueError):  # a system that gives no such stack
            threading.stack_size(old)
            self._start()
        finally:
            threading.stack_size(old)

    def _start(self) -> None:
        threading.Thread(target=_work, args=(self._calls,), name="labkit-aside", daemon=True).start()

    def run(self, function: Callable[[], T], watch: Callable[[], bool] | None = None, stop: Callable[[], None] | None = None) -> T:
        """Run a function there and wait for its result.

        Parameters
        ----------
        function : callable
        watch : callable
            Asked every 50 ms: True when the call should end early.
        stop : callable
            Makes the call end early; also called on Ctrl-C. Without it, Ctrl-C waits for the end.
        """
        call = _Call(function)
        self._calls.put(call)
        try:
            while not call.done.wait(0.05):
                if watch is not None and stop is not None and watch():
                    stop()
        except BaseException:  # Ctrl-C: never leave while C still uses what the caller may free
            if stop is not None:
                stop()
            call.wait()
            raise
        if call.error is not None:
            raise call.error
        result: T = call.result
        return result

    def end(self) -> None:
        """Let the thread end after the calls it has."""
        self._calls.put(None)


class _Call:
    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = threading.Event()

    def wait(self) -> None:
        while not self.done.is_set():
            try:
                self.done.wait(0.05)
            except KeyboardInterrupt:  # a second Ctrl-C is no reason to crash
                continue


def _work(calls: queue.SimpleQueue[_Call | None]) -> None:
    while (call := calls.get()) is not None:
        try:
            call.result = call.function()
        except BaseException as error:
            call.error = error
        call.done.set()


def run_aside(function: Callable[[], T]) -> T:
    """Run one function in a thread of its own."""
    aside = Aside()
    try:
        return aside.run(function)
    finally:
        aside.end()
