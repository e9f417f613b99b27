"""Whose tokens the one context of a model holds: many replies may be unfinished at once, one at a time is computed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence

from ..errors import CapabilityError, ModelClosedError
from ._llama import Engine
from ._sampling import Sampler
from .base import Request, timeout_error

IDLE = 0.1  # seconds without a step after which another thread may take the context from an unfinished reply
LARGEST_STATE = 256 * 1024 * 1024  # bytes; a larger context is computed again instead of being put aside


class CancelledError(Exception):
    """Nobody wants the rest."""


class Generation:
    """One reply while it is computed.

    Attributes
    ----------
    tokens : list of int
        Prompt and reply; the last one is not in the context yet.
    cached : int
        Tokens of the prompt that were in the context already.
    """

    def __init__(self, desk: Desk, prompt: Sequence[int], sampler: Sampler, request: Request) -> None:
        self.desk, self.sampler, self.request = desk, sampler, request
        self.tokens = list(prompt)
        self.prompt_tokens = len(prompt)
        self.cached = 0
        self.computed = 0  # how many of `tokens` the context holds, or held when it was taken away
        self.state: object = None  # the context as it was then
        self.thread = threading.get_ident()
        self.active = 0.0
        self.steady = False  # False while the context may hold something else than `computed` says

    def unwanted(self) -> bool:
        """Whether the deadline has passed or nobody wants the rest."""
        return self.request.cancelled.is_set() or time.monotonic() > self.request.deadline

    def check(self) -> None:
        """Raise when there is no reason to go on."""
        if self.request.cancelled.is_set():
            raise CancelledError
        if time.monotonic() > self.request.deadline:
            raise timeout_error(self.request.options.timeout)

    def step(self) -> int:
        """Compute what is not computed yet and draw the next token."""
        desk = self.desk
        try:  # around take() too: Ctrl-C may strike between any two lines
            desk.take(self)
            self.steady = False
            tokens = self.tokens
            if len(tokens) - self.computed == 1 and desk.engine.aside is None:
                desk.engine.compute(tokens[-1:], self.unwanted)
                self.computed += 1
            else:
                self._compute(tokens[self.computed :])
            token = self.sampler.next()
            tokens.append(token)
            self.steady = True
            self.active = time.monotonic()
            return token
        finally:
            desk.release()

    def _compute(self, tokens: Sequence[int]) -> None:
        engine = self.desk.engine
        for start in range(0, len(tokens), engine.batch):
            self.check()
            piece = tokens[start : start + engine.batch]
            if not engine.compute(piece, self.unwanted):
                self.check()
                raise CancelledError
            self.computed += len(piece)

    def resume(self) -> None:
        """Bring the cleared context back to where this reply was, to the last bit: the same pieces as the first time."""
        if self.state is not None and self.desk.engine.restore(self.state):
            self.state = None
            return
        self.state = None
        self.desk.engine.clear()
        done, self.computed = self.computed, 0
        prompt = min(done, self.prompt_tokens)
        self._compute(self.tokens[:prompt])
        for token in self.tokens[prompt:done]:
            self._compute([token])


class Desk:
    """Gives the context of an engine to one reply at a time.

    Parameters
    ----------
    engine : Engine
    name : str
        Of the model, for messages.
    reuse : bool
        Keep what the context holds for the next prompt that begins the same.
    """

    def __init__(self, engine: Engine, name: str, reuse: bool) -> None:
        self.engine, self.name, self.reuse = engine, name, reuse
        self.lock = threading.RLock()  # it knows its thread, so that what Ctrl-C left locked can be let go
        self.owner: Generation | None = None
        self.left: list[int] | None = None  # tokens that the last reply left in the context

    def check(self) -> None:
        """Raise where this process may not or can no longer use the engine."""
        if self.engine.foreign:
            what = f"Model {self.name!r} was loaded by the process that this one is a fork of."
            raise CapabilityError(what, "Its threads did not come along.", f'Load it here: load("{self.name}").')
        if self.engine.closed:
            raise ModelClosedError(f"Model {self.name!r} was closed.", fix=f'Load it again: load("{self.name}").')

    def take(self, generation: Generation) -> None:
        """Hold the lock and have this reply's tokens in the context; `release` lets go, also where this fails."""
        self.check()
        while True:
            if not self.lock.acquire(False):
                self._wait(generation)
            if self.owner is generation and not self.engine.closed:
                return
            self.check()
            if not self._busy(generation):
                self._switch(generation)
                return
            self.release()
            generation.check()
            time.sleep(0.01)

    def release(self) -> None:
        """Let go of the lock, as often as this thread holds it."""
        with contextlib.suppress(RuntimeError):  # it does not hold it any more
            while True:
                self.lock.release()

    def _wait(self, generation: Generation) -> None:
        while not self.lock.acquire(timeout=0.1):
            generation.check()

    def _busy(self, generation: Generation) -> bool:
        """Whether another thread is in the middle of a reply; one that this thread left unfinished, or an idle one, can wait."""
        owner = self.owner
        if owner is None or owner.thread == generation.thread:
            return False
        return time.monotonic() - owner.active < IDLE

    def _switch(self, generation: Generation) -> None:
        owner, self.owner = self.owner, None
        left, self.left = self.left, None
        if owner is not None and owner.steady:
            owner.state = self._state()
        if generation.computed:
            self.engine.clear()
            generation.resume()
        elif left is None or owner is not None or not self._keep(left, generation):
            self.engine.clear()
        generation.thread = threading.get_ident()
        generation.active = time.monotonic()
        self.owner = generation

    def _state(self) -> object:
        return self.engine.save(LARGEST_STATE)

    def _keep(self, left: list[int], generation: Generation) -> bool:
        same = 0
        for old, new in zip(left, generation.tokens[:-1], strict=False):
            if old != new:
                break
            same += 1
        if not same or not self.engine.keep(same):
            return False
        generation.cached = generation.computed = same
        return True

    def leave(self, generation: Generation) -> None:
        """The reply has ended. It takes no lock, since the garbage collector may call it anywhere."""
        generation.state = None
        if self.owner is generation:
            self.left = generation.tokens[: generation.computed] if self.reuse and generation.steady else None
            self.owner = None

    def close(self) -> None:
        """Wait for the step that is under way, then give the engine back."""
        if self.engine.foreign:
            return
        with self.lock:
            self.owner = None
            self.engine.close()
