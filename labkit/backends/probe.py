"""Try a foreign model file once, in a process of its own, before it is let into this one.

llama.cpp is a C++ program that trusts its files: a damaged one can end the process, and a kernel with all its variables. So the first
time a file is seen, another process loads it, computes a few tokens and reads its whole vocabulary. The verdict is kept in the cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import settings
from ..errors import BadModelFileError, ModelNotFoundError
from ._library import version
from ._lines import Helper
from .gguf import Header, missing, unreadable
from .memory import predict

SECONDS = 30.0  # for a small file; larger ones get a second more for each 20 MB
WINDOW = 512  # tokens of the trial's context window, at most
FORMAT = 1  # raise it when the trial changes, so that old verdicts no longer count
_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from labkit.backends._probe_child import main; main()"
_session: Helper | None = None
_lock = threading.Lock()  # one trial at a time: each may take as much memory as the model


@dataclass(frozen=True)
class Seen:
    """Which file it was: another file under the same name is another key."""

    path: str
    size: int
    modified: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Seen:
        """The file as it is now."""
        try:
            real = path.resolve()
            stat = real.stat()
        except FileNotFoundError:
            raise missing(path) from None
        except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a circle of links
            raise unreadable(path, error) from None
        return cls(str(real), stat.st_size, stat.st_mtime_ns, stat.st_ino)

    @property
    def verdict_file(self) -> Path:
        """Where the verdict is kept."""
        key = json.dumps([FORMAT, version(), self.path, self.size, self.modified, self.inode])
        return settings.read().cache / "probes" / (hashlib.sha256(key.encode()).hexdigest()[:32] + ".json")


def ensure(seen: Seen, header: Header, window: int) -> None:
    """Try the file, unless it was tried before.

    Parameters
    ----------
    seen : Seen
        The file, noted before its header was read.
    header : Header
    window : int
        Context window that it will be loaded with.

    Raises
    ------
    BadModelFileError
        When it ended the process, failed, or took too long; with llama.cpp's own last words.
    """
    verdict = _read(seen.verdict_file)
    if verdict is None:
        with _lock:
            verdict = _try(seen, header, min(window, WINDOW))
        if not verdict.get("passing"):
            _write(seen.verdict_file, verdict)
    if not verdict.get("ok"):
        raise BadModelFileError(
            f"{Path(seen.path).name} failed its trial run: {verdict.get('what', 'no reason was given')}.",
            str(verdict.get("log") or ""),
            "The file is damaged, or llama.cpp does not know this kind of model: get it again, or take another one.",
        )


def unchanged(seen: Seen) -> None:
    """Raise when the file is no longer the one that was tried."""
    try:
        same = Seen.of(Path(seen.path)) == seen
    except ModelNotFoundError:
        same = False
    if not same:
        name = Path(seen.path).name
        raise BadModelFileError(f"{name} was changed or replaced while it was being loaded.", fix="Load it again when it is complete.")


@contextlib.contextmanager
def session() -> Iterator[None]:
    """Keep one helper process for all trials inside: faster where many files are tried (on Linux, where it can fork)."""
    global _session
    if _session is not None or not hasattr(os, "fork") or sys.platform == "darwin":
        yield
        return
    _session = _helper()
    try:
        yield
    finally:
        helper, _session = _session, None
        if helper is not None:
            helper.close()


def _seconds(size: int) -> float:
    """How long a trial may take."""
    return SECONDS + size / 20_000_000


def _helper() -> Helper:
    return Helper(["-c", _BOOT, json.dumps(sys.path)])


def _try(seen: Seen, header: Header, window: int) -> dict[str, Any]:
    global _session
    seconds = _seconds(header.size)
    memory = 4_000_000_000 + 2 * predict(header, window).total + header.size
    question = {"path": seen.path, "window": window, "embeds": header.embeds, "seconds": seconds, "memory": memory}
    helper = _session or _helper()
    try:
        verdict = helper.ask(question, seconds + 10)
    except BaseException as error:  # Ctrl-C as well: an answer that comes later would be taken for that of another file
        try:
            if isinstance(error, TimeoutError):
                return {"what": f"it was not done after {seconds:.0f} s", "passing": True}
            if isinstance(error, EOFError):
                status, said = helper.ended()
                return {"what": how_it_ended(status), "log": said}
            raise
        finally:
            helper.close()
            if helper is _session:
                _session = _helper()
    if helper is not _session:
        helper.close()
    return verdict


def how_it_ended(status: int) -> str:
    """An exit status in words."""
    import signal

    if status >= 0:
        return f"it ended the process (exit status {status})"
    try:
        return f"it ended the process ({signal.Signals(-status).name})"
    except ValueError:
        return f"it ended the process (signal {-status})"


def _read(file: Path) -> dict[str, Any] | None:
    try:
        verdict = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return verdict if isinstance(verdict, dict) and isinstance(verdict.get("ok"), bool) else None


def _write(file: Path, verdict: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # no cache: the file is tried again next time
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump({"ok": False} | verdict, out)
        os.replace(name, file)
