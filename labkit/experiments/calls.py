"""The calls of an experiment: planned beforehand, made once each, written to the run log as they end."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from .. import settings
from ..backends.base import Model
from ..backends.many import Job, Result, spread
from ..chat import Message, Options
from ..errors import LabError, OptionError
from ..wording import say
from .progress import Meter
from .runlog import RunLog, identity, key_of


@dataclass(frozen=True)
class Call:
    """One call that is to be made.

    Attributes
    ----------
    index : int
        Its row.
    messages : tuple of Message
    options : Options
        With a seed.
    """

    index: int
    messages: tuple[Message, ...]
    options: Options


@dataclass(frozen=True)
class Outcome:
    """How a call ended.

    Attributes
    ----------
    result : Reply or LabError
    from_log : bool
        Whether it was made in an earlier run.
    """

    result: Result
    from_log: bool = False


class Run:
    """What all calls of one experiment share: log, progress, and where they are made.

    Parameters
    ----------
    log : RunLog or None
    notes : list of str
        What is to be said of the log.
    meter : Meter
    executor : concurrent.futures.Executor or None
        Spreads the calls over threads, processes or machines.
    together : bool
        Without an executor: many at once, as the engine likes it best; otherwise one after the other, so that the times of each are
        those of a reply alone.
    """

    def __init__(self, log: RunLog | None, notes: Sequence[str], meter: Meter, executor: Executor | None, together: bool) -> None:
        self.log, self.meter, self.executor, self.together = log, meter, executor, together
        self.notes = list(notes)
        self._seen: Counter[str] = Counter()

    def __call__(self, model: Model, calls: Sequence[Call]) -> dict[int, Outcome]:
        """Make the calls that are not in the log; each outcome by its index."""
        # An answer among many takes its time differently, so that it is another call than one alone.
        about = identity(model) | {"together": self.together}
        keys = {call.index: self._key(about, call) for call in calls}
        known = self.log.replies if self.log else {}
        out = {call.index: Outcome(known[keys[call.index]], True) for call in calls if keys[call.index] in known}
        self.meter.skip(len(out))
        todo = [call for call in calls if call.index not in out]
        if out:
            said = "{done} of {n} answers of {model}, and their times, are from an earlier run: see 'from_log'."
            self.notes.append(say(said, done=len(out), n=len(calls), model=model.name))
        for index, result in self._made(model, todo):
            out[index] = Outcome(result)
            self._write(keys[index], result, model, next(call for call in todo if call.index == index))
            self.meter.add(index, result)
        return out

    def _key(self, about: Mapping[str, Any], call: Call) -> str:
        key = key_of(about, call.messages, call.options)
        self._seen[key] += 1
        return key if self._seen[key] == 1 else key_of(about, call.messages, call.options, self._seen[key] - 1)

    def _made(self, model: Model, todo: Sequence[Call]) -> Iterator[tuple[int, Result]]:
        left = {call.index for call in todo}
        jobs = [Job(call.index, call.messages, call.options) for call in todo]
        if not jobs:
            return
        if self.executor is None and not self.together:
            with suppress(LabError):  # one token first, so that loading is no part of any time
                model.chat(jobs[0].messages, options=replace(jobs[0].options, max_tokens=1))
            for job in jobs:
                yield job.index, _alone(model, job)
            return
        try:
            results = spread(self.executor, model, jobs) if self.executor is not None else model._many(jobs, None)
            with closing(results):
                for index, result in results:
                    left.discard(index)
                    yield index, result
        except LabError as error:  # one that all of them have: no memory for so many, a closed model
            for index in sorted(left):
                yield index, error

    def _write(self, key: str, result: Result, model: Model, call: Call) -> None:
        if self.log is None:
            return
        prompt = [{"role": message.role, "content": message.content} for message in call.messages]
        try:
            self.log.add(key, result, {"model": model.name, "prompt": prompt, "options": asdict(call.options)})
        except OSError as error:  # a full disk costs the log, not the run
            self.notes.append(say("The run log ends early: {reason} ({path}).", reason=error.strerror, path=self.log.path))
            self.log = None

    def end(self) -> None:
        """All calls were made."""
        if self.log is not None:
            try:
                self.log.end()
            except OSError as error:
                self.notes.append(say("The end of the run log is missing: {reason} ({path}).", reason=error.strerror, path=self.log.path))


def _alone(model: Model, job: Job) -> Result:
    try:
        return model.chat(job.messages, options=job.options)
    except LabError as error:
        return error


@contextmanager
def open_log(log: str | Path | bool | None, kind: str, plan: Any) -> Iterator[tuple[RunLog | None, list[str]]]:
    """The log of a run, and what is to be said of it.

    Parameters
    ----------
    log : str, Path, bool or None
        A file: calls that stand in it are not made again, ever. None: a file in labkit's cache for exactly this plan; a run that was
        cut short goes on, one that came to its end takes its log away and starts anew. False: no log.
    kind : str
        'compare' or 'sweep'.
    plan : object
        Models, prompts and options, as JSON can write them.
    """
    if log is False:
        yield None, []
        return
    if log is not None and log is not True:
        with RunLog(log) as opened:
            yield opened, opened.notes
        return
    digest = hashlib.sha256(json.dumps(plan, sort_keys=True, default=repr).encode()).hexdigest()[:20]
    try:
        opened = RunLog(settings.read().cache / "runs" / f"{kind}-{digest}.jsonl")
    except OptionError as error:  # a read-only home, or the same run in another notebook
        yield None, [f"{error.parts()[0]} {say('Without a run log, a run that is cut short starts anew.')}"]
        return
    with opened:
        if opened.finished:
            opened.restart()
        yield opened, opened.notes
    if opened.finished:
        with suppress(OSError):
            opened.path.unlink()


def path_of(log: RunLog | None) -> Path | None:
    """Where a log lies; None where there was none, or is none any more."""
    return log.path if log is not None and log.path.exists() else None
