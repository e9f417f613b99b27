"""Where the system cannot keep a submission apart: refuse what an ordinary line of Python would do to look or write elsewhere.

An audit hook is a fence, not a wall: code that goes around Python (ctypes) goes around it. `texts.ISOLATION` says so.
"""

from __future__ import annotations

import ipaddress
import os
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

STARTS = {"os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "subprocess.Popen", "os.kill", "os.killpg"}
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
LOOKS = {"os.listdir", "os.scandir"}


def guard(private: Sequence[str]) -> None:
    """Refuse, from now on and for good, to read in private folders, write outside the own one, start programs or leave this machine.

    Parameters
    ----------
    private : sequence of str
        Folders whose content is nobody's business: solutions, the other submissions.
    """
    import llama_cpp  # noqa: F401 - what it starts and opens while it is loaded is not the submission's doing

    closed = [os.path.realpath(path) for path in private]
    own = [os.path.realpath(path) for path in (os.getcwd(), tempfile.gettempdir(), os.devnull)]

    def inside(path: Any, folders: Sequence[str]) -> bool:
        if isinstance(path, int):
            return False
        real = os.path.realpath(os.fsdecode(path if path is not None else "."))
        return any(real == folder or real.startswith(folder + os.sep) for folder in folders)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in STARTS:
            raise PermissionError(f"a submission starts and ends no programs ({event})")
        if event == "open":
            path, mode, flags = arguments
            if inside(path, closed):
                raise PermissionError(f"a submission does not read {path!r}")
            writes = any(letter in (mode or "") for letter in "wax+") or (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and not isinstance(path, int) and not inside(path, own):
                raise PermissionError(f"a submission does not write {path!r}")
        elif event in LOOKS and inside(arguments[0], closed):
            raise PermissionError(f"a submission does not read {arguments[0]!r}")
        elif event in CHANGES and not inside(arguments[0], own):
            raise PermissionError(f"a submission does not change {arguments[0]!r}")
        elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple) and not _local(arguments[1][0]):
            raise PermissionError(f"a submission has no network ({arguments[1][0]})")
        elif event == "socket.getaddrinfo" and not _local(arguments[0]):
            raise PermissionError(f"a submission has no network ({arguments[0]})")

    sys.addaudithook(hook)


def _local(host: Any) -> bool:
    text = host.decode("latin-1") if isinstance(host, bytes) else str(host or "localhost")
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return text == "localhost"
