"""What this machine has: memory that a model may use, cores, system, in bytes and counts."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


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
        Bytes, under the limit of a container or of a service where there is one (Binder, Codespaces, Docker, a class's hub).
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
    total, available = memory.total, memory.available
    for limit, used in _memory_limits():
        total, available = min(total, limit), max(0, min(available, limit - used))
    return Machine(f"{platform.system()} {platform.machine()}", usable_cores(), total, available, total < memory.total)


def usable_cores() -> int:
    """Cores that this process may use: affinity and the quota of its control groups included."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in _control_groups("cpu"):
        with suppress(OSError, ValueError):
            if (folder / "cpu.max").is_file():
                quota, period = map(int, (folder / "cpu.max").read_text().split())
            else:
                quota, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
            if quota > 0:
                cores = min(cores, max(1, quota // period))
    return cores


def _control_groups(controller: str) -> list[Path]:
    """Where this process's control group and those above it have their files, of version 2 and 1 (man 7 cgroups); not all need exist.

    A container (Docker, Binder) sees its own group at the top. A hub that starts servers as services of systemd, or a batch system,
    puts them further down.
    """
    folders: list[Path] = []
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, name = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            top = Path("/sys/fs/cgroup", controller if controllers else "")
            inner = PurePosixPath(name.lstrip("/"))
            folders += [top / folder for folder in (inner, *inner.parents)]
    return folders


def _memory_limits() -> Iterator[tuple[int, int]]:
    """Limit and use of each control group in bytes. Page cache that can be dropped is not use."""
    for folder in _control_groups("memory"):
        for limit_file, use_file, key in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            with suppress(OSError, ValueError):  # absent, or without a limit: 'max'
                limit, use = (int((folder / name).read_text()) for name in (limit_file, use_file))
                stats = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                yield limit, max(0, use - int(stats.get(key, 0)))
