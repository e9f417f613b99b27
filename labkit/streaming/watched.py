"""`Watched`: a model that tells what happens while it answers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

from ..backends.base import Delta, Events, Model, Request, Stream
from ..chat import Chunk, Reply
from .wrapper import Wrapper, end_of


@dataclass(frozen=True)
class Problem:
    """A callback raised.

    Attributes
    ----------
    callback : {'on_chunk', 'on_done', 'on_error'}
    error : Exception
    """

    callback: str
    error: Exception

    def __str__(self) -> str:
        return f"{self.callback} raised {type(self.error).__name__}: {self.error}"


class Watched(Wrapper):
    """A model that calls your functions for each chunk, at the end, and when something fails.

    A function that raises never costs a reply a character: the stream goes on, the function is called again the next time, and when the
    reply has ended a warning says what was raised. All of it is kept in `problems`. What a function takes of time, the stream waits for.

    Parameters
    ----------
    model : Model
    on_chunk : callable
        Called with each `Chunk`, before whoever iterates gets it.
    on_done : callable
        Called once with the `Reply` that has ended, cancelled or not.
    on_error : callable
        Called once with the error, and the `Reply` so far (`finish_reason` is 'error'). The error is raised all the same.

    Attributes
    ----------
    problems : list of Problem
        What the functions raised, oldest first.

    Examples
    --------
    >>> import labkit as lab
    >>> lengths = []
    >>> with Watched(lab.load("mini-m"), on_done=lambda reply: lengths.append(len(reply.text))) as model:
    ...     text = model.chat("Hello!", temperature=0).text
    >>> lengths == [len(text)]
    True
    """

    def __init__(
        self,
        model: Model,
        on_chunk: Callable[[Chunk], object] | None = None,
        on_done: Callable[[Reply], object] | None = None,
        on_error: Callable[[BaseException, Reply], object] | None = None,
    ) -> None:
        super().__init__(model)
        self.on_chunk, self.on_done, self.on_error = on_chunk, on_done, on_error
        self.problems: list[Problem] = []

    def _events(self, request: Request) -> Events:
        stream = Stream(self.model, request)
        found: list[Problem] = []
        failure: Exception | None = None
        told = False
        try:
            for chunk in stream:
                if not told:
                    yield stream.so_far().sent
                    told = True
                self._tell(found, "on_chunk", self.on_chunk, chunk)
                yield Delta(chunk.text, chunk.thinking)
            if not told and stream.reply is not None:
                yield stream.reply.sent
        except Exception as error:
            failure = error
            raise
        finally:
            stream.close()
            reply = stream.reply
            assert reply is not None
            if failure is None:
                self._tell(found, "on_done", self.on_done, reply)
            else:
                self._tell(found, "on_error", self.on_error, failure, reply)
            self._warn(found)
        yield end_of(reply)

    def _tell(self, found: list[Problem], name: str, function: Callable[..., object] | None, *values: object) -> None:
        if function is None:
            return
        try:
            function(*values)
        except Exception as error:
            found.append(Problem(name, error))

    def _warn(self, found: list[Problem]) -> None:
        self.problems += found
        for name in dict.fromkeys(problem.callback for problem in found):
            same = [problem for problem in found if problem.callback == name]
            more = f" ({len(same)} times during this reply)" if len(same) > 1 else ""
            warnings.warn(f"{same[0]}{more}. The reply is whole: callbacks cannot break it.", RuntimeWarning, stacklevel=2)
