"""The library llama.cpp, imported when first needed, and what it says while it works."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from .. import settings
from ..errors import MissingDependencyError

LOG: deque[str] = deque(maxlen=50)  # warnings and errors of llama.cpp

_library: Any = None
_import_lock = threading.Lock()


def library() -> Any:
    """The module `llama_cpp`, imported when first needed, with its log caught in `LOG`."""
    global _library
    if _library is None:
        with _import_lock:
            if _library is None:
                _library = _import()
    return _library


def _import() -> Any:
    try:
        import llama_cpp
    except ImportError as error:
        what, cause = "The engine llama-cpp-python is not installed.", f"Python {sys.executable} does not find it ({error})."
    except (OSError, RuntimeError) as error:
        what, cause = "The engine llama-cpp-python is installed, but its library does not load.", f"{error}."
    else:
        llama_cpp.llama_log_set(_keep_log, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        return llama_cpp
    fix = f"Run `{settings.LAB}` in the course folder, or with conda: `conda env create -f environment.yml`."
    raise MissingDependencyError(what, cause, fix)


def _log(level: int, text: bytes, data: int) -> None:
    if level in (3, 4):  # warning, error
        LOG.append(text.decode("utf-8", "replace"))


_keep_log = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(_log)


def last_log(lines: int = 3) -> str:
    """The last lines that llama.cpp wrote, for an error message."""
    said = [line.strip() for line in "".join(LOG).splitlines() if line.strip(" .")]
    return " | ".join(said[-lines:])


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Send away what C writes to stderr, in the few places where llama.cpp does so past its log."""
    with contextlib.ExitStack() as stack:
        try:
            kept = os.dup(2)
            stack.callback(os.close, kept)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            stack.callback(os.close, nowhere)
            os.dup2(nowhere, 2)
            stack.callback(os.dup2, kept, 2)
        except OSError:  # stderr is closed: nothing to keep quiet
            pass
        yield


def version() -> str:
    """Version of llama-cpp-python, which fixes that of llama.cpp."""
    return str(library().__version__)
