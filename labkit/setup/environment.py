"""The set-up from start to end: an environment in `.venv` that carries a stamp once everything is in it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import LabError
from .engine import engine_pin, find_engine, install_engine
from .machine import check_machine
from .packages import install, install_packages, link_in_ascii, unmet
from .places import LOG, MACOS, ME, OLD, PYTHON, ROOT, STAMP, VENV, WINDOWS, cache, requirement_files
from .programs import Step, clock, run, say, uv


def set_up(tests: bool) -> Path:
    """The Python to use, with everything in it: at once where the stamp says so.

    Raises
    ------
    LabError
        With the cause and the command that mends it. What was begun is mended by calling this again.
    """
    if is_ready(tests):
        return PYTHON
    python = conda_python(tests)
    if python:
        return python
    with _only_one():
        if not is_ready(tests):  # it may have been made while we waited
            check_machine()
            _make(tests)
    return PYTHON


def _make(tests: bool) -> None:
    start = time.monotonic()
    say(f"Setting up in {ROOT}: 2 to 5 minutes the first time, seconds later. Ctrl-C stops it; the same command goes on.")
    if VENV.exists() and not STAMP.exists() and not OLD.exists():
        raise LabError(f"{VENV} was not made by lab.py, so it is left alone.", "", f"move it away or delete it, then {ME}")
    with _nothing_lost():
        _fill(tests)
    say(f"Ready after {clock(time.monotonic() - start)}.")


def _fill(tests: bool) -> None:
    with Step("[1/4] A Python environment in .venv") as step:
        if not _is_sound():
            _make_venv(step)
        _stamp("")
    with Step(f"[2/4] The engine, {engine_pin().split()[0]}") as step:
        wheel = find_engine(step)
    with Step("[3/4] JupyterLab and the other packages, up to a minute") as step:
        install_packages(tests, step)
    with Step("[4/4] labkit itself, and a first word from the engine") as step:
        install(step, "--no-deps", "--no-build-isolation", "-e", str(ROOT))
        link_in_ascii(VENV)
        if wheel:
            install_engine(wheel, step)
        run([str(PYTHON), "-I", "-m", "labkit.setup.quiet"], step)  # isolated: as for any program, only the link leads to labkit
        if MACOS:  # it hides what is in dot-folders of Documents and Desktop, and Python passes over hidden links
            with contextlib.suppress(LabError):
                run(["/usr/bin/chflags", "-R", "nohidden", str(VENV)], step)
    _stamp(_fingerprint(tests))


@contextlib.contextmanager
def _nothing_lost() -> Iterator[None]:
    """Keep the environment that was there, as it was known, where what is to replace or change it comes to nothing."""
    before = _read_stamp()
    try:
        yield
    except (LabError, OSError, KeyboardInterrupt):
        if OLD.exists():
            with contextlib.suppress(OSError):
                shutil.copy(LOG, OLD)
            shutil.rmtree(VENV, ignore_errors=True)
            OLD.replace(VENV)
        elif before:
            STAMP.write_text(json.dumps(before), encoding="utf-8")
        raise
    shutil.rmtree(OLD, ignore_errors=True)


def _make_venv(step: Step) -> None:
    if OLD.exists():  # the last set-up was killed: what it left is worth less than what it was to replace
        shutil.rmtree(VENV, ignore_errors=True)
    elif VENV.exists():
        VENV.replace(OLD)
    VENV.mkdir(exist_ok=True)
    _stamp("")  # before all else: from here on the folder is known as ours
    base = getattr(sys, "_base_executable", sys.executable)  # not the one of the .venv that has moved now
    if shutil.which("uv"):
        with contextlib.suppress(LabError):  # it fetches pip, which needs the network
            run([uv(), "venv", "--allow-existing", "--seed", "--python", base, str(VENV)], step)
            return
    run([base, "-m", "venv", str(VENV)], step)


def is_ready(tests: bool) -> bool:
    """Whether these very requirements are installed; what the tests need serves for everything else."""
    return _is_sound() and _read_stamp()["finished"] in {_fingerprint(True), _fingerprint(tests)}


def _is_sound() -> bool:
    """Whether `.venv` was finished once, and neither this folder nor the Python below it has moved since."""
    stamp = _read_stamp()
    return bool(stamp.get("finished")) and PYTHON.exists() and stamp == {**stamp, **_whereabouts()}


def _whereabouts() -> dict[str, str]:
    return {"folder": str(ROOT), "interpreter": os.path.realpath(PYTHON)}


def _fingerprint(tests: bool) -> str:
    """Of what is installed: the requirements, and the project with its entry points."""
    files = [ROOT / "pyproject.toml", *requirement_files(tests)]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def _read_stamp() -> dict[str, str]:
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _stamp(finished: str) -> None:
    """Note what is installed: nothing, as long as the set-up is not through."""
    new = STAMP.with_suffix(".new")
    new.write_text(json.dumps({"finished": finished, **_whereabouts()}), encoding="utf-8")
    new.replace(STAMP)


def conda_python(tests: bool) -> Path | None:
    """The Python of the active conda environment, where that was made from environment.yml: there is nothing to build then."""
    prefix = os.environ.get("CONDA_PREFIX")
    python = Path(prefix or ".") / ("python.exe" if WINDOWS else "bin/python")
    if not prefix or not python.exists() or unmet(python):
        return None
    missing = unmet(python, tests, labkit=True)
    if missing:
        with Step(f"Adding to the active conda environment: {', '.join(missing)}") as step:
            what = ["-e", f"{ROOT}[test]"] if tests else ["--no-deps", "-e", str(ROOT)]
            run([str(python), "-m", "pip", "install", "--no-input", *what], step, log=cache() / "conda.log")
            link_in_ascii(Path(prefix))
    return python


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    """Wait while another set-up of this folder runs. The lock ends with its process, however that ends."""
    name = hashlib.sha256(os.fsencode(ROOT)).hexdigest()[:12]
    with (cache() / f"setup-{name}.lock").open("w") as file:
        os.set_inheritable(file.fileno(), True)  # what we start holds it too, so that nothing runs beside what we leave if killed
        if not _lock(file.fileno()):
            say("Another set-up of this folder is running: waiting for it.")
            while not _lock(file.fileno()):
                time.sleep(1)
        yield


def _lock(file: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK)  # taken; any other: a file system without locks
    return True
