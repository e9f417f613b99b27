"""The models of an Ollama server: list, show, pull, create, copy, delete, unload."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import settings
from ..errors import BackendError, LabError, ModelNotFoundError, OptionError, UnexpectedResponseError
from ..zoo.catalog import sha256
from .http import CancelledError, Guard, RefusedError, Server
from .modelfile import Modelfile
from .ollama_words import Progress, describe, full_name, older_than, pull_error

__all__ = ["OllamaServer", "Progress", "describe", "full_name", "is_missing", "older_than"]

START = "Start it: run `ollama serve` (or open the Ollama app). Not installed? See https://ollama.com/download."
STALL = 600.0  # seconds without news after which a download counts as dead; checking the hash of a large model is silent for minutes
PIECE = 2**20
QUANTIZATIONS = ("q8_0", "q4_K_M", "q4_K_S")


Models = list[dict[str, Any]]  # named here, since inside the class `list` is a method
Names = list[str]


class OllamaServer:
    """A running Ollama server and what it stores.

    Parameters
    ----------
    host : str or None
        Its address, as in OLLAMA_HOST; None reads OLLAMA_HOST, else http://127.0.0.1:11434.
    timeout : float
        Deadline of each short call, in seconds.
    """

    def __init__(self, host: str | None = None, timeout: float = 30.0) -> None:
        self.url = settings.server_url(host, settings.OLLAMA_PORT) if host else settings.read().ollama
        self.timeout = timeout
        self.http = Server(self.url, "Ollama", start=START)

    def __repr__(self) -> str:
        return f"<Ollama at {self.url}>"

    def _call(self, path: str, body: Any = None, method: str = "") -> dict[str, Any]:
        value = self.http.json(path, body, Guard(self.timeout), method)
        if value is not None and not isinstance(value, dict):
            raise self.http.unexpected("JSON that is no object")
        return value or {}

    # -- looking --------------------------------------------------------------------------------------------------------------

    def version(self) -> str:
        """The server's version, such as '0.24.0'."""
        version = self._call("/api/version").get("version")
        if not isinstance(version, str):
            raise self.http.unexpected("no version")
        return version

    def is_running(self) -> bool:
        """Whether a server answers at the address."""
        try:
            return bool(self.version())
        except LabError:
            return False

    def list(self) -> Models:
        """The stored models, in the server's own words: name, size, digest, details."""
        return self._models("/api/tags")

    def names(self) -> Names:
        """Names of the stored models."""
        return [str(model.get("model") or model.get("name")) for model in self.list()]

    def running(self) -> Models:
        """The models in memory: size, share on the GPU, context length, when they leave."""
        return self._models("/api/ps")

    def _models(self, path: str) -> Models:
        answer = self._call(path)
        with self.http.shape(answer):
            return [model for model in answer.get("models") or [] if isinstance(model, dict)]

    def show(self, name: str) -> dict[str, Any]:
        """Everything the server knows about a model: template, parameters, capabilities, metadata of the file.

        Raises
        ------
        ModelNotFoundError
        """
        with self._missing(name):
            answer = self._call("/api/show", {"model": name})
        with self.http.shape(answer):
            for part in ("model_info", "details"):  # what is read everywhere as an object
                (answer.get(part) or {}).keys()
        return answer

    def vocabulary(self, name: str) -> Names:
        """The tokens of a model, as its file has them; empty where the server does not say."""
        with self._missing(name):
            info = self._call("/api/show", {"model": name, "verbose": True}).get("model_info") or {}
        return info.get("tokenizer.ggml.tokens") or []

    def stored(self, name: str) -> dict[str, Any]:
        """What `list` says of one model, whatever the spelling of its name; empty where it is not stored."""
        return next((model for model in self.list() if full_name(str(model.get("model") or model.get("name"))) == full_name(name)), {})

    def has(self, name: str) -> bool:
        """Whether a model is stored, whatever the spelling of its name."""
        return bool(self.stored(name))

    def not_found(self, name: str) -> ModelNotFoundError:
        """The error for a model that is not there, with what is there."""
        try:
            installed = ", ".join(sorted(self.names())) or "nothing yet"
        except LabError:
            installed = "unknown"
        return ModelNotFoundError(
            f"Model {name!r} is not on this Ollama server ({self.url}).", f"Installed: {installed}.", f"Get it: `ollama pull {name}`"
        )

    def _missing(self, name: str) -> _Missing:
        return _Missing(self, name)

    # -- changing -------------------------------------------------------------------------------------------------------------

    def pull(
        self,
        name: str,
        progress: Callable[[Progress], object] | None = None,
        insecure: bool = False,
        cancel: threading.Event | None = None,
    ) -> None:
        """Download a model, or what is missing of it: an interrupted download goes on where it stopped.

        Parameters
        ----------
        name : str
            As on https://ollama.com/library, or ``TEACHER:PORT/library/NAME`` for a class mirror.
        progress : callable
            Called with each `Progress`.
        insecure : bool
            Allow plain HTTP, as a class mirror on the local network needs.
        cancel : threading.Event
            Set it from anywhere to stop; what has arrived stays for the next time.

        Raises
        ------
        ModelNotFoundError
            When the registry has no such model.
        BackendError
            When the registry cannot be reached, or the disk is full.
        """
        for step in self.pulling(name, insecure, cancel):
            if progress:
                progress(step)

    def pulling(self, name: str, insecure: bool = False, cancel: threading.Event | None = None) -> Iterator[Progress]:
        """The same as `pull`, as an iterator: the download goes on while it is read, and stops when it is closed."""
        try:
            yield from self._steps("/api/pull", {"model": name, "insecure": insecure, "stream": True}, cancel)
        except RefusedError as error:
            raise pull_error(name, error) from None

    def create(
        self,
        name: str,
        from_: str | Path | None = None,
        *,
        modelfile: str | None = None,
        system: str | None = None,
        template: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        quantize: str | None = None,
        progress: Callable[[Progress], object] | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        """Make a model from a GGUF file or from another model.

        Parameters
        ----------
        name : str
            What to call it.
        from_ : str or Path
            A GGUF file on this machine (sent to the server), or a model that is stored there.
        modelfile : str
            Text of a Modelfile; the arguments beside it win over its lines.
        system, template : str
            System message and prompt template (Go template).
        parameters : dict
            Ollama's own option names: ``{"num_ctx": 1024, "temperature": 0, "stop": ["\\n"]}``.
        quantize : {'q8_0', 'q4_K_M', 'q4_K_S'}
            Convert an F16 or F32 file.
        progress, cancel
            As in `pull`.
        """
        recipe = Modelfile.parse(modelfile or "", parameters)
        source = str(from_ if from_ is not None else recipe.source)
        if not source:
            raise OptionError(f"There is nothing to make {name!r} from.", fix="Give a GGUF file or a model: create(name, 'model.gguf').")
        if quantize is not None and quantize not in QUANTIZATIONS:
            raise OptionError(f"quantize={quantize!r} is unknown to Ollama.", fix=f"It makes {', '.join(QUANTIZATIONS)}.")
        body: dict[str, Any] = recipe.body() | {"model": name, "stream": True}
        body |= {key: value for key, value in (("system", system), ("template", template), ("quantize", quantize)) if value is not None}
        report = progress or (lambda step: None)
        if _is_file(source):
            body["files"] = self._send_file(Path(source), report, cancel)
        else:
            body["from"] = source
        if recipe.adapter:
            body["adapters"] = self._send_file(Path(recipe.adapter), report, cancel)
        with self._missing(source):
            for step in self._steps("/api/create", body, cancel):
                report(step)

    def _send_file(self, path: Path, report: Callable[[Progress], object], cancel: threading.Event | None) -> dict[str, str]:
        path = path.expanduser()
        if not path.is_file():
            raise OptionError(f"There is no file {str(path)!r}.", fix="Give the path of a GGUF file, or the name of a model on the server.")
        digest, size = f"sha256:{sha256(path)}", path.stat().st_size
        if not self.http.exists(f"/api/blobs/{digest}"):

            def pieces() -> Iterator[bytes]:
                done = 0
                with path.open("rb") as stream:
                    while piece := stream.read(PIECE):
                        yield piece
                        done += len(piece)
                        report(Progress(f"sending {path.name}", done, size, digest))

            self.http.upload(f"/api/blobs/{digest}", pieces(), size, self._long(cancel))
        return {path.name: digest}

    def copy(self, source: str, destination: str) -> None:
        """Give a model a second name; its files are shared, so that this takes no space."""
        with self._missing(source):
            self._call("/api/copy", {"source": source, "destination": destination})

    def delete(self, name: str) -> None:
        """Remove a model from the server's disk."""
        with self._missing(name):
            self._call("/api/delete", {"model": name}, "DELETE")

    def load(self, name: str, timeout: float = 300.0) -> None:
        """Bring a model into memory with the server's own settings."""
        with self._missing(name):
            self.http.json("/api/embed", {"model": name, "input": []}, Guard(timeout))  # for models of every kind

    def allocated(self, name: str) -> int | None:
        """Tokens of the context window that a model in memory really has; None where it is not in memory."""
        for model in self.running():
            if full_name(str(model.get("model") or model.get("name"))) == full_name(name):
                length = model.get("context_length")
                return length if isinstance(length, int) else None
        return None

    def unload(self, name: str) -> None:
        """Free the memory of a model now, and with it its cached prompts: the next call is a cold one."""
        with self._missing(name):
            self._call("/api/generate", {"model": name, "keep_alive": 0, "stream": False})

    def _long(self, cancel: threading.Event | None) -> Guard:
        return Guard(STALL, deadline=float("inf"), stall=STALL, cancelled=cancel or threading.Event())

    def _steps(self, path: str, body: dict[str, Any], cancel: threading.Event | None) -> Iterator[Progress]:
        status = ""
        try:
            for line in self.http.lines(path, body, self._long(cancel)):
                status = str(line.get("status", ""))
                yield Progress(status, line.get("completed"), line.get("total"), str(line.get("digest", "")))
        except CancelledError:
            raise BackendError(f"Stopped at {status!r}, as asked.", fix="Call it again to go on from here.") from None
        if status != "success":
            raise UnexpectedResponseError(f"Ollama at {self.url} stopped at {status!r} without success.", fix="Call it again to go on.")


class _Missing:
    """Turns the server's "not found" into an error that says what is there."""

    def __init__(self, server: OllamaServer, name: str) -> None:
        self._server, self._name = server, name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RefusedError) and is_missing(error):
            raise self._server.not_found(self._name) from None


def is_missing(error: RefusedError) -> bool:
    """Whether the server says that it has no such model."""
    return error.status == 404 or bool(re.search(r"model ['\"].*['\"] not found|file does not exist", error.message))


def _is_file(source: str) -> bool:
    path = Path(source).expanduser()
    return path.suffix.lower() == ".gguf" or path.is_file()
