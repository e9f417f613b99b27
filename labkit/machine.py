"""What this machine has: memory that a model may use, cores, system, in bytes and counts."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """A snapshot of the machine.

    Attributes
    ----------
    system : str
        Operating system and architecture, such as 'Linux x86_64'.
    cores : int
        CPU cores that this process may use.
    memory_total, memory_available : int
        Bytes, under the limit of a container where there is one (Binder, Codespaces, Docker).
    memory_limited : bool
        Whether such a limit is below what the hardware has.
    """

    system: str
    cores: int
    memory_total: int
    memory_available: int
    memory_limited: bool


def machine() -> Machine:
    """Look at this machine now."""
    import psutil

    memory = psutil.virtual_memory()
    limit, used = _container_memory()
    total, available = memory.total, memory.available
    limited = limit is not None and limit < total
    if limit is not None and limited:
        total, available = limit, max(0, min(available, limit - used))
    return Machine(f"{platform.system()} {platform.machine()}", usable_cores(), total, available, limited)


def usable_cores() -> int:
    """Cores that this process may use: affinity and container quota included."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return cores


def _container_memory() -> tuple[int | None, int]:
    """Memory limit and use of this container in bytes; cgroup version 2, then 1. Page cache that can be dropped is not use."""
    for limit_file, use_file, stat_file, key in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
    ):
        folder = Path("/sys/fs/cgroup")
        try:
            limit = int((folder / limit_file).read_text())
            use = int((folder / use_file).read_text())
            stats = dict(line.split() for line in (folder / stat_file).read_text().splitlines())
            return limit, max(0, use - int(stats.get(key, 0)))
        except (OSError, ValueError):
            continue
    return None, 0
