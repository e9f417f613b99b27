"""Files that labkit makes of others: there is never half of one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import LabError, OptionError


@contextlib.contextmanager
def beside(target: Path) -> Iterator[Path]:
    """A file beside `target` to write to, which takes its place at the end; where that fails, nothing is left of it.

    Raises
    ------
    OptionError
        When there is no place for it that can be written.
    LabError
        When the disk is full, say.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}-", suffix=".part")
        os.close(handle)
    except OSError as error:
        raise OptionError(
            f"{target} cannot be written: {error.strerror}.",
            fix="Give a folder that is yours; labkit's own cache is where LABKIT_CACHE says.",
        ) from None
    try:
        yield Path(name)
        os.replace(name, target)
    except OSError as error:
        raise LabError(
            f"{target} cannot be written: {error.strerror}.",
            "Is the disk full?",
            "Make room, or give another folder; labkit's own cache is where LABKIT_CACHE says.",
        ) from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)
