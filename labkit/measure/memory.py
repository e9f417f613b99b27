"""How much memory a model takes while it works: of this process, or what an Ollama server reports."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

from ..backends.base import Model
from ..errors import LabError

EVERY = 0.01  # seconds between two looks


class PeakMemory:
    """Watches resident memory of this process: ``with PeakMemory() as memory: ...``, then `memory.peak`.

    Attributes
    ----------
    before, peak : int
        Bytes when it began, and the most that was seen since, looked at every 10 ms.
    """

    before = peak = 0

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="labkit-memory", daemon=True)

    @property
    def growth(self) -> int:
        """Bytes by which it grew at most."""
        return self.peak - self.before

    def _look(self) -> int:
        return int(self._process.memory_info().rss)

    def _watch(self) -> None:
        while not self._end.wait(EVERY):
            self.peak = max(self.peak, self._look())

    def __enter__(self) -> PeakMemory:
        self.before = self.peak = self._look()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()
        self.peak = max(self.peak, self._look())


def on_server(model: Model) -> dict[str, Any] | None:
    """What `ollama ps` says of a model: 'size' and 'size_vram' in bytes, 'context_length' in tokens; None for other engines."""
    from ..backends.ollama import OllamaModel
    from ..backends.ollama_store import full_name

    if not isinstance(model, OllamaModel):
        return None
    try:
        running = model.server.running()
    except LabError:
        return None
    wanted = full_name(model.name.removeprefix("ollama:").partition("@")[0])
    return next((entry for entry in running if full_name(str(entry.get("name"))) == wanted), None)
