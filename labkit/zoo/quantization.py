"""`quantize`: a model file with fewer bits for each number, made by llama.cpp's own quantizer and kept in labkit's cache.

The quantizer trusts its file as the rest of llama.cpp does, so it runs in a process of its own.
"""

from __future__ import annotations

import difflib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .. import settings
from ..errors import BadModelFileError, OptionError
from . import catalog
from .cached import beside

# Those that need no sample of text to be made well, largest first; the numbers are llama.cpp's (LLAMA_FTYPE_...).
TYPES = {"Q8_0": 7, "Q6_K": 18, "Q5_K_M": 17, "Q5_K_S": 16, "Q4_K_M": 15, "Q4_K_S": 14, "Q4_0": 2, "Q3_K_M": 12, "Q2_K": 10}
WHOLE = ("F32", "F16", "BF16")  # what may be quantized: doing it twice adds the errors of both
SECONDS = 120.0  # for a small file; larger ones get a second more for each 5 MB
_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from labkit.zoo.quantization import _child; _child(sys.argv[2:])"


def quantize(model: str | Path, kind: str, out: str | Path | None = None) -> Path:
    """A quantized copy of a model file.

    Parameters
    ----------
    model : str or Path
        Name of a shipped model, or a GGUF file with 16 or 32 bits for each number.
    kind : str
        'Q8_0', 'Q6_K', 'Q5_K_M', 'Q5_K_S', 'Q4_K_M', 'Q4_K_S', 'Q4_0', 'Q3_K_M' or 'Q2_K': the digit is about the bits for a number.
    out : str or Path, optional
        Where to put it; by default into labkit's cache, where it is found again the next time.

    Returns
    -------
    Path
        ``load("mini-m:Q4_K_M")`` does this and loads it.

    Raises
    ------
    OptionError
        For an unknown kind, or a file that is quantized already.
    ModelNotFoundError, BadModelFileError
        When there is no such model, or the quantizer fails on it.
    """
    shipped = str(model) in catalog.names()
    source = catalog.path(str(model)) if shipped else Path(model).expanduser()
    from ..backends.gguf import read_header

    header = read_header(source)
    if header.quantization == str(kind).strip().upper():
        return source
    name = known_kind(kind)
    if header.quantization not in WHOLE:
        what = f"{source.name} is {header.quantization} already: quantizing it again would add the errors of both."
        raise OptionError(what, fix="Take the F16 file of the same model.")
    if out is not None:
        return _make(source, Path(out).expanduser(), name, header.size)
    digest = catalog.card(str(model)).sha256 if shipped else catalog.sha256(source)
    target = settings.read().cache / "quantized" / f"{source.stem}-{name}-{digest[:16]}.gguf"
    return target if _is_whole(target) else _make(source, target, name, header.size)


def known_kind(kind: str) -> str:
    """A kind of quantization as llama.cpp writes it.

    >>> known_kind("q4_k_m")
    'Q4_K_M'
    """
    name = str(kind).strip().upper()
    if name not in TYPES:
        near = difflib.get_close_matches(name, TYPES, 1, cutoff=0.5)
        raise OptionError(
            f"labkit makes no quantization {kind!r}.", f"Did you mean {near[0]!r}?" if near else "", f"Kinds: {', '.join(TYPES)}."
        )
    return name


def _is_whole(target: Path) -> bool:
    """Whether the cache holds the file as it was made."""
    try:
        noted = json.loads(_note(target).read_text(encoding="utf-8"))
        return bool(target.stat().st_size == noted["size"] and catalog.sha256(target) == noted["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _note(target: Path) -> Path:
    return target.with_suffix(".json")


def _make(source: Path, target: Path, name: str, size: int) -> Path:
    with beside(target) as part:
        _run(source, part, name, SECONDS + size / 5_000_000)
        note = {"sha256": catalog.sha256(part), "size": part.stat().st_size, "source": source.name}
    with beside(_note(target)) as part:
        part.write_text(json.dumps(note), encoding="utf-8")
    return target


def _run(source: Path, target: Path, name: str, seconds: float) -> None:
    command = [sys.executable, "-c", _BOOT, json.dumps(sys.path), str(source), str(target), str(TYPES[name])]
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        what = f"Making {name} of {source.name} was not done after {seconds:.0f} s."
        raise BadModelFileError(what, "The machine is busy, or the file is damaged.", "Try again.") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it gave no reason"]
        what = f"llama.cpp cannot make {name} of {source.name} (exit status {done.returncode}): {said[0]}."
        raise BadModelFileError(
            what, "The file is damaged, of a build that cannot be quantized, or the disk is full.", "Get the file again."
        )


def _child(words: list[str]) -> None:
    """In the other process."""
    import ctypes

    from ..backends._library import last_log, library

    source, target, number = words
    lib: Any = library()
    params = lib.llama_model_quantize_default_params()
    params.ftype, params.nthread = int(number), 1
    code = lib.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(params))
    if code:
        print(last_log() or f"code {code}", file=sys.stderr)
        sys.exit(1)
