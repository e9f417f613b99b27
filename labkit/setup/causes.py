"""From the last words of a program that failed to the cause, and to the command that mends it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from ..errors import LabError
from .places import MACOS, ME, ROOT, VENV, WINDOWS, in_turn, set_to

DISK_NEEDED = 2_000_000_000
DEEPEST = 90  # letters of this folder's path on Windows: the deepest file that is installed adds about 160
DENIED = r"read-only file system|permission denied|access is denied|WinError (5|32)\b|Errno (13|30)\b"
TEMPORARY = "TEMP" if WINDOWS else "TMPDIR"
CONDA = in_turn("conda env create -f environment.yml", "conda activate labkit", "python lab.py")
PYTHON_312 = "py -3.12 lab.py" if WINDOWS else "python3.12 lab.py"


def explained(output: str, log: Path | None = None) -> LabError:
    """The first known cause that fits the output, else its last lines as they are."""
    log = log if log and log.exists() else None
    for pattern, what, fix in _known_causes(output):
        if re.search(pattern, output, re.IGNORECASE):
            return LabError(what, f"All of the output: {log}" if log else "", fix)
    last = "\n      ".join(output.splitlines()[-12:])
    whole = f"the file {log}" if log else "these lines"
    return LabError("A program failed. Its last words:", f"\n      {last}", f"{ME}, once more; if it stops here again, ask with {whole}")


def _known_causes(output: str = "") -> Iterator[tuple[str, str, str]]:
    """(what stands in the output, what happened, what mends it)"""
    yield (
        r"no space left|not enough space on the disk|disk quota exceeded|Errno 28\b|WinError 112",
        f"The disk is full: {DISK_NEEDED / 1e9:.0f} GB are needed in this folder, in the cache folder and in the temporary folder.",
        f"make room (an old set-up goes with the folder {VENV}), or use another disk: "
        f"{set_to('LABKIT_CACHE', 'FOLDER')} and {set_to(TEMPORARY, 'FOLDER')}, then {ME}",
    )
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or "from the system's settings"
    proxy = proxy.rpartition("@")[2]  # without the password
    yield (
        r"ProxyError|407 Proxy|connect to proxy|proxy tunnel|tunnel error|for SOCKS support",
        f"The proxy ({proxy}) does not let us through.",
        f"{set_to('HTTPS_PROXY', 'http://USER:PASSWORD@HOST:PORT')}, or without a proxy: {set_to('HTTPS_PROXY', '')}; then {ME}",
    )
    yield (
        r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer",
        "The certificate of the package server is not trusted: a school or company network may put its own in between.",
        f"{set_to('PIP_CERT', 'FILE.pem')} and {set_to('SSL_CERT_FILE', 'FILE.pem')}, with the file from your network's keepers, then {ME}",
    )
    yield (
        r"name resolution|getaddrinfo|nodename nor servname|establish a new connection|network is unreachable|connection refused|timed out"
        r"|NewConnectionError|dns error|error sending request|error trying to connect|connection reset|RemoteDisconnected",
        "No network: the package server cannot be reached. Only the first start and updates need it.",
        f"connect (behind a proxy: {set_to('HTTPS_PROXY', 'http://HOST:PORT')}), then {ME}",
    )
    yield (
        r"do not match the hashes|hash mismatch",
        "A package that arrived is not the one that this kit was tested with, so it was not installed.",
        f"git pull, then {ME}; if your network has a package server of its own, tell its keepers",
    )
    yield (
        r"CMAKE_(C|CXX)_COMPILER|could not find any instance of Visual Studio|not able to compile a simple test program",
        "llama-cpp-python comes as source, and this machine has no C++ compiler to build it.",
        f"{compiler_command()}, then {ME}; or, without a compiler: {CONDA}",
    )
    yield (
        r"Killed signal|fatal error: Killed|out of memory|virtual memory exhausted|MemoryError",
        "There was too little memory to compile.",
        f"close other programs, {set_to('CMAKE_BUILD_PARALLEL_LEVEL', '1')}, then {ME}",
    )
    deep = len(str(ROOT)) > DEEPEST
    key = r"HKLM\SYSTEM\CurrentControlSet\Control\FileSystem"
    yield (
        r"Windows Long Path support|file ?name or extension is too long|WinError 206",
        f"The path of this folder is too long for Windows: {ROOT}"
        if deep
        else "The paths in the engine's source are too long for Windows.",
        rf"as administrator: reg add {key} /v LongPathsEnabled /t REG_DWORD /d 1 /f, then {ME}; or, without that: "
        + (r"move this folder to C:\lab" if deep else CONDA),
    )
    if place := _denied_elsewhere(output):
        yield (DENIED, f"{place} may not be written or run.", f"{set_to(TEMPORARY, 'FOLDER')} with a folder that may, then {ME}")
    yield (
        DENIED,
        f"This folder cannot be written: {ROOT}" + (" (a JupyterLab that still runs from it has the same effect)" if WINDOWS else ""),
        f"use a copy of it: {in_turn(*_copy(Path.home() / 'labkit'), ME)}",
    )
    yield (
        r"ensurepip is not available|No module named '?(ensurepip|venv|pip)\b",
        f"This Python ({sys.executable}) cannot make environments: its module ensurepip is missing.",
        f"install Python 3.12 from python.org, then {PYTHON_312}"
        if WINDOWS
        else f"sudo apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv, then {ME}",
    )
    named = re.search(r"no matching distribution found for ([\w.-]+)", output, re.IGNORECASE)
    shelf = os.environ.get("PIP_FIND_LINKS") or "your package folder"
    own = bool(os.environ.get("PIP_NO_INDEX"))
    yield (
        r"no matching distribution|requires a different python|no solution found",
        f"{named[1] if named else 'A package'} has nothing for Python {sys.version.split()[0]} on this system"
        + (f" in {shelf}." if own else "."),
        f"put it there, then {ME}" if own else f"try Python 3.12: {PYTHON_312}",
    )


def _denied_elsewhere(output: str) -> str:
    """The path outside this folder that an output says is denied; "" where it names none, or one in here."""
    for line in output.replace("\\\\", "\\").splitlines():
        if re.search(DENIED, line, re.IGNORECASE) and str(ROOT) not in line:
            paths = re.findall(r"""['"`]((?:/|[A-Z]:\\)[^'"`]+)|(?<!\S)((?:/|[A-Z]:\\)[^\s:'"`]+)""", line)
            if paths:
                return "".join(paths[-1])
    return ""


def _copy(folder: Path) -> tuple[str, str]:
    if WINDOWS:
        return f'robocopy "{ROOT}" "{folder}" /E /XD .venv', f'cd "{folder}"'
    return f"cp -r {shlex.quote(str(ROOT))} {shlex.quote(str(folder))}", f"cd {shlex.quote(str(folder))}"


def compiler_command() -> str:
    """What installs a C++ compiler here."""
    if WINDOWS:
        tools = "--wait --passive --add Microsoft.VisualStudio.Workload.VCTools --includeRecommended"
        return f'winget install Microsoft.VisualStudio.2022.BuildTools --override "{tools}"'
    if MACOS:
        return "xcode-select --install"
    others = {"dnf": "sudo dnf install gcc-c++", "pacman": "sudo pacman -S base-devel", "zypper": "sudo zypper install gcc-c++"}
    return next((command for program, command in others.items() if shutil.which(program)), "sudo apt install build-essential")
