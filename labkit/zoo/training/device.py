"""What the training runs on: a GPU or the processor, and whether it computes in bfloat16."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch


def named(name: str) -> torch.device:
    """A device by its name; 'auto' is the GPU where there is one."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device has units for bfloat16: with them products are four times as fast, without them ten times slower (see LOG.md)."""
    if device.type != "cpu":
        return device.type == "cuda"
    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # not in every version
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def described(device: torch.device) -> str:
    """The processor that trains, in words."""
    if device.type == "cuda":
        return f"one {torch.cuda.get_device_name(device)}"
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        model = next((line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")), model)
    return f"{os.cpu_count()} CPU cores, {model}"
