"""ruff and mypy, so that one command says whether everything is in order."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = ["lab.py", "labkit", "tests", "benchmarks", ".ci"]


@pytest.mark.parametrize("verb", [("check",), ("format", "--check")], ids=" ".join)
def test_ruff_finds_nothing(verb):
    pytest.importorskip("ruff")
    _passes("ruff", *verb, "--no-cache", *(name for name in CODE if (ROOT / name).exists()))


@pytest.mark.parametrize("files", [(), ("lab.py", ".ci/lock.py")], ids=["labkit", "lab.py"])
def test_mypy_finds_nothing(files, tmp_path_factory):
    pytest.importorskip("mypy")
    without = [] if find_spec("torch") else ["--exclude=labkit/zoo/training"]  # its types are PyTorch's, an extra of its own
    _passes("mypy", f"--cache-dir={tmp_path_factory.getbasetemp() / 'mypy'}", *without, *files)


def _passes(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
