"""Binder's scripts as Binder runs them: a fresh copy, an ordinary user, one core, 2 GB; and the first lesson in what they made."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from labkit.zoo import catalog

from .servers.programs import find_ollama, free_port
from .test_packaging import tracked

ROOT = Path(__file__).parents[1]
NOBODY = 65534

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Binder is Linux")


class Binder:
    """A home and a copy of the repository that belong to an ordinary user, and an environment with all packages but labkit."""

    def __init__(self, folder: Path, group: Path | None) -> None:
        self.home, self.repository, self.conda, self.group = folder / "home", folder / "home" / "repo", folder / "conda", group
        for file in tracked():
            copy = self.repository / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, copy)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.conda], check=True)
        site = next(self.conda.glob("lib/python*/site-packages"))
        (site / "packages.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
        self.port = free_port()
        ollama = find_ollama()
        path = [str(self.conda / "bin"), *([str(Path(ollama).parent)] if ollama else []), "/usr/bin", "/bin"]
        self.env = {
            "HOME": str(self.home),
            "PATH": os.pathsep.join(path),
            "OLLAMA_HOST": f"127.0.0.1:{self.port}",
            "TMPDIR": str(folder / "tmp"),
        }
        (folder / "tmp").mkdir()
        if os.geteuid() == 0:
            for path_ in [folder, *folder.rglob("*")]:
                os.chown(path_, NOBODY, NOBODY, follow_symlinks=False)

    def command(self, *arguments: str) -> list[str]:
        """With one core, the memory of Binder, and no rights but to read what Python needs."""
        before = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))]
        if self.group:
            before = ["sh", "-c", f'echo $$ >"{self.group}/cgroup.procs" && exec "$@"', "sh", *before]
        if os.geteuid() == 0:  # the interpreter may lie in root's home, which nobody else may look into
            user = ["--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
            before += ["setpriv", *user, "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
        return [*before, *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), cwd=self.repository, env=self.env, capture_output=True, text=True, timeout=600, check=False
        )

    def servers(self) -> list[psutil.Process]:
        """The Ollama servers that this copy started, and nobody else's."""
        found = []
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.Error):
                if process.info["name"] == "ollama" and process.environ().get("OLLAMA_HOST") == self.env["OLLAMA_HOST"]:
                    found.append(process)
        return found


@pytest.fixture(scope="module")
def binder(tmp_path_factory: pytest.TempPathFactory, memory_group: Path | None) -> Iterator[Binder]:
    """After postBuild."""
    for program in ("taskset", "setpriv"):
        if not shutil.which(program):
            pytest.skip(f"{program} (util-linux) is absent")
    pytest.importorskip("hatchling", reason="hatchling is absent: python3 lab.py setup --tests")
    folder = tmp_path_factory.mktemp("binder")
    for parent in (folder, *folder.parents[:2]):  # pytest's own folders are closed to other users
        if os.geteuid() == 0 and parent.is_relative_to(tmp_path_factory.getbasetemp().parent):
            parent.chmod(0o755)
    binder = Binder(folder, memory_group)
    done = binder.run("bash", ".binder/postBuild")
    assert done.returncode == 0, done.stdout + done.stderr
    yield binder
    for server in binder.servers():
        server.kill()


def test_build_installs_labkit_and_stores_the_models(binder):
    done = binder.run("python", "-P", "-c", "import labkit; print(labkit.__file__)")
    assert done.stdout.strip() == str(binder.repository / "labkit" / "__init__.py"), done.stderr
    quiet = json.loads((binder.conda / "share" / "jupyter" / "lab" / "settings" / "overrides.json").read_text())
    assert quiet["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    if find_ollama():
        stored = binder.home / ".ollama" / "models" / "manifests" / "registry.ollama.ai" / "library"
        assert sorted(path.name for path in stored.iterdir()) == sorted(catalog.names())
        assert not list((binder.home / ".ollama").glob("id_ed25519*")), "a key that every visitor would share"


def test_build_leaves_no_server_running(binder):
    assert not [server for server in psutil.process_iter(["name"]) if server.info["name"] == "ollama" and _belongs(server, binder)]


def _belongs(process: psutil.Process, binder: Binder) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.environ().get("HOME") == str(binder.home)
    return False


def test_build_stops_at_the_first_error(binder):
    done = binder.run("bash", "-c", "cp -r . ../broken && cd ../broken && rm pyproject.toml && bash .binder/postBuild")
    assert done.returncode != 0


def test_start_hands_over_at_once_with_arguments_as_they_are(binder):
    start = time.monotonic()
    done = binder.run("bash", ".binder/start", "python", "-c", "import sys; print(sys.argv[1:])", "a b", "$HOME")
    assert done.returncode == 0 and done.stdout == "['a b', '$HOME']\n" and not done.stderr
    assert time.monotonic() - start < 10, "a server in the background must not be waited for"
    for server in binder.servers():
        server.kill()


def test_first_lesson_runs_on_one_core_and_two_gigabytes(binder):
    """Under `start`, so with the Ollama of the image where there is one; the limit is the kernel's, so that too much is an end."""
    start = time.monotonic()
    lesson = [
        "python",
        "-m",
        "papermill",
        "01_first_answer.ipynb",
        str(binder.home / "out.ipynb"),
        "--kernel",
        "python3",
        "--no-progress-bar",
    ]
    done = binder.run("bash", ".binder/start", "sh", "-c", 'cd notebooks/en && exec "$@"', "sh", *lesson)
    assert done.returncode == 0, done.stdout + done.stderr
    assert bool(binder.servers()) == bool(find_ollama())
    peaks = [binder.group / name for name in ("memory.peak", "memory.max_usage_in_bytes")] if binder.group else []
    peak = next((int(path.read_text()) for path in peaks if path.exists()), 0)
    print(f"lesson 01 on one core: {time.monotonic() - start:.1f} s, at most {peak / 1e6:.0f} MB of memory, page cache included")
