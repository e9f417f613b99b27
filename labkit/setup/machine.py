"""What must be true before anything is written."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .causes import DISK_NEEDED, explained
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
    if min(shutil.disk_usage(folder).free for folder in (ROOT, cache(), tempfile.gettempdir())) < DISK_NEEDED:
        raise explained("no space left")
    if not uv() and not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        raise explained("ensurepip is not available")
    if not _long_paths() and len(str(ROOT)) > 90:  # the deepest file that is installed adds about 160
        raise explained("Windows Long Path support")


def _long_paths() -> bool:
    if sys.platform != "win32":
        return True
    import winreg

    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
        return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])


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
