"""The requirements: what is pinned, what is missing, and installing it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from ..errors import LabError
from .places import PYTHON, ROOT, VENV, cache, requirement_files
from .programs import News, Step, run, uv


def pins(tests: bool) -> list[str]:
    """Every requirement with its hashes, as the files hold them: `name==version ; marker \\ --hash=…`."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in requirement_files(tests))
    return re.findall(r"^[A-Za-z].*(?:\n[ \t]+--hash.*)+", text, re.MULTILINE)


# llama-cpp-python has its own step. jsonschema looks for rfc3987-syntax and works without; it takes 1.2 s to import, which every start
# of JupyterLab and every run of a notebook would wait for.
LEFT_OUT = ("llama-cpp-python", "rfc3987-syntax", "lark")


def install_packages(tests: bool, step: Step) -> None:
    """Install what is pinned; what is pinned is all that is needed, so nothing else is looked for."""
    wanted = [pin for pin in pins(tests) if pin.partition("==")[0] not in LEFT_OUT]
    listed = VENV / "requirements.txt"
    if not uv() and not _own_index():
        listed.write_text("\n".join(pin for pin in wanted if pin.startswith("uv==")) + "\n", encoding="utf-8")
        _install_uv(listed, step)
    listed.write_text("\n".join(wanted) + "\n", encoding="utf-8")
    seen: set[str] = set()

    def news(line: str) -> str:
        found = re.match(r"\s*(?:Collecting|Requirement already satisfied:) ([\w.-]+)", line)
        if found:
            seen.add(found[1])
            return f"{found[1]}, {len(seen)} of about {len(wanted)}"
        return "unpacking all of them" if line.startswith("Installing collected") else ""

    install(step, "--no-deps", "--require-hashes", "-r", str(listed), news=news)


def _install_uv(listed: Path, step: Step) -> None:
    """With pip; the wheel is kept, so that with uv's own cache the next environment needs no network at all."""
    exact = ("--no-deps", "--require-hashes", "-r", str(listed))
    kept = cache() / "wheels" / "uv"
    from_kept = ("--no-index", "--find-links", str(kept), *exact)
    try:
        install(step, *from_kept, env={"PIP_FIND_LINKS": ""})
    except LabError:
        run([str(PYTHON), "-m", "pip", "download", "--no-input", "--progress-bar=off", "--dest", str(kept), *exact], step)
        install(step, *from_kept)


def install(step: Step, *arguments: str, news: News = None, env: dict[str, str] | None = None) -> None:
    """With uv where it is, in a tenth of the time; with pip where uv is not, or cannot: it does not know pip's settings."""
    if uv():
        own = {} if shutil.which("uv") else {"UV_CACHE_DIR": str(cache() / "uv")}
        for way in ((), ("--offline",)):  # without network, what it has kept may still be all that is needed
            with contextlib.suppress(LabError):
                run([uv(), "pip", "install", *way, "--python", str(PYTHON), *arguments], step, env={**own, **(env or {})})
                return
    pip = [str(PYTHON), "-m", "pip", "install", "--no-input", "--no-compile", "--progress-bar=off", "--no-warn-script-location"]
    run([*pip, *arguments], step, news, env=env)


def link_in_ascii(prefix: Path) -> None:
    """Name this folder to the environment in letters that each Python reads alike.

    Before 3.13, Python reads the file that an installer leaves in the system's encoding; installers write it in UTF-8.
    """
    names = ("_editable_impl_labkit.pth", "_labkit.pth")  # as hatchling calls it, now and before
    for folder in ("lib/python*/site-packages", "Lib/site-packages"):
        for link in (link for name in names for link in prefix.glob(f"{folder}/{name}")):
            link.write_text(f"import os, sys; sys.path.append(os.fsdecode({os.fsencode(ROOT)!r}))\n", encoding="ascii")


def _own_index() -> bool:
    """Whether pip has been told to take packages from another place than usual, which uv would not know."""
    command = [str(PYTHON), "-m", "pip", "config", "list"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return bool(re.search(r"index-url|no-index", told))


def unmet(python: Path, tests: bool = False, labkit: bool = False) -> list[str]:
    """The requirements of pyproject.toml that this Python does not meet; with `labkit`, this copy of labkit is one of them."""
    command = [str(python), "-I", "-c", UNMET, str(ROOT), "test" if tests else "", "labkit" if labkit else ""]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.split() if answer.returncode == 0 else ["python", "pip"]


UNMET = """
import importlib.metadata, importlib.util, pathlib, sys, tomllib
from pip._vendor.packaging.requirements import Requirement
root, tests, labkit = sys.argv[1:]
project = tomllib.loads(pathlib.Path(root, "pyproject.toml").read_text(encoding="utf-8"))["project"]
for line in project["dependencies"] + (project["optional-dependencies"]["test"] if tests else []):
    wanted = Requirement(line)
    try:
        met = wanted.specifier.contains(importlib.metadata.version(wanted.name), prereleases=True)
    except importlib.metadata.PackageNotFoundError:
        met = False
    if not met and (not wanted.marker or wanted.marker.evaluate()):
        print(wanted.name)
if labkit:
    found = importlib.util.find_spec("labkit")
    if not (found and found.origin and pathlib.Path(found.origin).is_relative_to(root)):
        print("labkit")
"""
