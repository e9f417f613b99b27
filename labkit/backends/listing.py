"""`models()`: every model at hand, shipped, in files, on servers, with its size and whether it fits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from .. import display, settings
from ..errors import LabError
from ..wording import say
from ..zoo import catalog
from .base import ModelInfo
from .gguf import PART

if TYPE_CHECKING:
    import pandas as pd

WELL_KNOWN = ("http://127.0.0.1:1234/v1", "http://127.0.0.1:8080/v1", "http://127.0.0.1:8000/v1")  # LM Studio, llama-server, vLLM
PATIENCE = 3.0  # seconds for a server to say what it has
COLUMNS = ("name", "engine", "kind", "size", "parameters", "quantization", "context window", "memory", "fits", "note")  # in English


class Models(list[ModelInfo]):
    """The models at hand: a list that shows itself as a table."""

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for m in self:
            fits = "" if m.fits is None else say("yes" if m.fits else "no")
            size, memory, count = display.bytes_text(m.size), display.bytes_text(m.memory), display.count_text(m.parameters)
            yield (m.name, m.engine, m.kind, size, count, m.quantization, f"{m.context_window or ''}", memory, fits, m.note)

    def _repr_html_(self) -> str:
        return display.table_html([say(column) for column in COLUMNS], self._rows())

    def __repr__(self) -> str:
        rows = [tuple(say(column) for column in COLUMNS), *self._rows()]
        used = [i for i in range(len(COLUMNS)) if any(row[i] for row in rows[1:])]
        widths = [max(len(row[i]) for row in rows) for i in used]
        return "\n".join("  ".join(row[i].ljust(width) for i, width in zip(used, widths, strict=True)).rstrip() for row in rows)

    __str__ = __repr__

    def frame(self) -> pd.DataFrame:
        """The same as a pandas frame, sizes in bytes."""
        return display.frame([asdict(m) for m in self])


def models() -> Models:
    """List what `load` can load here and now.

    Shipped models; GGUF files in ./models and in the folders of LABKIT_MODELS; the models of the Ollama server; those of the servers
    of LABKIT_SERVERS and at the usual ports of LM Studio, llama-server and vLLM. A server that does not answer within three seconds
    is left out; a file that cannot be read stands in the list with the reason.

    Returns
    -------
    Models
        A list of ModelInfo that shows itself as a table.
    """
    now = settings.read()
    urls = dict.fromkeys((*now.openai, *WELL_KNOWN))
    sources: list[Callable[[], Iterable[ModelInfo]]] = [_shipped, lambda: _files(now.model_folders), _ollama]
    sources += [lambda url=url: _server(url, url in now.openai) for url in urls]  # type: ignore[misc]
    with ThreadPoolExecutor(len(sources)) as pool:
        found = [pool.submit(lambda source=source: list(source())) for source in sources]  # type: ignore[misc]
        return Models(info for future in found for info in future.result())


def _shipped() -> Iterator[ModelInfo]:
    for name in catalog.names():
        card = catalog.card(name)
        try:
            info = _file(catalog.path(name), name)
        except LabError as error:
            info = ModelInfo(name, "llama.cpp", note=error.parts()[0])
        yield ModelInfo(**asdict(info) | {"kind": card.kind})


def _files(folders: Iterable[Path]) -> Iterator[ModelInfo]:
    for folder in folders:
        for path in sorted(folder.rglob("*.gguf")):
            part = PART.fullmatch(path.name)
            if part and int(part[2]) > 1:
                continue  # of the model that the first part stands for
            try:
                yield _file(path, str(path))
            except (LabError, OSError) as error:
                yield ModelInfo(str(path), "llama.cpp", note=str(error))


def _file(path: Path, name: str) -> ModelInfo:
    from .llama_cpp import file_info

    return file_info(path, name)


def _ollama() -> Iterator[ModelInfo]:
    from .ollama import describe
    from .ollama_store import OllamaServer

    try:
        server = OllamaServer(timeout=PATIENCE)
        found = server.list()
    except LabError:
        return
    for stored in found:
        name = str(stored.get("model") or stored.get("name"))
        label = f"ollama:{name.removesuffix(':latest')}"
        try:
            yield describe(label, stored, server.show(name), server.http.local)
        except LabError as error:  # one that is damaged hides none of the others
            yield ModelInfo(label, "Ollama", note=error.parts()[0])


def _server(url: str, named: bool) -> Iterator[ModelInfo]:
    from .openai import served_models

    try:
        # LABKIT_API_KEY goes to servers that the user named, never to whoever listens at a well-known port.
        for name in served_models(url, timeout=PATIENCE, api_key=None if named else ""):
            yield ModelInfo(f"openai:{name}@{url}", "OpenAI-compatible")
    except LabError as error:
        if named:  # asked for by the user, so its silence is worth a line
            yield ModelInfo(f"openai:@{url.rpartition('@')[2]}", "OpenAI-compatible", note=error.parts()[0])
