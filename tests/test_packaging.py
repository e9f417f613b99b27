"""What is installed, in all the places that say so: they agree, everything is pinned, nothing names a package server."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from labkit.setup.packages import LEFT_OUT, pins

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE = [Requirement(line) for line in PROJECT["dependencies"]]
TESTS = [Requirement(line) for line in PROJECT["optional-dependencies"]["test"]]

# What conda-forge calls by another name: there `ollama` is the server, and `matplotlib` brings a desktop window system along.
CONDA_NAMES = {
    "jupyter-server": "jupyter_server",
    "ollama": "ollama-python",
    "matplotlib": "matplotlib-base",
    "prometheus-client": "prometheus_client",
}
CONDA_ONLY = {"python", "pip", "hatchling", "ollama"}


def tracked() -> list[Path]:
    """Every file of the repository as it stands, new ones included."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("this copy is no git repository")
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    return [path for name in names if name and (path := ROOT / os.fsdecode(name)).is_file()]


def imported(folder: Path) -> Iterator[tuple[str, str]]:
    """(file, module) for every import from outside, wherever in the file it stands."""
    for file in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            for name in names:
                yield str(file.relative_to(ROOT)), name.partition(".")[0]


# environment.yml


def conda() -> list[str]:
    parts = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert parts["name"] == "labkit" and parts["channels"] == ["conda-forge"]
    assert all(isinstance(part, str) for part in parts["dependencies"]), "a pip section would be solved anew at every commit"
    return list(parts["dependencies"])


def test_conda_environment_has_the_names_and_bounds_of_the_project():
    there = {re.split(r"[<>=!]", line)[0]: line for line in conda()}
    wanted = {CONDA_NAMES.get(need.name, need.name): need for need in CORE}
    assert len(wanted) == len(CORE), "one name stands twice in pyproject.toml"
    assert set(there) - CONDA_ONLY == set(wanted)
    for name, need in wanted.items():
        assert Requirement(f"x{there[name].removeprefix(name)}").specifier == need.specifier, name


def test_conda_environment_pins_python_as_binder_reads_it():
    assert re.search(r"python\s*=+\s*([\d\.]*)", "\n".join(conda()))[1] == "3.12"  # type: ignore[index]
    assert not (ROOT / "binder").exists(), "beside .binder it would be an error"


def test_binder_has_the_same_environment():
    assert (ROOT / ".binder" / "environment.yml").read_bytes() == (ROOT / "environment.yml").read_bytes()


# requirements


def names(tests: bool) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pin in pins(tests):
        name, _, rest = pin.partition("==")
        found.setdefault(name, []).append(re.split(r"[ ;\\]", rest)[0])
    return found


@pytest.mark.parametrize(("needs", "tests"), [(CORE, False), (TESTS, True)], ids=["lab", "tests"])
def test_every_requirement_is_pinned_within_its_bounds(needs, tests):
    pinned = names(tests)
    for need in needs:
        versions = pinned.get(canonicalize_name(need.name), [])
        assert versions, f"{need} is not pinned: run .ci/lock.py"
        assert all(need.specifier.contains(version) for version in versions), f"{need} is pinned to {versions}: run .ci/lock.py"


def test_tests_add_to_the_pins_and_change_none():
    lab, everything = names(tests=False), names(tests=True)
    assert {name: everything[name] for name in lab} == lab
    assert set(LEFT_OUT) <= set(lab)


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-test.txt", "requirements-build.txt"])
def test_requirements_are_pins_with_hashes_and_nothing_else(file):
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        pin = re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; [^\\]+)? \\", line)
        assert pin or re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) or line.startswith("#") or line == "-r requirements.txt"


def test_engine_is_pinned_to_its_source():
    pin = next(pin for pin in pins(tests=False) if pin.startswith("llama-cpp-python=="))
    assert len(re.findall("--hash=", pin)) == 1


# Extra -> the room that may import what it brings, at the moment when it is needed.
ROOMS = {"train": "zoo", "dask": "grading", "stores": "rag/stores"}


def test_what_the_package_imports_is_required():
    required = {canonicalize_name(need.name) for need in CORE}
    extras = {name: {canonicalize_name(Requirement(line).name) for line in PROJECT["optional-dependencies"][name]} for name in ROOMS}
    known = packages_distributions()
    for file, module in imported(ROOT / "labkit"):
        if module in sys.stdlib_module_names or module == "labkit":
            continue
        allowed = required.union(*(extras[name] for name, room in ROOMS.items() if Path(file).is_relative_to(Path("labkit", room))))
        homes = {canonicalize_name(name) for name in known.get(module, [module])}
        assert homes & allowed, f"{file} imports {module}, which pyproject.toml does not require"


def test_setup_imports_the_standard_library_only():
    for file in ("errors.py", "settings.py", "__init__.py"):
        modules = [module for path, module in imported(ROOT / "labkit") if path == str(Path("labkit", file))]
        assert set(modules) <= sys.stdlib_module_names, file
    outside = {module for _, module in imported(ROOT / "labkit" / "setup")} - sys.stdlib_module_names
    assert not outside


# Everything


def test_no_file_names_a_package_server():
    hosts = ["pypi." + "org", "files." + "pythonhosted.org", "proxy." + "golang.org", "registry." + "npmjs.org", "deb." + "debian.org"]
    for path in tracked():
        if path.suffix not in (".gguf", ".png", ".pdf"):
            text = path.read_text(encoding="utf-8", errors="replace")
            assert not [host for host in hosts if host in text], path


def test_wheel_carries_models_and_texts(tmp_path):
    pytest.importorskip("hatchling")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-q",
        "-w",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(command, check=True)
    inside = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    weights = [path.name for path in (ROOT / "labkit" / "zoo" / "weights").glob("*.gguf")]
    assert weights and all(f"labkit/zoo/weights/{name}" in inside for name in weights)
    assert "labkit/py.typed" in inside and not [name for name in inside if name.startswith("tests/")]


# One click in a browser

SCRIPTS = [".ci/run", ".ci/build_ollama.sh", ".binder/postBuild", ".binder/start", ".devcontainer/setup"]


@pytest.mark.skipif(os.name == "nt", reason="bash scripts")
@pytest.mark.parametrize("script", SCRIPTS)
def test_script_is_sound(script):
    path = ROOT / script
    text = path.read_text(encoding="utf-8")
    assert subprocess.run(["bash", "-n", path], capture_output=True, check=False).returncode == 0
    assert os.access(path, os.X_OK) and text.startswith("#!") and "\r" not in text
    assert script == ".binder/start" or "\nset -euo pipefail\n" in text, "an error would go unnoticed"


def test_start_ends_with_what_was_asked_for():
    lines = (ROOT / ".binder" / "start").read_text(encoding="utf-8").splitlines()
    assert lines[-1] == 'exec "$@"'
    server = next(line for line in lines if "ollama serve" in line)
    assert server.rstrip().endswith("&") and ">" in server, "in the background, its output in a file"
    assert not [line for line in lines if re.match(r"\s*(wait|sleep|ollama pull)\b", line)]


def test_codespace_asks_for_what_a_free_account_has_and_opens_the_first_lesson():
    settings = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert settings["hostRequirements"] == {"cpus": 2, "memory": "8gb", "storage": "32gb"}
    assert all((ROOT / name).exists() for name in settings["customizations"]["codespaces"]["openFiles"])
    commands = f"{settings['onCreateCommand']} {settings['postStartCommand']}"
    scripts = re.findall(r"\.(?:devcontainer|binder)/\w+", commands)
    assert len(scripts) == 2 and all((ROOT / script).exists() for script in scripts)
