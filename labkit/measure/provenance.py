"""What a figure was taken on: a number without its machine, engine and versions cannot be compared with another."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import __version__
from ..backends.base import Model
from ..display import bytes_text
from ..errors import LabError
from ..machine import machine
from ..wording import say


@dataclass(frozen=True)
class Provenance:
    """Where, when and with what.

    Attributes
    ----------
    date : str
        UTC, to the second, as in '2026-11-21T10:00:00Z'.
    system, processor : str
    cores : int
        CPU cores that this process may use.
    memory_total : int
        Bytes.
    load : float or None
        Programs that wanted a core in the last minute (Unix load average): above `cores`, speeds are too low.
    labkit, python : str
        Versions.
    engine : str
        Engine and version.
    model, quantization : str
    size : int or None
        Bytes of the weights on disk.
    """

    date: str
    system: str
    processor: str
    cores: int
    memory_total: int
    load: float | None
    labkit: str
    python: str
    engine: str = ""
    model: str = ""
    quantization: str = ""
    size: int | None = None

    def row(self) -> dict[str, Any]:
        """As a flat row."""
        return asdict(self)

    def __str__(self) -> str:
        busy = say("load {load:.1f}", load=self.load) if self.load is not None else ""
        model = " ".join(part for part in (self.model, self.quantization, bytes_text(self.size)) if part)
        parts = (self.processor or self.system, say("{cores} cores", cores=self.cores), bytes_text(self.memory_total), busy)
        where = ", ".join(part for part in parts if part)
        return " · ".join(part for part in (model, self.engine, f"labkit {self.labkit}", where, self.date) if part)


def provenance(model: Model | None = None) -> Provenance:
    """Look at this machine, and at a model, now."""
    here = machine()
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    common = (date, here.system, _processor(), here.cores, here.memory_total, _load(), __version__, platform.python_version())
    if model is None:
        return Provenance(*common)
    try:
        info = model.info()
    except LabError:  # a server that does not tell
        return Provenance(*common, model.engine, model.name)
    return Provenance(*common, model.engine, model.name, info.quantization, info.size)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _load() -> float | None:
    import psutil

    try:
        return round(float(psutil.getloadavg()[0]), 1)
    except (OSError, AttributeError):
        return None
