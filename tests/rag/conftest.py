"""A real PostgreSQL with pgvector, and knowledge bases of the course's documents, made once for a module."""

from __future__ import annotations

import importlib.util
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import labkit as lab

from ..servers.programs import absent

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def embedder(embedding_file: Path) -> Iterator[lab.Model]:
    """A small embedding model of random weights."""
    with lab.load(embedding_file) as model:
        yield model


@pytest.fixture(scope="module")
def school(embedder: lab.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a knowledge base of the course's English documents without the PDF."""
    path = tmp_path_factory.mktemp("kb") / "school.kb"
    with lab.KnowledgeBase.from_folder(DATA / "en", embedder, only=["*.txt", "*.md", "*.json", "*.jsonl"]) as kb:
        kb.save(path)
    return path


@pytest.fixture(scope="module")
def postgres() -> Iterator[Any]:
    """A real PostgreSQL server with pgvector, started here and ended here."""
    if not importlib.util.find_spec("pgserver"):
        absent("postgres", "the package pgserver is not installed (it has wheels for Python before 3.13): pip install -e '.[test]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pgserver

        # A short path, since a socket's name may have 107 characters. As root, pgserver makes a user of its own.
        with tempfile.TemporaryDirectory(prefix="labkit-pg-", ignore_cleanup_errors=True) as folder:
            for last in (False, False, True):  # it waits ten seconds for the start, which a busy machine may not keep
                try:
                    server = pgserver.get_server(folder, cleanup_mode="stop")
                    break
                except (subprocess.TimeoutExpired, OSError):
                    if last:
                        raise
            yield server
            server.cleanup()
