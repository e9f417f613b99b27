"""One browser and one JupyterLab for all tests of this folder; a notebook of its own, with its kernel, for each module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ..conftest import REAL
from .chromium import chromium
from .jupyter import Lab, Notebook, jupyterlab


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """A headless Chromium, closed after this folder: until then Playwright has an asyncio loop running in this thread.

    What asks for a running loop, such as a widget that hears Enter, would take it for the kernel's and wait for it.
    """
    with chromium() as program:
        yield program


@pytest.fixture(scope="package")
def lab(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A real JupyterLab."""
    with jupyterlab(tmp_path_factory.mktemp("jupyter"), tmp_path_factory.mktemp("notebooks")) as server:
        yield server


@pytest.fixture(scope="module")
def open_notebook(browser: Any, lab: Lab) -> Iterator[Callable[[str, Sequence[str]], Notebook]]:
    """A function that writes a notebook and opens it; all are closed, and their kernels ended, after the module."""
    contexts: list[Any] = []

    def opened(name: str, cells: Sequence[str] = ("",)) -> Notebook:
        lab.write(name, cells)
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 1000}))
        return Notebook(contexts[-1].new_page(), lab, name)

    yield opened
    for context in contexts:
        context.close()
    lab.end_kernels()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: LABKIT_SCREENSHOTS, to be looked at, or a temporary folder."""
    folder = Path(REAL.get("LABKIT_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
