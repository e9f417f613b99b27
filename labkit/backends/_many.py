"""`generate_many` in this process: continuous batching over llama.cpp's sequences.

Each request takes a seat in a `Crowd`; every step computes one more token for all seats in one pass, which costs far less than one
pass for each. When a reply ends, the next request takes its seat. What a prompt shares with one that is computed already is copied.
A small model gains nothing from several threads in one pass, so it gets one crowd for each core instead.
"""

from __future__ import annotations

import ctypes
import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from ..chat import Reply, Timing, Usage
from ..errors import CapabilityError, LabError
from ._crowd import Crowd
from ._llama import Engine
from ._plan import SHARE, Ask, Plan, common, plan
from ._prompt import Prompt
from ._sampling import Sampler
from ._text import Splitter
from .base import Request, timeout_error
from .many import Job, Result, Results, marked

if TYPE_CHECKING:
    from .llama_cpp import LlamaCppModel

RANKS = 16  # seats that stand together for each gap; with more gaps the last ones move up


def generate_many(model: LlamaCppModel, jobs: Sequence[Job], workers: int | None) -> Results:
    """Yield (index, reply or error) as the replies end."""
    if model.header.embeds:
        raise CapabilityError(f"Model {model.name!r} makes vectors, not text.", fix='Use embed(), or load a chat model: load("mini-m").')
    model._desk.check()
    asks: list[Ask] = []
    known: dict[str, Prompt] = {}
    for job in jobs:
        try:
            asks.append(_ask(model, job, known))
        except LabError as error:
            yield job.index, error
    if asks:
        run = Run(model, asks, plan(model, asks, workers))
        try:
            yield from run.results(len(asks))
        finally:
            run.stop()


def _ask(model: LlamaCppModel, job: Job, known: dict[str, Prompt]) -> Ask:
    options = job.options
    key = repr((job.messages, options.tools, options.think, options.truncate, options.max_tokens))
    if key not in known:
        known[key] = model._fit(Request(job.messages, None, options, 0.0))
    prompt = known[key]
    room = model.context_window - len(prompt.ids)
    return Ask(job, prompt, room if options.max_tokens is None else min(room, options.max_tokens))


class Run:
    """One call: a thread for each crowd, and the queue in which their results come."""

    def __init__(self, model: LlamaCppModel, asks: Sequence[Ask], plan: Plan) -> None:
        self.model, self.plan = model, plan
        self.abort = ctypes.create_string_buffer(2)  # llama.cpp looks at it too, in the middle of a pass
        self.out: queue.SimpleQueue[tuple[int, Result] | BaseException] = queue.SimpleQueue()
        shares = [asks[number :: plan.crowds] for number in range(plan.crowds)]  # fixed, so that the same call gives the same texts
        self._start, self._computed = asks[0].prompt.ids[: plan.shared], threading.Event()
        self._state: Any = None
        self._threads = [
            threading.Thread(target=self._work, args=(share, not number), name="labkit-many", daemon=True)
            for number, share in enumerate(shares)
        ]
        model._runs.add(self)  # from here on close() knows that the weights are in use
        for thread in self._threads:
            thread.start()

    @property
    def stopped(self) -> bool:
        """Whether nobody wants the rest."""
        return self.abort[0] != b"\0"

    def results(self, count: int) -> Results:
        """So many results, as they come."""
        while count:
            try:
                item = self.out.get(timeout=0.1)  # woken now and then, so that Ctrl-C is heard
            except queue.Empty:
                self.model._desk.check()  # close() stops a run
                continue
            if isinstance(item, BaseException):
                raise item
            if isinstance(item[1], Reply):
                self.model.last_reply = item[1]
            count -= 1
            yield item

    def stop(self) -> None:
        """End the threads; their contexts are freed when this returns."""
        self.abort[0] = b"x"
        for thread in self._threads:
            while thread.is_alive():
                try:
                    thread.join(0.1)
                except KeyboardInterrupt:  # a second Ctrl-C is no reason to free what C still uses
                    continue
        self.model._runs.discard(self)

    def _work(self, asks: Sequence[Ask], first: bool) -> None:
        crowd: Crowd | None = None
        table: _Table | None = None
        try:
            plan = self.plan
            crowd = Crowd(self.model._engine, plan.seats, plan.cells, plan.threads, self.abort, unified=plan.shared > 0, flash=plan.flash)
            if plan.shared and plan.crowds > 1:
                self._begin(crowd, first)
            table = _Table(self, crowd, asks)
            while not self.stopped and table.step():
                pass
        except LabError as error:  # of all that this crowd had
            for ask in asks if table is None else table.left:
                self.out.put((ask.job.index, error))
        except BaseException as error:
            self.out.put(error)
        finally:
            if first:
                self._computed.set()
            if table is not None:
                table.leave()
            if crowd is not None:
                crowd.close()

    def _begin(self, crowd: Crowd, first: bool) -> None:
        """What all requests share is computed by the first crowd, and copied by the others."""
        if first:
            for place in range(0, len(self._start), crowd.batch):
                if crowd.compute([(0, self._start[place : place + crowd.batch], False)]) is None:
                    return
            self._state = crowd.save()
            self._computed.set()
        else:
            while not self._computed.wait(0.05) and not self.stopped:
                pass
            if self._state is not None:
                crowd.restore(self._state, self._start)


class _Table:
    """Who sits where in one crowd."""

    def __init__(self, run: Run, crowd: Crowd, asks: Sequence[Ask]) -> None:
        self._run, self._crowd = run, crowd
        self._waiting = deque(asks)
        self._seated: dict[int, _Seat] = {}

    def step(self) -> bool:
        """Seat whom there is room for and compute once. False when all is done."""
        self._admit()
        if not self._seated:
            return bool(self._waiting)
        crowd = self._crowd
        room = crowd.batch - len(self._seated)
        wanted = []
        for number, seat in sorted(self._seated.items()):
            new = seat.pending if len(seat.pending) == 1 else seat.pending[: room + 1]
            room -= len(new) - 1
            wanted.append((number, new, len(new) == len(seat.pending)))
        places = crowd.compute(wanted)
        if places is None:
            return False
        where, now = iter(places), time.monotonic()
        for number, new, whole in wanted:
            seat = self._seated[number]
            result: Result | None = None
            try:
                if whole:
                    result = seat.draw(next(where), now)
                else:
                    seat.wait(len(new), now)
            except LabError as error:
                result = error
            if result is not None:
                self._end(seat, result)
        return True

    @property
    def left(self) -> list[Ask]:
        """Requests without a result."""
        return [seat.ask for seat in self._seated.values()] + list(self._waiting)

    def leave(self) -> None:
        """Give back what the samplers hold."""
        for seat in self._seated.values():
            seat.sampler.free()

    def _end(self, seat: _Seat, result: Result) -> None:
        del self._seated[seat.number]
        seat.sampler.free()
        self._run.out.put((seat.ask.job.index, result))

    def _admit(self) -> None:
        crowd = self._crowd
        free = [number for number in range(crowd.seats) if number not in self._seated]
        if not self._waiting:
            if not crowd.unified:
                self._close_ranks(free)
            return
        later = []
        coming = [seat.ask.prompt.ids for seat in self._seated.values() if len(seat.pending) > 1]
        for _ in range(min(len(self._waiting), 4 * len(free))):
            if not free:
                break
            ask = self._waiting.popleft()
            ids, number = ask.prompt.ids, free[0]
            same, source = max((common(ids, held), -other) for other, held in enumerate(crowd.held))
            if crowd.engine.recurrent:  # its state is that after the last token and cannot be cut
                same, coming = 0, []
            if any(common(ids, other) >= same + SHARE for other in coming):
                later.append(ask)  # somebody is computing the same beginning: better copied after this step
                continue
            own = common(ids, crowd.held[number])
            if same >= own + SHARE:
                crowd.copy(-source, number, same)
            else:
                same = 0 if crowd.engine.recurrent else own
                crowd.keep(number, same)
            free.pop(0)
            coming.append(ids)
            try:
                self._seated[number] = _Seat(self._run, crowd, number, ask, same)
            except LabError as error:
                free.insert(0, number)
                self._run.out.put((ask.job.index, error))
        self._waiting.extendleft(reversed(later))

    def _close_ranks(self, free: list[int]) -> None:
        """Nobody waits: move the last ones up where there are many gaps, since llama.cpp computes only neighbours together."""
        seated = sorted(self._seated)
        gaps = sum(right > left + 1 for left, right in zip([-1, *seated], seated, strict=False))
        if gaps <= len(seated) // RANKS:
            return
        for number in free:
            last = max(self._seated, default=-1)
            if last < number:
                return
            seat = self._seated.pop(last)
            self._crowd.copy(last, number, len(self._crowd.held[last]))
            seat.number = number
            self._seated[number] = seat


class _Seat:
    """One request while it is computed. To its sampler it looks like an engine whose context is this sequence alone."""

    def __init__(self, run: Run, crowd: Crowd, number: int, ask: Ask, cached: int) -> None:
        engine, options = crowd.engine, ask.job.options
        self.lib, self.vocab, self.vocabulary, self.window = engine.lib, engine.vocab, engine.vocabulary, run.model.context_window
        self._run, self._crowd, self.number, self.ask, self._cached, self._place = run, crowd, number, ask, cached, 0
        self.sampler = Sampler(cast(Engine, self), options, ask.prompt.ids, careful=not run.model._trusted)
        self.pending = ask.prompt.ids[cached:]
        self._text = Splitter(options.stop, think=True, thinking=ask.prompt.thinking, tools=bool(options.tools))
        self._shown: list[str] = []
        self._thought: list[str] = []
        self._count = 0
        self._started = self._first = time.perf_counter()
        self._seen: float | None = None
        self._deadline = time.monotonic() + options.timeout

    def sample(self, chain: Any) -> int:
        return int(self.lib.llama_sampler_sample(chain, self._crowd.context, self._place))

    def logits(self) -> Any:
        return self.lib.llama_get_logits_ith(self._crowd.context, self._place)

    def wait(self, count: int, now: float) -> None:
        """A part of the prompt is computed."""
        del self.pending[:count]
        self._check(now)

    def _check(self, now: float) -> None:
        if now > self._deadline:
            raise timeout_error(self.ask.job.options.timeout, "".join(self._shown))

    def draw(self, place: int, now: float) -> Reply | None:
        """Draw the next token; the reply, when this ends it."""
        self._place = place
        token = self.sampler.next()
        self._count += 1
        if self._count == 1:
            self._first = time.perf_counter()
        data = self._crowd.engine.piece(token)
        if data is None:
            return self._reply("stop")
        self._take(self._text.feed(data))
        if self._text.stopped:
            return self._reply("stop")
        if self._count == self.ask.limit:
            return self._reply("length")
        self._check(now)
        self.pending = [token]
        return None

    def _take(self, delta: Any) -> None:
        if delta is not None:
            self._seen = self._seen or time.perf_counter()
            self._shown.append(delta.text)
            self._thought.append(delta.thinking)

    def _reply(self, reason: str) -> Reply:
        last, count, job, model = time.perf_counter(), self._count, self.ask.job, self._run.model
        self._take(self._text.finish())
        calls = tuple(self._text.calls)
        timing = Timing(
            total_duration=time.perf_counter() - self._started,
            time_to_first_token=None if self._seen is None else self._seen - self._started,
            prompt_duration=self._first - self._started,
            generation_duration=last - self._first,
            tokens_per_second=(count - 1) / (last - self._first) if count > 1 else None,
        )
        sent = model._sent(Request(job.messages, None, job.options, self._deadline), self.ask.prompt, self.sampler)
        reason = "tool_calls" if calls and reason == "stop" else reason
        usage = Usage(len(self.ask.prompt.ids), count, self._cached)
        reply = Reply("".join(self._shown), model.name, reason, usage, timing, sent, "".join(self._thought), calls)
        return marked(reply, self._run.plan.at_once)
