"""Many requests in one call: what they are, how far they are, and the way for every engine that takes them one by one.

The in-process engine has a better way, `_many`: it computes many sequences in one pass.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from ..chat import Message, Options, Reply, as_messages
from ..errors import BackendError, CapabilityError, LabError, OptionError

if TYPE_CHECKING:
    from .base import Model, Stream

Result = Reply | LabError
Results = Generator[tuple[int, Result], None, None]


@dataclass(frozen=True)
class Progress:
    """One request has ended.

    Attributes
    ----------
    index : int
        Which one, in the order of the call.
    result : Reply or LabError
        Its reply; its error where ``errors="return"`` was asked for.
    done, total : int
        How many have ended, out of how many.
    elapsed : float
        Seconds since the call.
    """

    index: int
    result: Result
    done: int
    total: int
    elapsed: float

    @property
    def seconds_left(self) -> float:
        """Seconds until all are done, if the rest goes as fast as what is done."""
        return self.elapsed / self.done * (self.total - self.done)


@dataclass(frozen=True)
class Job:
    """One request, checked: its place, messages and options with a seed; or the error that it is."""

    index: int
    messages: tuple[Message, ...] = ()
    options: Options = field(default_factory=Options)
    error: LabError | None = None


def read(requests: Iterable[Any], options: Options | None, changes: Mapping[str, Any]) -> list[Job]:
    """Requests as a notebook types them, as jobs.

    Parameters
    ----------
    requests : iterable
        Each a prompt (text, message or list of messages), or a dict with 'prompt', perhaps 'system', and options by name.
    options : Options
        Where every request starts from.
    changes : dict
        Options for all; those of a request itself come last.

    >>> [job.options.max_tokens for job in read(["a", {"prompt": "b", "max_tokens": 9}], None, {"max_tokens": 5})]
    [5, 9]
    """
    if isinstance(requests, str | Mapping | Message):
        what = f"generate_many() takes a list of requests, not one {type(requests).__name__}."
        raise OptionError(what, fix="Put it into a list, or use chat() for one.")
    shared = Options.of(options, **changes)
    return [_job(index, request, shared) for index, request in enumerate(requests)]


def _job(index: int, request: Any, shared: Options) -> Job:
    own: dict[str, Any] = {}
    try:
        if isinstance(request, Mapping) and "prompt" in request:
            own = dict(request)
            request = own.pop("prompt")
        messages = as_messages(request, own.pop("system", ""))
        return Job(index, messages, Options.of(shared, **own).with_seed())
    except OptionError as error:
        # The same kind of error, with the place added, so that one of 500 requests can be found.
        return Job(index, error=OptionError(f"Request {index}: {error.what}", error.cause, error.fix))


class Ledger:
    """Results in order, and what to do when one comes in.

    Parameters
    ----------
    jobs : sequence of Job
    progress : callable or None
        Called with a `Progress` for each request that ends, in the caller's thread.
    errors : {'raise', 'return'}
    """

    def __init__(self, jobs: Sequence[Job], progress: Callable[[Progress], object] | None, errors: str) -> None:
        if errors not in ("raise", "return"):
            raise OptionError(f"errors={errors!r} is unknown.", fix="Use 'raise' (the first error ends the call) or 'return'.")
        self._results: list[Result | None] = [None] * len(jobs)
        self._progress, self._raise = progress, errors == "raise"
        self._done, self._start = 0, time.perf_counter()
        self.open = [job for job in jobs if job.error is None]
        for job in jobs:
            if job.error is not None:
                self.put(job.index, job.error)

    def put(self, index: int, result: Result) -> None:
        """Take one result in; an error is raised here where that was asked for."""
        if self._raise and isinstance(result, LabError):
            raise result
        self._results[index] = result
        self._done += 1
        if self._progress is not None:
            self._progress(Progress(index, result, self._done, len(self._results), time.perf_counter() - self._start))

    def results(self) -> list[Reply]:
        """All of them, in the order of the requests."""
        return cast(list[Reply], list(self._results))


class Many:
    """The part of `Model` that answers many requests.

    Attributes
    ----------
    recipe : tuple of (str, dict) or None
        How `load` made the model, so that another process can make it too.
    at_once : int
        Requests that are under way together, where nobody says how many.
    """

    recipe: tuple[str, Mapping[str, Any]] | None = None
    at_once = 1

    def generate_many(
        self,
        requests: Iterable[Any],
        *,
        options: Options | None = None,
        progress: Callable[[Progress], object] | None = None,
        errors: str = "raise",
        workers: int | None = None,
        executor: Executor | None = None,
        **changes: Any,
    ) -> list[Reply]:
        """Answer many requests: together where the engine can, one by one where it cannot.

        Parameters
        ----------
        requests : iterable
            Each a prompt as in `chat`, or a dict with 'prompt', perhaps 'system', and options of its own:
            ``[{"prompt": "Tell a story.", "seed": seed} for seed in range(8)]``.
        options : Options
            Where every request starts from; by default `Options()`. The deadline of each counts from when it is begun.
        progress : callable
            Called with a `Progress` for each request that ends, in this thread, in the order in which they end.
        errors : {'raise', 'return'}
            'raise': the first error ends the call. 'return': an error stands in its request's place.
        workers : int
            Requests sent at once to a server (8); for a model in this process, contexts side by side.
        executor : concurrent.futures.Executor
            Spreads the requests instead, one call each, also over processes and machines: there `load` makes the model again.
        **changes
            Options for all by name; those of a request itself come last.

        Returns
        -------
        list of Reply
            In the order of the requests. `sent.request["at_once"]` tells how many were under way together: the times of such a reply
            are not those of a reply alone, and rounding may differ, so that in rare cases the same seed gives another text.
        """
        if workers is not None and (not isinstance(workers, int) or isinstance(workers, bool) or workers < 1):
            raise OptionError(f"workers={workers!r} is out of range.", fix="It is a whole number of at least 1.")
        model = cast("Model", self)
        model._check_open()
        ledger = Ledger(read(requests, options, changes), progress, errors)
        if ledger.open:
            results = self._many(ledger.open, workers) if executor is None else spread(executor, model, ledger.open)
            with closing(results):
                for index, result in results:
                    ledger.put(index, result)
        return ledger.results()

    def _many(self, jobs: Sequence[Job], workers: int | None) -> Results:
        """Yield (index, reply or error) as they come; closing it ends the rest."""
        return pooled(cast("Model", self), jobs, workers)


def pooled(model: Model, jobs: Sequence[Job], workers: int | None) -> Results:
    """One call for each job, with so many threads, or as many as suit the engine."""
    at_once = max(1, min(workers or model.at_once, len(jobs)))
    calls = _Calls(model, at_once)
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="labkit-many")
    try:
        yield from _finished({pool.submit(calls, job): job.index for job in jobs})
    finally:  # also Ctrl-C and the first error: nobody waits for the rest
        calls.cancel()
        pool.shutdown(wait=True, cancel_futures=True)


class _Calls:
    """Calls of one model from several threads, which can all be cancelled."""

    def __init__(self, model: Model, at_once: int) -> None:
        self._model, self._at_once = model, at_once
        self._streams: set[Stream] = set()
        self._lock = threading.Lock()
        self._cancelled = False

    def __call__(self, job: Job) -> Result:
        try:
            stream = self._model.stream(job.messages, options=job.options)
        except LabError as error:
            return error
        with self._lock:
            self._streams.add(stream)
            if self._cancelled:
                stream.cancel()
        try:
            return marked(stream.finish(), self._at_once)
        except LabError as error:
            return error
        finally:
            with self._lock:
                self._streams.discard(stream)

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            for stream in self._streams:
                stream.cancel()


def marked(reply: Reply, at_once: int) -> Reply:
    """The reply, with the number of requests that were under way together: its times are not those of a reply alone."""
    return replace(reply, sent=replace(reply.sent, request=dict(reply.sent.request) | {"at_once": at_once}))


def _finished(futures: dict[Future[Result], int], lost: bool = False) -> Results:
    left = set(futures)
    while left:
        done, left = wait(left, timeout=0.2, return_when=FIRST_COMPLETED)  # woken now and then, so that Ctrl-C is heard
        for future in sorted(done, key=futures.__getitem__):
            yield futures[future], _result(future, lost)


def _result(future: Future[Result], lost: bool) -> Result:
    try:
        return future.result()
    except Exception as error:
        if not lost:
            raise
        return _lost(error)


def spread(executor: Executor, model: Model, jobs: Sequence[Job]) -> Results:
    """One call for each job, wherever the executor makes it."""
    call: Callable[[Job], Result]
    if isinstance(executor, ThreadPoolExecutor):
        call = _Calls(model, 1)
    elif model.recipe is None:
        what = f"Model {model.name!r} cannot be made again in another process."
        raise CapabilityError(what, "Only labkit knows how `load` made a model.", f'Make it with load("{model.name}").')
    else:
        call = Elsewhere(*model.recipe)
    futures: dict[Future[Result], int] = {}
    try:
        for job in jobs:
            try:
                futures[executor.submit(call, job)] = job.index
            except BrokenExecutor as error:
                yield job.index, _lost(error)
        yield from _finished(futures, lost=not isinstance(call, _Calls))
    finally:
        for future in futures:
            future.cancel()
        if isinstance(call, _Calls):
            call.cancel()


def _lost(error: BaseException) -> BackendError:
    """The error of a request whose worker died or could not run it at all: the others go on."""
    return BackendError(
        f"The worker that was given this request lost it: {type(error).__name__}{f': {error}' if str(error) else ''}.",
        "It was killed (memory?), the cluster went away, or it lacks labkit or the model.",
        "Look at the worker's log, then run again: what was answered stands in the run log.",
    )


_loaded: dict[tuple[str, str], Model] = {}  # in a worker process: the models that it has made
_loading = threading.Lock()


@dataclass(frozen=True)
class Elsewhere:
    """A call in another process or on another machine, which makes the model by name once and keeps it.

    Attributes
    ----------
    name : str
        What `load` takes.
    options : dict
        What else it was given.
    """

    name: str
    options: Mapping[str, Any]

    def __call__(self, job: Job) -> Result:
        from .registry import load

        key = (self.name, repr(sorted(self.options.items())))
        try:
            with _loading:
                model = _loaded.get(key)
                if model is None or model._closed:
                    model = _loaded[key] = load(self.name, **self.options)
            return marked(model.chat(job.messages, options=job.options), 1)
        except LabError as error:
            return error
