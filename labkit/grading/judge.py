"""The judge's process: it holds the hidden tests, starts the submission's process, asks it, and writes down the points.

A line of JSON comes in (a job), a line of JSON goes out (the result).
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import LabError
from .answers import WrongError, failure
from .cage import Cage, Limits
from .parts import Exercise, PartResult, TaskResult, exercise, judge
from .plain import TooMuchError, from_json
from .relay import from_port
from .source import Check, Source, cells, hidden_definitions, parse_notebook
from .submission import Prepared, prepare
from .worker import WAIT


@dataclass(frozen=True)
class Job:
    """One submission to grade, all of it, so that it can travel to another machine.

    Attributes
    ----------
    source, submission : str
        The two notebooks, as the text of their files.
    name : str
        File name of the source: NN_topic.ipynb.
    lang : {'en', 'es'}
    params : dict
        `model` and `seed`.
    limits : dict
        See `Limits`.
    isolation : str
        'auto' or one of `cage.METHODS`.
    private : tuple of str
        Folders that a submission must not read, for methods that leave them in sight.
    relay : (int, str)
        A port of the closed network, and the socket that leads from it to the model's server; see relay.py.
    """

    source: str
    submission: str
    name: str
    lang: str = "en"
    params: Mapping[str, Any] | None = None
    limits: Mapping[str, int] | None = None
    isolation: str = "auto"
    private: Sequence[str] = ()
    relay: Sequence[Any] = ()


def grade(job: Job) -> dict[str, Any]:
    """Grade one submission in this process; its cells run in another.

    Returns
    -------
    dict
        `points`, `of`, `tasks` (as `TaskResult`), `errors` of cells, `notes`, `output`, `isolation`.
    """
    source = Source(Path("solutions", job.lang, job.name), job.lang, tuple(cells(parse_notebook(job.source, job.name))))
    checks, book = source.checks(), exercise(source.number)
    params = {"lang": job.lang, "model": "mini-m", "seed": 1, **(job.params or {})}
    _load_hidden(source, params)
    try:
        prepared = prepare(job.submission, job.name, source)
    except LabError as error:
        return _result(book, [], {"notes": [f"{error}"]})
    submission = Submission(prepared, params, Limits(**(job.limits or {})), job.isolation, job.private)
    try:
        results = _results(submission, checks, job.lang, params)
    finally:
        submission.close()
    return _result(book, results, submission.report() | {"notes": list(prepared.notes)})


def _load_hidden(source: Source, params: Mapping[str, Any]) -> None:
    """Run the source's setup cells and hidden blocks: they add their parts to the tasks, in the place of another source's."""
    for task in exercise(source.number).tasks.values():
        task.parts = [part for part in task.parts if not part.hidden]
    import labkit

    space: dict[str, Any] = {"__name__": "hidden", "lab": labkit}
    for cell in source.cells:
        if cell.kind == "code" and cell.is_locked and not cell.is_test:
            exec(compile(cell.source, cell.id, "exec"), space)
            space.update(params)
    for check in source.checks():
        exec(hidden_definitions(check), space)


def _results(submission: Submission, checks: Sequence[Check], lang: str, params: Mapping[str, Any]) -> list[TaskResult]:
    """Every task in two turns: what hidden tests hand over must not come back in what a visible part shows."""
    found: dict[str, TaskResult] = {}
    turns = [(check, hidden) for hidden in (False, True) for check in checks]
    for number, (check, hidden) in enumerate(turns):
        submission.turn(check.id, len(turns) - 1 - number, len(turns))
        result = judge(check.id, submission, check.names, lang, hidden=hidden, model=params["model"], seed=params["seed"])
        before = found[check.id].parts if hidden else ()
        found[check.id] = replace(result, parts=(*before, *result.parts))
    return list(found.values())


def _result(book: Exercise, results: Sequence[TaskResult], more: Mapping[str, Any]) -> dict[str, Any]:
    judged = {result.id: result for result in results}
    missing = {id: TaskResult(id, task.points, _none(task.parts)) for id, task in book.tasks.items() if id not in judged}
    tasks = [{**judged, **missing}[id] for id in book.tasks]
    points, of = sum(task.points for task in tasks), sum(task.of for task in tasks)
    return {"points": points, "of": of, "tasks": [asdict(task) | {"points": task.points} for task in tasks], **more}


def _none(parts: Sequence[Any]) -> tuple[PartResult, ...]:
    return tuple(PartResult(part.name, 0.0, part.points, part.hidden, "missing") for part in parts)


class Submission:
    """The submission's process as a `Channel`: it is started when needed, and again when it ended."""

    def __init__(self, prepared: Prepared, params: Mapping[str, Any], limits: Limits, isolation: str, private: Sequence[str]) -> None:
        self.prepared, self.params, self.limits, self.isolation, self.private = prepared, params, limits, isolation, private
        self.deadline = self.until = time.monotonic() + limits.seconds
        self.numbers = itertools.count(1)
        self.cage: Cage | None = None
        self.task = ""
        self.ended: dict[str, str] = {}  # tasks whose answer ended the process, and how
        self.ends: list[str] = []
        self.errors: list[Any] = []
        self.output, self.how, self.ran = "", "", False

    def turn(self, task: str, after: int, turns: int) -> None:
        """Begin to ask for a task. Half of the time is kept in equal shares for the turns that come after: one that hangs costs none."""
        share = self.limits.seconds / (2 * turns)
        self.task, self.until = task, min(self.deadline, max(self.deadline - after * share, time.monotonic() + share))

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self.until <= time.monotonic():
            raise WrongError("timeout")
        # What its cells end, they would end again; an answer that ends its process must not cost those of other tasks.
        why = self.ends[-1] if self.ends and not self.ran else self.ended.get(self.task)
        if why:
            raise WrongError("timeout" if why == "timeout" else "ended", why)
        if self.cage is None or self.cage.over:
            began = time.monotonic()
            self._start()
            self.until = min(self.deadline, self.until + time.monotonic() - began)
        assert self.cage is not None
        left = self.until - time.monotonic()
        number, seconds = next(self.numbers), min(self.limits.call_seconds, left)
        self.cage.send(json.dumps({**request, "id": number, "seconds": seconds}))
        reply = self._read(min(WAIT * seconds, left) + 2)
        answer = reply.get("answer")
        if reply.get("id") != number or not isinstance(answer, dict):
            self._end("protocol")
        assert isinstance(answer, dict)
        if answer.get("late"):
            raise WrongError("timeout")
        return answer

    def _start(self) -> None:
        if self.cage is not None:
            self._close()
        self.ran = False
        self.cage = Cage(self.limits, self.isolation, self.params["lang"])
        self.how = self.cage.how
        guarded = None if self.how == "namespaces" else list(self.private)
        listed = [{"id": cell.id, "source": cell.source} for cell in self.prepared.cells]
        self.cage.send(
            json.dumps({"cells": listed, "params": dict(self.params), "cell_seconds": self.limits.cell_seconds, "private": guarded})
        )
        reply = self._read(min(self.limits.seconds, self.deadline - time.monotonic()))
        errors = reply.get("errors")
        listed = [error for error in errors[:50] if isinstance(error, dict)] if isinstance(errors, list) else []
        self.errors = [{"cell": str(error.get("cell"))[:100], **asdict(failure(error))} for error in listed]
        self.output, self.ran = self.cage.output(), True

    def _read(self, seconds: float) -> dict[str, Any]:
        assert self.cage is not None
        line = self.cage.receive(seconds)
        if line is None:
            self._end(self.cage.over or "timeout")
        try:
            reply = from_json(line or b"")
        except TooMuchError:
            self._end("too_much")
        except ValueError:
            self._end("protocol")
        if not isinstance(reply, dict):
            self._end("protocol")
        assert isinstance(reply, dict)
        return reply

    def _end(self, why: str) -> None:
        """End the process and say so; the next task starts it again."""
        assert self.cage is not None
        self.cage.close(why)
        self.ends.append(why)
        self.ended[self.task] = why
        # What is printed while hidden tests call is theirs: it would tell their input.
        self.output = self.output if self.ran else self.cage.output()
        raise WrongError({"timeout": "timeout", "too_much": "too_much"}.get(why, "ended"), why)

    def _close(self) -> None:
        assert self.cage is not None
        self.cage.close("done")

    def close(self) -> None:
        if self.cage is not None:
            self._close()

    def report(self) -> dict[str, Any]:
        """What the teacher may want to know of the run."""
        return {"errors": self.errors, "ends": self.ends, "output": self.output, "isolation": self.how}


def main() -> None:
    """Read jobs, write their results, until the input ends."""
    out, relayed = sys.stdout, False
    sys.stdout = sys.stderr  # nothing but results goes out
    for line in sys.stdin:
        job = Job(**json.loads(line))
        if job.relay and not relayed:
            from_port(*job.relay)
            relayed = True
        out.write(json.dumps(grade(job)) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
