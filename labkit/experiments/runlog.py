"""The run log: one JSON line for each call that was answered, so that a run which was cut short goes on where it stopped.

A line is written at once, whole, and only then does the call count as done. What a kill leaves half-written is cut off when the log is
opened again. It holds prompts and answers as plain text, for its owner's eyes alone. A call is recognized by a hash of everything that
its answer depends on: model (its weights, where they are known), engine, prompt, options, seed, and whether it is made together with
others.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

from ..backends.base import Model
from ..backends.wire import image_bytes
from ..chat import Message, Options, Reply, Sent, Timing, Usage
from ..errors import LabError, OptionError
from ..wording import say
from ..zoo.catalog import sha256

FORMAT = 1
HEAD = f'{{"format": {FORMAT}, '.encode()  # how each line begins
ANOTHER = "Give another file: log=..."
# Of these an answer does not depend on.
_NOT_IN_KEY = {"timeout"}


def identity(model: Model) -> dict[str, Any]:
    """What tells a model from another: its weights' hash where it can be known, else its name; the engine; how it was loaded."""
    from ..backends.llama_cpp import LlamaCppModel
    from ..backends.ollama import OllamaModel

    loaded = dict((model.recipe or ("", {}))[1])
    out: dict[str, Any] = {"engine": model.engine, "loaded": {key: repr(loaded[key]) for key in sorted(loaded)}}
    out["context_window"] = model.context_window
    if isinstance(model, LlamaCppModel):
        stat = model.path.stat()
        out["weights"] = _hash(str(model.path.resolve()), stat.st_size, stat.st_mtime_ns)
    elif isinstance(model, OllamaModel):
        with contextlib.suppress(LabError):
            out["weights"] = str(model.server.stored(model.name.removeprefix("ollama:").partition("@")[0]).get("digest", ""))
    if not out.get("weights"):
        out["name"] = model.name
    return out


@lru_cache(maxsize=64)
def _hash(path: str, size: int, modified: int) -> str:
    return sha256(Path(path))


def key_of(model: Mapping[str, Any], messages: tuple[Message, ...], options: Options, occurrence: int = 0) -> str:
    """The hash by which a call is recognized.

    Parameters
    ----------
    model : dict
        From `identity`, with 'together'.
    messages : tuple of Message
    options : Options
        With a seed.
    occurrence : int
        0, or which one it is where the very same call is made several times in one run.
    """
    asked = {name: value for name, value in asdict(options).items() if name not in _NOT_IN_KEY}
    call = {"model": model, "messages": [_message(message) for message in messages], "options": asked, "occurrence": occurrence}
    return hashlib.sha256(json.dumps(call, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _message(message: Message) -> dict[str, Any]:
    images = [hashlib.sha256(_shown(image)).hexdigest() for image in message.images]
    return {"role": message.role, "content": message.content, "images": images, "tools": [message.tool_calls, message.tool_call_id]}


def _shown(image: str | Path | bytes) -> bytes:
    """What an image counts by: what it shows, not where it lies; where it cannot be read, which the call itself will tell, its name."""
    try:
        return image_bytes(image)
    except OptionError:
        return str(image).encode("utf-8", "replace")


class RunLog:
    """A log that is open for writing: ``with RunLog(path) as log: ...``.

    Parameters
    ----------
    path : Path
        Made with its folders where it is not there yet.

    Attributes
    ----------
    replies : dict
        Key -> Reply of every call that was answered before.
    finished : bool
        Whether the last run in it came to its end.
    notes : list of str
        What was wrong with it.

    Raises
    ------
    OptionError
        When it cannot be written, holds something else, or another process writes it now.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        self.replies: dict[str, Reply] = {}
        self.finished = False
        self.notes: list[str] = []
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # prompts and answers are nobody else's business
            if self.path.exists() and not self.path.is_file():
                raise OSError(errno.EINVAL, "it is no regular file")
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        except OSError as error:
            raise OptionError(f"The run log {self.path} cannot be written: {error.strerror}.", fix=ANOTHER) from None
        try:
            _lock(self._file, self.path)
            self._read()
        except BaseException:
            os.close(self._file)
            raise

    def _read(self) -> None:
        with self.path.open("rb") as stream:
            data = stream.read()
        end = data.rfind(b"\n") + 1
        begun = not end and data[: len(HEAD)] == HEAD[: len(data)]  # killed within its first line
        if data.strip() and not begun and not any(line.startswith(HEAD) for line in data.splitlines()):
            raise OptionError(f"{self.path} is not a run log.", "It holds something else, which a log would spoil.", ANOTHER)
        if data[end:]:
            self.notes.append(say("The last line of {file} was half-written; its call is made again.", file=self.path.name))
            os.ftruncate(self._file, end)
        bad = 0
        for line in data[:end].splitlines():
            try:
                self._take(json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError):
                bad += 1
        if bad:
            self.notes.append(say("{n} line(s) of {file} cannot be read; their calls are made again.", n=bad, file=self.path.name))
        os.lseek(self._file, 0, os.SEEK_END)

    def _take(self, record: Mapping[str, Any]) -> None:
        self.finished = record.get("end") is True
        if record.get("reply") is not None and record["format"] == FORMAT:
            self.replies[str(record["key"])] = reply_from(record["reply"])

    def add(self, key: str, result: Reply | LabError, about: Mapping[str, Any]) -> None:
        """One call has ended. Errors are written down too, but such a call is made again next time."""
        record: dict[str, Any] = {"format": FORMAT, "key": key, "date": datetime.now(UTC).isoformat(timespec="milliseconds"), **about}
        if isinstance(result, Reply):
            record["reply"] = asdict(result)
            self.replies[key] = result
        else:
            record["error"] = {"kind": type(result).__name__, "message": str(result)}
        self._write(record)

    def end(self) -> None:
        """The run came to its end."""
        self.finished = True
        self._write({"format": FORMAT, "end": True})
        with contextlib.suppress(OSError):
            os.fsync(self._file)

    def _write(self, record: Mapping[str, Any]) -> None:
        data = json.dumps(record, ensure_ascii=False, default=str).encode("utf-8", "replace") + b"\n"
        start = os.lseek(self._file, 0, os.SEEK_END)
        try:
            while data:  # one call takes it all, unless the disk is full or a signal comes
                data = data[os.write(self._file, data) :]
        except OSError:
            os.ftruncate(self._file, start)  # no half line in the middle
            raise

    def restart(self) -> None:
        """Forget what is in it."""
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        self.replies, self.finished = {}, False

    def close(self) -> None:
        """Let go of the file; what was written stays."""
        os.close(self._file)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _lock(file: int, path: Path) -> None:
    """Hold the log for this process; the system lets go of it when the process ends, however it ends."""
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(file, 2**30, os.SEEK_SET)  # far behind the end, so that it can be read meanwhile
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _taken(path) from None
    except OSError:
        if os.name == "nt":
            raise _taken(path) from None
        # Some network file systems know no locks: then nobody is kept out.


def _taken(path: Path) -> OptionError:
    return OptionError(
        f"Another run writes {path} now.", "Perhaps the same cell in another notebook.", "Wait for it, or give another file: log=..."
    )


def reply_from(data: Mapping[str, Any]) -> Reply:
    """A reply as it was before `asdict` took it apart."""
    own = dict(data)
    parts = {"usage": Usage(**own.pop("usage")), "timing": Timing(**own.pop("timing")), "sent": Sent(**own.pop("sent"))}
    return Reply(**own | parts | {"tool_calls": tuple(own.get("tool_calls") or ())})


def lines(path: str | Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a log, for a look from outside; nothing is changed.

    >>> [line["key"] for line in lines("run.jsonl")]  # doctest: +SKIP
    """
    with Path(path).open("rb") as stream:
        for line in stream:
            if line.endswith(b"\n"):
                with contextlib.suppress(ValueError):
                    yield json.loads(line)
