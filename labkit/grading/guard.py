"""Where the system cannot keep a submission apart: refuse what an ordinary line of Python would do to look or write elsewhere.

An audit hook is a fence, not a wall: whoever tries gets over it, by ctypes or by changing this very module. `texts.ISOLATION` says so.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

STARTS = {
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "os.fork",
    "os.forkpty",
    "subprocess.Popen",
    "_winapi.CreateProcess",
    "os.kill",
    "os.killpg",
}
CHANGES = {
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.chmod",
    "os.chown",
    "os.truncate",
    "shutil.rmtree",
}
TWO_PATHS = {"os.rename", "os.link", "os.symlink"}
LOOKS = {"os.listdir", "os.scandir"}


def guard(private: Sequence[str]) -> None:
    """Refuse, from now on and for good, to read in private folders, write outside the own one, start programs or leave this machine.

    Parameters
    ----------
    private : sequence of str
        Folders whose content is nobody's business: solutions, the other submissions.
    """
    import subprocess  # noqa: F401 - its calls are told to the hook

    import llama_cpp  # noqa: F401 - what it starts and opens while it is loaded is not the submission's doing

    with contextlib.suppress(ImportError):  # by which multiprocessing starts programs on macOS and Linux, and tells no hook
        import _posixsubprocess

        _posixsubprocess.fork_exec = _refuse
    closed = tuple(map(_real, private))
    own = tuple(map(_real, (os.getcwd(), tempfile.gettempdir(), os.devnull)))

    def inside(path: Any, folders: Sequence[str]) -> bool:
        if isinstance(path, int):
            return False
        real = _real(path if path is not None else ".")
        return any(real == folder or real.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in STARTS:
            raise PermissionError(f"a submission starts and ends no programs ({event})")
        if event == "open":
            path, mode, flags = arguments
            if inside(path, closed) or _from_elsewhere(path) or (_is_folder(path) and not inside(path, own)):
                raise PermissionError(f"a submission does not read {path!r}")
            writes = any(letter in (mode or "") for letter in "wax+") or (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and not isinstance(path, int) and not inside(path, own):
                raise PermissionError(f"a submission does not write {path!r}")
        elif event in LOOKS and inside(arguments[0], closed):
            raise PermissionError(f"a submission does not read {arguments[0]!r}")
        elif event in CHANGES:
            for path in arguments[: 2 if event in TWO_PATHS else 1]:
                if not inside(path, own) or _from_elsewhere(path):
                    raise PermissionError(f"a submission does not change {path!r}")
        elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple) and not _local(arguments[1][0]):
            raise PermissionError(f"a submission has no network ({arguments[1][0]})")
        elif event == "socket.getaddrinfo" and not _local(arguments[0]):
            raise PermissionError(f"a submission has no network ({arguments[0]})")

    sys.addaudithook(hook)


def _refuse(*_: object) -> int:
    raise PermissionError("a submission starts and ends no programs")


def _real(path: Any) -> str:
    """Where a path leads, in small letters: most file systems of macOS and Windows tell no others apart."""
    return os.path.normcase(os.path.realpath(os.fsdecode(path))).casefold()


def _from_elsewhere(path: Any) -> bool:
    """Whether it goes up from a folder that may be another than the current one: `dir_fd` is not told to a hook."""
    return not isinstance(path, int) and not os.path.isabs(path) and os.pardir in re.split(r"[\\/]", os.fsdecode(path))


def _is_folder(path: Any) -> bool:
    return not isinstance(path, int) and os.path.isdir(path)


def _local(host: Any) -> bool:
    text = host.decode("latin-1") if isinstance(host, bytes) else str(host or "localhost")
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return text == "localhost"
