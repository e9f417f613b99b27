"""Session fixtures: `ollama_program`, `ollama_server`, `llama_cpp_server`; and `misbehaving_server`, new for each test."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from labkit.backends.ollama_store import OllamaServer
from labkit.backends.registry import load
from labkit.serving import Serving, serve
from labkit.zoo import catalog

from ..backends.synthetic import bert
from .misbehaving import Misbehaving
from .programs import absent, find_ollama, free_port, running, serve_ollama

LENGTH = 128  # context window of the embedding model
WINDOW = 512  # context window of the models behind llama_cpp_server


@dataclass(frozen=True)
class RunningServer:
    """A real server.

    Attributes
    ----------
    url : str
        Its base address, /v1 not included.
    folder : Path
        What it writes: models, log.
    pid : int
    """

    url: str
    folder: Path
    pid: int


@pytest.fixture(scope="session")
def embedding_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF file of a small embedding model with random weights."""
    return bert(tmp_path_factory.mktemp("gguf") / "mini-bert.gguf", length=LENGTH)


@pytest.fixture(scope="session")
def ollama_program() -> str:
    """Path of a real Ollama."""
    return find_ollama() or absent("ollama", "no Ollama on this machine (PATH, LABKIT_OLLAMA, ~/.cache/labkit/bin)")


@pytest.fixture(scope="session")
def ollama_server(ollama_program: str, embedding_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A real Ollama that serves mini-m and, as mini-bert, the embedding model."""
    folder = tmp_path_factory.mktemp("ollama")
    with serve_ollama(ollama_program, folder) as (url, process):
        server = OllamaServer(url)
        # One thread: two that wait for each other by spinning are slow where another program has a core.
        # /v1 takes no repeat penalty and would fall back to this version's 1.1
        server.create("mini-m", catalog.path("mini-m"), parameters={"num_thread": 1, "repeat_penalty": 1.0})
        server.create("mini-bert", embedding_file, parameters={"num_thread": 1})
        yield RunningServer(url, folder, process.pid)


@pytest.fixture(scope="session")
def llama_cpp_server(embedding_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A real `python -m llama_cpp.server` with mini-m and mini-bert."""
    for package in ("llama_cpp", "fastapi", "uvicorn", "sse_starlette", "starlette_context", "pydantic_settings"):
        if not importlib.util.find_spec(package):
            absent("llama_cpp_server", f"the package {package} is not installed: pip install -e '.[test]'")
    folder, port = tmp_path_factory.mktemp("llama_cpp"), free_port()
    models = [
        {"model": str(catalog.path("mini-m")), "model_alias": "mini-m", "n_ctx": WINDOW, "n_threads": 1},
        {"model": str(embedding_file), "model_alias": "mini-bert", "n_ctx": LENGTH, "n_threads": 1, "embedding": True},
    ]
    config = folder / "config.json"
    config.write_text(json.dumps({"host": "127.0.0.1", "port": port, "interrupt_requests": False, "models": models}))
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "llama_cpp.server", "--config_file", str(config)]
    with running(command, folder / "serve.log", f"{url}/v1/models", {}) as process:
        yield RunningServer(url, folder, process.pid)


@pytest.fixture(scope="session")
def labkit_server(embedding_file: Path) -> Iterator[Serving]:
    """labkit's own server with mini-m and mini-bert."""
    with load("mini-m", context_window=WINDOW) as chat, load(embedding_file) as embedder:
        embedder.name = "mini-bert"
        with serve(chat, embedder, port=0) as server:
            yield server


@pytest.fixture
def misbehaving_server() -> Iterator[Misbehaving]:
    """A server that does what the test tells it to."""
    with Misbehaving() as server:
        yield server
