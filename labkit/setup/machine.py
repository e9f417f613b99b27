"""What must be true before anything is written."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import LabError
from .causes import DEEPEST, DISK_NEEDED, explained
from .places import MACOS, ROOT, WINDOWS, cache
from .programs import uv


def check_machine() -> None:
    """Stop where the set-up cannot end well.

    Raises
    ------
    LabError
        The folder cannot be written, the disk is full, Python cannot make environments, or the path is too long.
    """
    try:
        with tempfile.TemporaryFile(dir=ROOT):
            pass
    except OSError as error:
        raise explained(str(error)) from None
    free = {folder: shutil.disk_usage(folder).free for folder in (ROOT, cache(), Path(tempfile.gettempdir()))}
    small = [f"{size / 1e9:.1f} GB in {folder}" for folder, size in free.items() if size < DISK_NEEDED]
    if small:
        full = explained("no space left")
        raise LabError(full.what, f"Free: {', '.join(small)}.", full.fix)
    if not uv() and not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        raise explained("ensurepip is not available")
    if not long_paths() and len(str(ROOT)) > DEEPEST:
        raise explained("Windows Long Path support")


def long_paths() -> bool:
    """Whether a path may have more than 259 letters: on Windows only where somebody has said so."""
    if sys.platform != "win32":
        return True
    import winreg

    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
        return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])


@contextlib.contextmanager
def short_folder(drive: Path) -> Iterator[dict[str, str]]:
    """Variables that lead temporary files right below a drive: the engine's source adds 248 letters, too many for Windows elsewhere.

    Raises
    ------
    LabError
        Nothing may be written there.
    """
    folder = drive / secrets.token_hex(2)
    try:
        folder.mkdir()
    except OSError:
        raise explained("Windows Long Path support") from None
    try:
        yield {"TEMP": str(folder), "TMP": str(folder)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_compiler() -> None:
    """Stop where nothing can compile C++.

    Raises
    ------
    LabError
        With the command that installs a compiler.
    """
    if WINDOWS:
        programs = (os.environ.get("PROGRAMFILES(X86)", "C:/"), os.environ.get("PROGRAMFILES", "C:/"))
        found = any(any(Path(folder, "Microsoft Visual Studio").glob("*/*/VC/Tools/MSVC/*")) for folder in programs)
    elif MACOS:  # /usr/bin/cc is there before the tools are
        found = subprocess.run(["xcode-select", "-p"], capture_output=True, check=False).returncode == 0
    else:
        found = bool(os.environ.get("CXX")) or any(map(shutil.which, ("c++", "g++", "clang++")))
    if not found:
        raise explained("CMAKE_CXX_COMPILER")


def is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0
