"""The shipped models: what each card says, and where its weights are.

A card is written by ``python -m labkit.zoo evaluate NAME``, never by hand. A weight file that is not the one its card describes is
refused, since every figure on the card would then be about another model.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from .. import settings
from ..errors import BadModelFileError, LabError, ModelNotFoundError
from .merging import merge

CARDS = Path(__file__).parent / "cards"
WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Card:
    """What is known about a shipped model.

    Attributes
    ----------
    name : str
        What `load` takes.
    file : str
        The weight file in `labkit/zoo/weights/`.
    sha256 : str
        The hash of the model's file, in hexadecimal: of the weight file, or of what it gives together with the adapter.
    size : int
        Its bytes.
    parameters : int
        Numbers that training set.
    context_window : int
        Tokens that it was trained to read at once.
    quantization : str
        Type of its numbers, such as 'F16'.
    architecture : str
        Name that llama.cpp gives to its build: 'llama' or 'bert'.
    kind : {'chat', 'embedding'}
        What it does.
    languages : tuple of str
        Language codes.
    licence : str
        Of weights and training text.
    trained : dict
        ``{"tokens", "seconds", "machine", "date"}``.
    skills : dict
        Skill -> language -> ``{"right", "n", "low", "high"}``: right answers out of n, and the 95 % interval of the share.
    notes : tuple of str
        Where a smaller model is clearly better (their intervals are apart), and why.
    adapter : dict
        ``{"file", "tokens", "seconds", "machine", "date"}`` of an adapter (LoRA) that belongs to the weights, and of its training;
        empty where there is none.
    """

    name: str
    file: str
    sha256: str
    size: int
    parameters: int
    context_window: int
    quantization: str
    architecture: str
    kind: str
    languages: tuple[str, ...]
    licence: str
    trained: Mapping[str, Any]
    skills: Mapping[str, Mapping[str, Mapping[str, float]]]
    notes: tuple[str, ...] = ()
    adapter: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("languages", "notes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def json(self) -> str:
        """The card as the text of its file."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


def names() -> list[str]:
    """Names of the shipped models, in alphabetical order."""
    return sorted(file.stem for file in CARDS.glob("*.json"))


def card(name: str) -> Card:
    """The card of a shipped model.

    Raises
    ------
    ModelNotFoundError
        When no model of that name is shipped.
    BadModelFileError
        When the card cannot be read.
    """
    known = names()
    if name not in known:
        near = difflib.get_close_matches(str(name), known, 1, cutoff=0.5)
        raise ModelNotFoundError(
            f"labkit ships no model {name!r}.",
            f"Shipped: {', '.join(known) or 'none'}.",
            f'Did you mean load("{near[0]}")?' if near else "`labkit.models()` lists every model at hand.",
        )
    file = CARDS / f"{name}.json"
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return Card(**{known.name: data[known.name] for known in fields(Card) if known.name in data})
    except (ValueError, KeyError, TypeError) as error:
        raise BadModelFileError(
            f"The card {file} cannot be read: {error!r}.",
            "The file was changed or only partly copied.",
            f"Get it again (git checkout {file.name}) or write it anew: python -m labkit.zoo evaluate {name}",
        ) from None


def path(name: str, verify: bool = True) -> Path:
    """The file of a shipped model: its weights, or, where an adapter belongs to them, both together in labkit's cache.

    Parameters
    ----------
    name : str
        Name of a shipped model.
    verify : bool
        Compare the file with the card first (some hundredths of a second).

    Raises
    ------
    ModelNotFoundError
        When no model of that name is shipped.
    BadModelFileError
        When the file is absent or not the one that the card describes.
    OptionError, LabError
        When labkit's cache cannot be written.
    """
    described = card(name)
    sources = [WEIGHTS / file for file in (described.file, described.adapter.get("file")) if file]
    mend = f"Get it again: git checkout -- {' '.join(map(str, sources))}, or install labkit again."
    for file in sources:
        if not file.is_file():
            raise BadModelFileError(f"The weights of {name!r} are missing: {file}.", "The installation is incomplete.", mend)
    if not described.adapter:
        if verify:
            _check(sources[0], described, mend)
        return sources[0]
    file = settings.read().cache / "merged" / f"{name}-{described.sha256[:16]}.gguf"
    if not _is(file, described, verify):
        try:
            merge(sources[0], sources[1], file)
        except LabError:  # on Windows nobody replaces a file while another process reads it, which may be the one that put it there
            if not _is(file, described):
                raise
        _check(file, described, mend)
    return file


def _is(file: Path, described: Card, whole: bool = True) -> bool:
    """Whether a file is there as the card says; not `whole`: by its size alone."""
    return file.is_file() and file.stat().st_size == described.size and (not whole or sha256(file) == described.sha256)


def _check(file: Path, described: Card, mend: str) -> None:
    """Refuse a file that is not the one that a card describes."""
    size = file.stat().st_size
    if size != described.size:
        what = f"{file} has {size:,} bytes, but the card of {described.name!r} says {described.size:,}."
        raise BadModelFileError(what, "The file was cut short or replaced.", mend)
    found = sha256(file)
    if found != described.sha256:
        what = (
            f"{file} is not the file on the card of {described.name!r}: "
            f"its sha256 is {found[:12]}…, the card says {described.sha256[:12]}…."
        )
        raise BadModelFileError(what, "It was changed, damaged or replaced after the card was written.", mend)


def sha256(file: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
