"""Blank exercises and solutions run from start to end under papermill, offline: a check that finds something wrong stops nothing."""

from __future__ import annotations

import papermill
import pytest

from labkit.grading.source import KIT, sources

SOURCES = sources(KIT / "solutions")


@pytest.mark.parametrize("folder", ["exercises", "solutions"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: f"{source.lang}-{source.path.stem}")
def test_notebook_runs_under_papermill(source, folder, tmp_path):
    path = KIT / folder / source.lang / source.path.name
    papermill.execute_notebook(path, tmp_path / "out.ipynb", cwd=path.parent, progress_bar=False, execution_timeout=120)
