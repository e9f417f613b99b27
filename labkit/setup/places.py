"""Where things are: in this folder, but for the wheels that all of a user's environments share."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from .. import settings
from ..errors import LabError

WINDOWS, MACOS = sys.platform == "win32", sys.platform == "darwin"
ME = settings.LAB
ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
OLD = ROOT / ".venv.old"  # what a new environment is to replace, until that is finished
PYTHON = VENV / "Scripts" / "python.exe" if WINDOWS else VENV / "bin" / "python"
STAMP = VENV / "lab.json"
LOG = VENV / "lab.log"

HOME_FOLDERS = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython"}


def requirement_files(tests: bool) -> list[Path]:
    return [ROOT / "requirements.txt", *([ROOT / "requirements-test.txt"] if tests else [])]


def cache() -> Path:
    """labkit's cache folder, which can be written."""
    folder = settings.read().cache
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        what = f"The cache folder {folder} cannot be written ({os.strerror(error.errno or 0)})."
        raise LabError(what, "", f"name another one: {set_to('LABKIT_CACHE', 'FOLDER')}, then {ME}") from None


def keep_in_cache() -> None:
    """Give JupyterLab folders below the cache where it may write nothing into the home folder."""
    if not os.access(Path.home(), os.W_OK):
        for name, folder in HOME_FOLDERS.items():
            os.environ.setdefault(name, str(cache() / "jupyter" / folder))


def set_to(name: str, value: str) -> str:
    """What one types to give a variable a value, in the shells of this system."""
    return f'$env:{name}="{value}" (in cmd: set {name}={value})' if WINDOWS else f"export {name}={value}"


def in_turn(*commands: str) -> str:
    """Commands to type one after the other: PowerShell of Windows knows no `&&`."""
    return (", then " if WINDOWS else " && ").join(commands)
