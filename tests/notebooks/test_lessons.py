"""Every lesson, in both languages: its form, and its run under papermill and strict nbval, with a real Ollama and without."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import papermill
import pytest

from .refresh import FOLDER, is_parameters, read, text_hash

LESSONS = sorted((FOLDER / "en").glob("*.ipynb"))
BOTH = [FOLDER / lang / path.name for path in LESSONS for lang in ("en", "es")]
NOBODY = "http://127.0.0.1:9"  # the discard port: no server answers there

# Lessons have the same code in both languages. Where a real Ollama takes part, each runs in one of them, in turn: all of it takes long.
IN_TURN = [path for path in BOTH if (int(path.stem[:2]) % 2 == 0) == (path.parent.name == "en")]
THE_OTHERS = [path for path in BOTH if path not in IN_TURN]


def named(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


every_lesson = pytest.mark.parametrize("path", BOTH, ids=named)


def source_lines(cell) -> list[str]:
    return [line for line in cell.source.splitlines() if line.strip() and not line.startswith("# NBVAL")]


def test_both_languages_have_the_same_lessons():
    assert LESSONS
    assert [p.name for p in LESSONS] == [p.name for p in sorted((FOLDER / "es").glob("*.ipynb"))]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_code_cells_are_equal_in_both_languages(path):
    english, spanish = read(path), read(FOLDER / "es" / path.name)
    assert [c.cell_type for c in english.cells] == [c.cell_type for c in spanish.cells]
    for ours, theirs in zip(english.cells, spanish.cells, strict=True):
        if ours.cell_type == "code" and not is_parameters(ours):
            assert ours.source == theirs.source


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_translations_are_not_stale(path):
    english, spanish = read(path), read(FOLDER / "es" / path.name)
    pairs = [(o, t) for o, t in zip(english.cells, spanish.cells, strict=True) if o.cell_type == "markdown"]
    stale = [t.source.splitlines()[0] for o, t in pairs if t.metadata.get("renders") != text_hash(o.source)]
    assert not stale, f"translate again, then `python -m tests.notebooks.refresh {path.stem[:2]} --translated`"


@every_lesson
def test_lesson_keeps_the_rhythm(path):
    cells = read(path).cells
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    assert sum(map(is_parameters, cells)) == 1
    in_a_row = 0
    for cell in cells:
        in_a_row = in_a_row + 1 if cell.cell_type == "code" else 0
        assert in_a_row <= 2, f"three code cells in a row: {cell.source[:60]!r}"
        assert "raises-exception" not in cell.metadata.get("tags", ()), "papermill would stop here: catch the error in the cell"
        if cell.cell_type == "code":
            assert len(source_lines(cell)) <= 9, f"move a part of it into labkit: {cell.source[:60]!r}"
            assert cell.outputs or not ends_in_expression(cell), f"stored without its output: {cell.source[:60]!r}"


def ends_in_expression(cell) -> bool:
    last = source_lines(cell)[-1]
    return not re.match(r"[\w., ()\[\]]+ [-+*/]?= |\s|import|from|def|#", last)


@every_lesson
def test_stored_outputs_name_no_private_folder(path):
    text = path.read_text(encoding="utf-8")
    assert str(Path.home()) not in text and str(FOLDER.parent) not in text
    assert not re.search(r"(?:/root|/home/(?!you)\w+|C:\\\\Users)[/\\]", text)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson_imports_nothing_that_only_extras_bring(path):
    extras = ["torch", "tokenizers", "gguf", "safetensors", "transformers", "onnx", "qdrant_client", "psycopg", "openai", "fastapi", "dask"]
    lines = [line for cell in read(path).cells if cell.cell_type == "code" for line in cell.source.splitlines()]
    imports = [line for line in lines if re.match(r"(?:import|from) \w", line)]
    assert imports
    code = "\n".join(["import sys", f"sys.modules.update(dict.fromkeys({extras}))", *imports])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


def run_with_papermill(path: Path, out: Path, **parameters) -> None:
    papermill.execute_notebook(path, out, parameters=parameters, cwd=path.parent, progress_bar=False, execution_timeout=300)


@every_lesson
def test_lesson_runs_under_papermill_without_ollama(path, tmp_path, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", NOBODY)
    run_with_papermill(path, tmp_path / "out.ipynb")


@pytest.mark.parametrize("path", THE_OTHERS, ids=named)
def test_lesson_runs_on_a_model_of_ollama(path, tmp_path, monkeypatch, ollama_server):
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url)
    run_with_papermill(path, tmp_path / "out.ipynb", model="ollama:mini-m")


@every_lesson
def test_lesson_passes_strict_nbval_without_ollama(path):
    run_with_nbval(path, NOBODY)


@pytest.mark.parametrize("path", IN_TURN, ids=named)
def test_lesson_passes_strict_nbval_with_ollama(path, ollama_server):
    run_with_nbval(path, ollama_server.url)


def run_with_nbval(path: Path, host: str) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        "-p",
        "no:cacheprovider",
        "--nbval-cell-timeout=300",
        "-q",
        "-W",
        "default",
        str(path),
    ]
    done = subprocess.run(command, env=os.environ | {"OLLAMA_HOST": host}, capture_output=True, text=True, timeout=900, cwd=FOLDER.parent)
    assert done.returncode == 0, done.stdout[-4000:]
