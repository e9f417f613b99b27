"""What Ollama says, in labkit's words: a model's name and description, progress, why a download failed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import BackendError, ModelNotFoundError
from ..machine import machine
from .base import ModelInfo
from .http import RefusedError

DEFAULT_WINDOW = 4096
SAFE_VERSION = (0, 17, 1)  # older ones let anybody who reaches the server read its memory (CVE-2026-7482)
# Why an answer may break off, and what helps: until 2026-09 without a word, since then with an error that has REPEATED in it.
GAVE_UP = "Ollama gives up when a model repeats one token 30 times (newer ones: 100); or the server was stopped."
REPEATED = "token repeat limit"
# As of 0.24 it can lose count of its seats when a reader leaves in mid-answer: https://github.com/ollama/ollama/issues/17131
SILENT = "Where Ollama stays silent, restart it: after a reply that was stopped, it may wait for ever."
LIBRARY = "registry.ollama.ai/library/"


@dataclass(frozen=True)
class Progress:
    """How far a download, upload or conversion has come.

    Attributes
    ----------
    status : str
        What the server is doing.
    completed, total : int or None
        Bytes of the part that is under way; None where there is nothing to count.
    part : str
        Which part: its digest.
    """

    status: str
    completed: int | None = None
    total: int | None = None
    part: str = ""

    def __str__(self) -> str:
        return f"{self.status} {100 * (self.completed or 0) / self.total:.0f} %" if self.total else self.status


def full_name(name: str) -> str:
    """The one spelling of a model's name: ``llama3.2``, ``Llama3.2:latest`` and ``registry.ollama.ai/library/llama3.2:latest`` are one.

    >>> full_name("Llama3.2")
    'llama3.2:latest'
    >>> full_name("registry.ollama.ai/library/llama3.2:1b")
    'llama3.2:1b'
    >>> full_name("hf.co/someone/model-GGUF:Q4_K_M")
    'hf.co/someone/model-gguf:q4_k_m'
    """
    text = name.strip().lower().removeprefix("https://").removeprefix("http://")
    for prefix in (LIBRARY, "library/", "registry.ollama.ai/"):
        text = text.removeprefix(prefix)
    return text if ":" in text.rpartition("/")[2] else f"{text}:latest"


def describe(name: str, stored: Mapping[str, Any], shown: Mapping[str, Any], local: bool, version: str = "") -> ModelInfo:
    """What /api/tags and /api/show say of a model, in labkit's words.

    Memory is weights, KV cache (16 bit, at most 4096 tokens) and a tenth for buffers; whether that fits is known of this machine only.
    """
    meta: Mapping[str, Any] = shown.get("model_info") or {}
    details: Mapping[str, Any] = shown.get("details") or stored.get("details") or {}
    capabilities = shown.get("capabilities") or ()
    remote = shown.get("remote_host") or stored.get("remote_host")
    old = older_than(version, SAFE_VERSION)
    notes = [f"runs at {remote}: your text leaves this machine"] if remote else []
    notes += [f"Ollama {version} has known security holes: update to {'.'.join(map(str, SAFE_VERSION))} or later"] if old else []

    def number(key: str) -> int | None:
        value = meta.get(key if key.startswith("general.") else f"{meta.get('general.architecture', '')}.{key}")
        return value if isinstance(value, int) else None

    size, window, heads = stored.get("size"), number("context_length"), number("attention.head_count")
    memory = fits = None
    if isinstance(size, int) and not remote:
        per_head = number("attention.key_length") or (number("embedding_length") or 0) // (heads or 1)
        per_token = 4 * (number("block_count") or 0) * (number("attention.head_count_kv") or heads or 0) * per_head
        memory = int(1.1 * size) + per_token * min(window or DEFAULT_WINDOW, DEFAULT_WINDOW)
        fits = memory <= machine().memory_available if local else None
    return ModelInfo(
        name,
        "Ollama",
        "embedding" if "embedding" in capabilities else "chat" if "completion" in capabilities else "",
        size if isinstance(size, int) else None,
        number("general.parameter_count"),
        str(details.get("quantization_level") or ""),
        window,
        memory,
        fits,
        "; ".join(notes),
    )


def older_than(version: str, than: tuple[int, ...]) -> bool:
    """Whether a server's version is older; one that cannot be read, or that is built from source (0.0.0), counts as new."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    return any(numbers) and numbers < than


def pull_error(name: str, error: RefusedError) -> BackendError:
    """What Ollama says when a download fails, with what to do about it."""
    said = error.message
    if re.search(r"file does not exist|manifest unknown|not found|invalid model name", said, re.I):
        return ModelNotFoundError(
            f"The registry has no model {name!r} ({said}).", "A slip in the name or its tag.", "Names: https://ollama.com/library"
        )
    if re.search(r"no space left|not enough (disk )?space|disk quota", said, re.I):
        return BackendError(
            f"The disk of the Ollama server is full: {said}.",
            fix="Delete models (`ollama rm NAME`), or set OLLAMA_MODELS to another disk.",
        )
    if re.search(r"dial tcp|no such host|connection refused|i/o timeout|TLS|certificate|network is unreachable|proxyconnect|EOF", said):
        return BackendError(
            f"The Ollama server cannot reach the registry for {name!r}: {said}.",
            "No network, a proxy that the server was not told (HTTPS_PROXY belongs to the server's environment), or plain HTTP.",
            "For a class mirror on plain HTTP, allow it: pull(name, insecure=True).",
        )
    if re.search(r"newer version of Ollama", said, re.I):
        return BackendError(f"Ollama is too old for {name!r}: {said}", "", "Update it: https://ollama.com/download")
    return error
