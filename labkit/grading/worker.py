"""The submission's own process: it runs the cells, then answers requests about what they defined.

One line of JSON in, one out, on pipes of its own; whatever the cells print goes elsewhere and never costs points. It knows no solution
and no hidden test: it gets the learner's cells, then calls.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .service import Service, described

WAIT = 3  # a call may take so many times its computing time by the clock


class LateError(BaseException):
    """What ran was not done in time. Not an Exception, so that `except Exception` lets it through."""


def main() -> None:
    """Serve one submission: a line with its cells and limits, then requests until the input ends."""
    requests, replies = _pipes()
    job = json.loads(requests.readline())
    if job.get("private") is not None:
        from .guard import guard

        guard(job["private"])
    errors, names = run_cells(job["cells"], job["params"], job["cell_seconds"])
    replies.write(json.dumps({"ran": True, "errors": errors}) + "\n")
    replies.flush()
    service = Service(names)
    for line in requests:
        request = json.loads(line)
        try:
            with alarm(request["seconds"]):
                text = service.answer(request)
        except LateError:
            text = '{"late": true}'
        except KeyboardInterrupt as error:
            text = json.dumps({"error": described(error)})
        replies.write(f'{{"id": {request["id"]}, "answer": {text}}}\n')
        replies.flush()


def _pipes() -> tuple[Any, Any]:
    """The two pipes to the judge, moved away from where print() writes and input() reads."""
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return requests, replies


def run_cells(cells: list[Mapping[str, str]], params: Mapping[str, Any], seconds: float) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Run the cells one after another, each with a deadline; one that fails does not keep the next from running.

    Returns
    -------
    errors : list of dict
        Of each cell that failed: its id and the error.
    names : dict
        What the cells defined.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell = InteractiveShell.instance(config=config)
    # What a notebook has and this process has not stops no cell: windows and plots beside it, programs.
    shell.enable_gui = lambda *_, **__: None  # type: ignore[method-assign]
    shell.system = lambda command: print(f"not run here: {command}")  # type: ignore[method-assign]
    errors = []
    for cell in cells:
        try:
            with alarm(seconds):
                result: Any = shell.run_cell(cell["source"])  # type: ignore[no-untyped-call]
            error = result.error_before_exec or result.error_in_exec
        except BaseException as raised:
            error = raised
        if error is not None:
            errors.append({"cell": cell["id"], **described(error)})
        if cell["id"] == "setup-parameters":
            shell.user_ns.update(params)
    return errors, shell.user_ns


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise LateError in what computes longer, or waits `WAIT` times as long, where the system can.

    Computing time is the same on a busy machine. The judge ends the process a little later in any case.
    """
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def late(*_: object) -> None:
        raise LateError(f"not done after {seconds:g} s")

    clocks = ((signal.SIGPROF, signal.ITIMER_PROF, seconds), (signal.SIGALRM, signal.ITIMER_REAL, WAIT * seconds))
    for number, clock, time in clocks:
        signal.signal(number, late)
        signal.setitimer(clock, time)
    try:
        yield
    finally:
        for _, clock, _ in clocks:
            signal.setitimer(clock, 0)


if __name__ == "__main__":
    main()
