"""How far a run is, with the time that is left: a bar where somebody looks, nothing where nobody does."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from .. import settings
from ..backends.many import Progress, Result
from ..errors import LabError

Report = bool | Callable[[Progress], object] | None


class Meter:
    """Counts calls: ``with Meter(total, "comparing", progress) as meter: ... meter.add(index, result)``.

    Parameters
    ----------
    total : int
        Calls of the whole run.
    title : str
        What is done, in front of the bar.
    report : bool, callable or None
        True: a bar, and always. None: a bar where somebody looks (`settings.watched`). False: nothing. A callable gets a
        `Progress` for each call that ends.
    """

    def __init__(self, total: int, title: str, report: Report = None) -> None:
        self._total, self._done, self._errors = total, 0, 0
        self._start = time.perf_counter()
        self._call = report if callable(report) else None
        self._bar: Any = None
        if report is True or (report is None and settings.watched()):
            self._bar = _bar()(total=total, desc=title, unit="call")

    def skip(self, count: int) -> None:
        """So many calls need not be made: they stand in the log. The time left is that of the others."""
        self._total -= count
        if self._bar is not None and count:
            self._bar.initial = self._bar.n = self._bar.n + count
            self._bar.refresh()

    def add(self, index: int, result: Result) -> None:
        """A call has ended."""
        self._done += 1
        if self._call is not None:
            self._call(Progress(index, result, self._done, self._total, time.perf_counter() - self._start))
        if self._bar is not None:
            if isinstance(result, LabError):
                self._errors += 1
                self._bar.set_postfix(errors=self._errors, refresh=False)
            self._bar.update()

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()


def _bar() -> Any:
    import sys

    if "ipykernel" in sys.modules:
        from tqdm.auto import tqdm as notebook

        return notebook
    from tqdm import tqdm

    return tqdm
