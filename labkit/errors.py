"""Every error labkit raises.

LabError
├── BackendError                       the engine or server behind a model
│   ├── ServerNotRunningError          (ConnectionError)  nobody answers at the address
│   ├── ModelNotFoundError             (LookupError)      no such model on this machine or server
│   ├── OutOfMemoryError               (MemoryError)      the model does not fit, predicted or reported
│   ├── GenerationTimeoutError         (TimeoutError)     the deadline passed
│   ├── ContextWindowExceededError                        the prompt does not fit, nothing was cut
│   ├── CapabilityError                                   this model or engine cannot do that
│   ├── ModelClosedError                                  used after close()
│   └── UnexpectedResponseError                           the answer is not what the protocol promises
├── BadModelFileError                  (ValueError)       a damaged, foreign or changed model file
├── MissingDependencyError             (ImportError)      an optional package is absent
├── OptionError                        (ValueError)       an option or message that cannot be sent
└── ExerciseError                                         an exercise or submission is malformed

A message says what happened, with the value; then the likely cause; then the command that mends it. It is written in English where
it is raised, and shown in the reader's language (`translation.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


class LabError(Exception):
    """What happened, its likely cause, and how to mend it; `str(error)` says all three in the reader's language.

    Parameters
    ----------
    what : str
        What happened, with the value that caused it. In English, as are the other two.
    cause : str
        The likely cause, where it is not obvious.
    fix : str
        The command or change that mends it.
    """

    what: str
    cause: str
    fix: str

    def __init__(self, what: str = "", cause: str = "", fix: str = "") -> None:
        # Not super(): OSError and ImportError, which some subclasses also are, read positional arguments their own way.
        Exception.__init__(self, what, cause, fix)
        self.what, self.cause, self.fix = what, cause, fix

    def __str__(self) -> str:
        return " ".join(self.parts())

    def parts(self, lang: str | None = None) -> list[str]:
        """What happened, its cause and how to mend it, those that there are, in a language; by default the reader's."""
        from . import translation, wording

        return [translation.translated(part, lang or wording.reader()) for part in (self.what, self.cause, self.fix) if part]

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), dict(self.__dict__))


def _rebuild(kind: type[LabError], state: dict[str, Any]) -> LabError:
    error = kind(state["what"], state["cause"], state["fix"])
    error.__dict__.update(state)
    return error


def status_of(command: Callable[[], object], name: str) -> int:
    """Run a command to its exit status; an error of ours is one line on stderr and 1."""
    try:
        command()
    except LabError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    return 0


class BackendError(LabError):
    """The engine or server behind a model could not do what was asked."""


class ServerNotRunningError(BackendError, ConnectionError):
    """Nobody answers at the server's address."""


class ModelNotFoundError(BackendError, LookupError):
    """There is no model of that name on this machine or server."""


class OutOfMemoryError(BackendError, MemoryError):
    """The model needs more memory than there is: predicted before loading, or reported by the server."""


class GenerationTimeoutError(BackendError, TimeoutError):
    """The deadline passed; `partial` holds the text that had arrived."""

    partial: str = ""


class ContextWindowExceededError(BackendError):
    """The prompt does not fit the context window. Nothing was cut and nothing was generated.

    Attributes
    ----------
    prompt_tokens : int or None
        Tokens of the whole prompt, chat template included; about so many, and the message says so, where an Ollama server refuses
        it without a number; None where nothing is known.
    context_window : int or None
        Tokens that fit, prompt and answer together.
    """

    prompt_tokens: int | None = None
    context_window: int | None = None


class CapabilityError(BackendError):
    """This model or engine cannot do that: images where it does not see, vectors where it does not embed."""


class ModelClosedError(BackendError):
    """The model was used after `close()`."""


class UnexpectedResponseError(BackendError):
    """The server's answer is not what its protocol promises; `partial` holds the text that had arrived."""

    partial: str = ""


class BadModelFileError(LabError, ValueError):
    """A model file that is damaged, of another format, or not the one that its card describes."""


class MissingDependencyError(LabError, ImportError):
    """An optional package is absent."""


class OptionError(LabError, ValueError):
    """An option, message or argument that cannot be sent as it is."""


class ExerciseError(LabError):
    """An exercise or a submission is malformed."""
