"""The same ground for every test: a home of its own, no environment of the user's, no network but this machine, servers on request."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before anything is imported that reads the environment. Programs are looked for where the user has them (tests/servers/programs.py).
REAL = dict(os.environ)
_SESSION = tempfile.TemporaryDirectory(prefix="labkit-tests-")
for name in list(os.environ):
    if name.upper().startswith(("OLLAMA_", "OPENAI_", "LABKIT_", "HF_", "JUPYTER_")) or name.upper().endswith("_PROXY"):
        del os.environ[name]
_FOLDERS = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "LOCALAPPDATA", "APPDATA", "IPYTHONDIR", "MPLCONFIGDIR")
for name in ("HOME", "USERPROFILE", *_FOLDERS):
    os.environ[name] = str(Path(_SESSION.name, "home" if name in ("HOME", "USERPROFILE") else f"home/{name.lower()}"))
    Path(os.environ[name]).mkdir(parents=True, exist_ok=True)
os.environ["MPLBACKEND"] = "agg"
os.environ["LABKIT_LANG"] = "en"  # whatever this system speaks
# Whoever starts the tests in the background has Ctrl-C ignored, and every program that a test starts and interrupts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

BINDER_MEMORY = 2 << 30


class NetworkBlockedError(OSError):
    """A test tried to leave this machine."""


def _local(host: object) -> bool:
    text = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return text == "localhost"


def _only_this_machine(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: Python calls it for every connection and every look-up of a name, whatever library makes them."""
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        if isinstance(address, tuple) and not _local(address[0]):
            raise NetworkBlockedError(f"tests reach this machine only, not {address[0]}")
    elif event == "socket.getaddrinfo" and not _local(arguments[0]):
        raise NetworkBlockedError(f"tests look up no names: {arguments[0]!r}")


sys.addaudithook(_only_this_machine)


@pytest.fixture(autouse=True)
def _own_ground(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has its own cache and no server by default: nobody listens at port 9."""
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")


from .servers.fixtures import embedding_file, labkit_server, llama_cpp_server, misbehaving_server, ollama_program, ollama_server  # noqa: E402, F401


@pytest.fixture(scope="module")
def memory_group() -> Iterator[Path | None]:
    """A control group with Binder's memory, where this machine lets us make one; what ran in it is over when it is removed."""
    for base, limit in ((Path("/sys/fs/cgroup"), "memory.max"), (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes")):
        group = base / f"labkit-test-{os.getpid()}"
        try:
            group.mkdir()
            with (group / limit).open("r+") as file:  # the kernel made it, where this is a place for groups
                file.write(str(BINDER_MEMORY))
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
            continue
        yield group
        for _ in range(50):
            with contextlib.suppress(OSError):
                group.rmdir()
                return
            time.sleep(0.1)
        return
    yield None
