"""The package's face: what `import labkit` costs, offers and shows."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import labkit

ROOT = Path(__file__).parents[1]
MODULES = sorted(m.name for m in pkgutil.walk_packages(labkit.__path__, "labkit."))
HEAVY = ("pandas", "matplotlib", "llama_cpp", "numpy", "httpx", "psutil", "torch", "IPython", "tornado")

# A file imports only from floors below its own (design: rooms and floors).
FLOORS = {
    0: ("errors", "given", "chat", "prompts", "settings", "wording", "translation", "typography", "display", "machine"),
    1: ("backends", "zoo"),
    2: ("measure", "sampling", "streaming", "rag", "grading"),
    3: ("experiments",),
    4: ("serving", "widgets", "health", "mirror"),
    5: ("cli",),
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}


def test_import_loads_nothing_heavy_and_reads_no_file():
    code = f"import sys, labkit; print([m for m in {HEAVY} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_public_names_are_sorted_and_there():
    assert labkit.__all__ == sorted(labkit.__all__)
    assert all(getattr(labkit, name) is not None for name in labkit.__all__)
    assert set(labkit.__all__) <= set(dir(labkit))


def test_every_room_that_a_notebook_enters_is_there_from_the_start():
    texts = [path.read_text(encoding="utf-8") for folder in ("notebooks", "solutions") for path in (ROOT / folder).glob("*/*.ipynb")]
    entered = {name for text in texts for name in re.findall(r"\blab\.([a-z_]+)\.[a-z]", text)}
    assert {"rag", "measure"} <= entered and entered <= set(dir(labkit)), "add it to _ROOMS"


def test_a_wrong_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="laod"):
        labkit.laod  # noqa: B018


@pytest.mark.parametrize("path", sorted((ROOT / "labkit").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_files_are_short_and_import_only_from_below(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400, "a file can be read in one sitting: part it"
    room = path.relative_to(ROOT / "labkit").parts[0].removesuffix(".py")
    if room not in FLOOR_OF:
        return
    depth = len(path.relative_to(ROOT / "labkit").parts)  # as many dots lead to labkit itself
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            for other in [node.module.partition(".")[0]] if node.module else [alias.name for alias in node.names]:
                assert other == "__version__" or FLOOR_OF[other] <= FLOOR_OF[room], f"{room} stands below {other}"


@pytest.mark.parametrize("name", [n for n in MODULES if ".zoo.training" not in n and n != "labkit.__main__"])
def test_doctests_hold(name):
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0


def test_no_room_hides_a_public_name():
    """Importing `labkit.x` sets the attribute `x` of labkit to the module: a public name must not be called like a room."""
    modules = {"errors", "prompts"}
    assert {m.split(".")[1] for m in MODULES} & set(labkit.__all__) <= modules
