"""The two commands, on a course folder whose packages are tiny: real pip, real environments, real processes, no network."""

from __future__ import annotations

import ast
import base64
import ensurepip
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.errors import LabError
from labkit.setup import causes, environment, machine, packages, places, programs

from .servers.programs import free_port

ROOT = Path(__file__).parents[1]
posix = pytest.mark.skipif(os.name == "nt", reason="signals and user accounts as on Linux and macOS")

# A course whose engine "compiles" three files, and says which flags it was given. LAB_TEST_STALL makes it hang, with a child process.
ENGINE_BACKEND = """
import base64, hashlib, os, pathlib, subprocess, sys, time, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    assert __import__("buildtool").version == 1
    for number in (1, 2, 3):
        print(f"[{number}/3] c++ unit{number}.cpp", flush=True)
    if os.environ.get("LAB_TEST_STALL"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
        pathlib.Path(os.environ["LAB_TEST_STALL"]).write_text(str(child.pid))
        time.sleep(120)
    name = "llama_cpp_python-0.3.36-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        wheel.writestr("llama_cpp/__init__.py", f"flags = {os.environ['CMAKE_ARGS']!r}")
        info = "llama_cpp_python-0.3.36.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: llama-cpp-python\\nVersion: 0.3.36\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""
LABKIT_BACKEND = """
import pathlib, zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    name, info = "labkit-0.1.0-py3-none-any.whl", "labkit-0.1.0.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        wheel.writestr("_labkit.pth", str(pathlib.Path.cwd()))
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: labkit\\nVersion: 0.1.0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "labkit_backend"
backend-path = ["."]
[project]
name = "labkit"
version = "0.1.0"
dependencies = ["jupyterlab>=4", "llama-cpp-python>=0.3.34,<0.4"]
optional-dependencies.test = ["pytest>=8"]
"""
WITHOUT_UV = [folder for folder in os.environ["PATH"].split(os.pathsep) if not shutil.which("uv", path=folder)]
SAYS_ITS_ARGUMENTS = """
import os, signal, sys
print("ran", os.path.basename(os.path.dirname(__file__)), *sys.argv[1:])
print("hang-up:", hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP).name)
print("folders:", *(os.environ.get(name, "") for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")))
"""


class Course:
    """A folder with lab.py and labkit as they are, and a shelf of wheels instead of a package server."""

    def __init__(self, folder: Path, shelf: Path, cache: Path) -> None:
        self.folder, self.shelf, self.cache = folder, shelf, cache
        folder.mkdir(parents=True)
        shutil.copy(ROOT / "lab.py", folder)
        shutil.copytree(ROOT / "labkit", folder / "labkit", ignore=shutil.ignore_patterns("__pycache__", "weights", "training"))
        (folder / "pyproject.toml").write_text(PROJECT)
        (folder / "labkit_backend.py").write_text(LABKIT_BACKEND)
        (folder / "notebooks" / "es").mkdir(parents=True)
        (folder / "notebooks" / "es" / "01_hola.ipynb").write_text("{}")
        self.pin("requirements.txt", "jupyterlab", "llama-cpp-python")
        self.pin("requirements-test.txt", "pytest", first="-r requirements.txt\n")
        self.pin("requirements-build.txt", "buildtool")

    def pin(self, file: str, *names: str, first: str = "") -> None:
        pins = {path.name.split("-")[0].replace("_", "-"): path for path in self.shelf.iterdir()}
        versions = {name: re.search(r"-(\d[\d.]*\d)", pins[name].name)[1] for name in names}  # type: ignore[index]
        lines = [f"{name}=={versions[name]} \\\n    --hash=sha256:{_sha256(pins[name])}" for name in names]
        (self.folder / file).write_text(first + "\n".join(lines) + "\n")

    def start(self, *arguments: str, before: tuple[str, ...] = (), **env: str) -> subprocess.Popen[str]:
        own = {"LABKIT_CACHE": str(self.cache), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": self.shelf.as_uri(), "PIP_CONFIG_FILE": os.devnull}
        own |= {"PIP_CACHE_DIR": str(self.folder.with_name("pip cache"))}
        own |= {"PATH": os.pathsep.join(WITHOUT_UV), "CONDA_PREFIX": "", "LC_ALL": "C.UTF-8"}
        usual = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON"))}
        command = [*before, sys.executable, str(self.folder / "lab.py"), *arguments]
        return subprocess.Popen(
            command,
            cwd=self.folder.parent,
            env={**usual, **own, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )

    def lab(self, *arguments: str, before: tuple[str, ...] = (), **env: str) -> tuple[int, str]:
        process = self.start(*arguments, before=before, **env)
        output = process.communicate(timeout=180)[0]
        return process.returncode, output

    @property
    def python(self) -> Path:
        return self.folder / ".venv" / places.PYTHON.relative_to(places.VENV)

    def value(self, code: str) -> str:
        return subprocess.run([self.python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.strip()

    def wheels(self) -> list[str]:
        return sorted(path.name for path in (self.cache / "wheels").iterdir())


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    _wheel(folder, "jupyterlab", "4.4.0", {"jupyterlab/__init__.py": "", "jupyterlab/__main__.py": SAYS_ITS_ARGUMENTS})
    _wheel(folder, "pytest", "8.0.0", {"pytest/__init__.py": "", "pytest/__main__.py": SAYS_ITS_ARGUMENTS})
    _wheel(folder, "buildtool", "1.0", {"buildtool.py": "version = 1"})
    files = {"engine_backend.py": ENGINE_BACKEND, "PKG-INFO": "Metadata-Version: 2.1\nName: llama-cpp-python\nVersion: 0.3.36\n"}
    files["pyproject.toml"] = '[build-system]\nrequires = ["buildtool"]\nbuild-backend = "engine_backend"\nbackend-path = ["."]\n'
    with tarfile.open(folder / "llama_cpp_python-0.3.36.tar.gz", "w:gz") as source:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"llama_cpp_python-0.3.36/{name}")
            entry.size = len(text.encode())
            source.addfile(entry, io.BytesIO(text.encode()))
    return folder


@pytest.fixture(scope="module")
def made(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Course, str]]:
    """A course after its first set-up, with what that said. Tests that change it put it back."""
    base = tmp_path_factory.mktemp("first")
    course = Course(base / "Señora Ñandú 日本", shelf, base / "cache é")
    status, output = course.lab("setup")
    assert status == 0, output
    yield course, output


@pytest.fixture
def course(shelf: Path, tmp_path: Path) -> Course:
    return Course(tmp_path / "course", shelf, tmp_path / "cache")


def _wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> Path:
    info = f"{name}-{version}.dist-info"
    files = files | {f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"}
    files |= {f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    record = [f"{path},sha256={_digest(text)},{len(text.encode())}" for path, text in files.items()]
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in (files | {f"{info}/RECORD": "\n".join([*record, f"{info}/RECORD,,"])}).items():
            wheel.writestr(file, text)
    return path


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _wait(until: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not until():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# The set-up


def test_setup_in_a_folder_with_spaces_and_letters_of_all_kinds(made):
    course, output = made
    assert [f"[{number}/4]" in output for number in (1, 2, 3, 4)] == [True] * 4
    assert "building it" in output and "Ready after" in output and "Next:" in output
    assert course.value("import labkit; print(labkit.__file__)") == str(course.folder / "labkit" / "__init__.py")


def test_labkit_is_found_whatever_the_letters_of_its_folder_and_of_the_system(made):
    course, _ = made
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env |= {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    subprocess.run([course.python, "-P", "-c", "import labkit"], env=env, check=True)


def test_engine_is_built_with_the_parts_that_are_needed(made):
    course, _ = made
    flags = course.value("import llama_cpp; print(llama_cpp.flags)")
    log = (course.folder / ".venv" / "lab.log").read_text(encoding="utf-8")
    assert f"--target '{course.folder}/.venv/tools-" in log.replace("\\", "/"), "where programs may be run"
    assert not list((course.folder / ".venv").glob("tools-*"))
    assert "-DLLAVA_BUILD=OFF" in flags and "-DGGML_NATIVE=OFF" in flags
    assert re.search(r"-DCMAKE_PROJECT_llama\.cpp_INCLUDE=\S*llama\.cpp\.cmake", flags)


def test_engine_wheel_is_kept_with_its_hash(made):
    course, _ = made
    wheel, checksum = course.wheels()
    assert checksum == f"{wheel}.sha256"
    assert (course.cache / "wheels" / checksum).read_text() == _sha256(course.cache / "wheels" / wheel)


def test_second_start_opens_the_lesson_and_installs_nothing(made):
    course, _ = made
    start = time.monotonic()
    status, output = course.lab("--lang", "es", "--no-browser", "--port", "8123")
    assert status == 0 and time.monotonic() - start < 3
    assert "[1/4]" not in output
    ran = output[output.index("ran jupyterlab") :]
    assert "--LabApp.default_url=/lab/tree/notebooks/es/01_hola.ipynb" in ran
    assert f"--ServerApp.root_dir={course.folder}" in ran and "--no-browser" in ran and "--port=8123" in ran


@posix
def test_lab_goes_on_after_logout_where_nohup_started_it(made):
    course, _ = made
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup may have started the tests themselves
    try:
        assert "hang-up: SIG_DFL" in course.lab("--lang", "es", "--no-browser")[1]
    finally:
        signal.signal(signal.SIGHUP, before)
    assert "hang-up: SIG_IGN" in course.lab("--lang", "es", "--no-browser", before=("nohup",))[1]


def test_hub_is_told_from_a_machine_of_ones_own(course):
    status, output = course.lab("--lang", "es", "--no-browser", JUPYTERHUB_USER="ana")
    assert status == 1 and "JupyterHub" in output and "open notebooks/es there" in output and "[1/4]" not in output


def test_absent_lesson_is_an_error_with_advice(made):
    course, _ = made
    status, output = course.lab("--lang", "en", "--no-browser")
    assert status == 1 and "no lesson '01' in notebooks/en" in output and "Traceback" not in output


def test_tests_get_their_own_packages_and_all_arguments(made):
    course, _ = made
    status, output = course.lab("test", "-k", "some thing", "--maxfail=1")
    assert status == 0 and "ran pytest -k some thing --maxfail=1" in output
    assert "[3/4]" in output and "building it" not in output
    status, output = course.lab("setup")
    assert status == 0 and "[1/4]" not in output, "what serves the tests serves the lab"


def test_second_environment_takes_the_wheel_from_the_cache(made, tmp_path):
    first, _ = made
    second = Course(tmp_path / "second", first.shelf, first.cache)
    status, output = second.lab("setup")
    assert status == 0 and "building it" not in output
    assert second.value("import llama_cpp; print(llama_cpp.flags)") == first.value("import llama_cpp; print(llama_cpp.flags)")


def test_moved_folder_is_made_again(made):
    course, _ = made
    moved = course.folder.with_name("moved")
    course.folder.rename(moved)
    home, course.folder = course.folder, moved
    try:
        status, output = course.lab("setup")
        assert status == 0 and "[1/4]" in output
        assert course.value("import labkit; print(labkit.__file__)") == str(moved / "labkit" / "__init__.py")
    finally:
        course.folder = home
        moved.rename(home)


def test_changed_requirements_are_installed_on_top_and_a_broken_environment_is_made_again(made, tmp_path):
    first, _ = made
    course = Course(tmp_path / "course", first.shelf, first.cache)
    assert course.lab("setup")[0] == 0
    stays = course.folder / ".venv" / "stays.txt"
    stays.touch()
    course.shelf = tmp_path / "newer"
    shutil.copytree(first.shelf, course.shelf)
    (course.shelf / "jupyterlab-4.4.0-py3-none-any.whl").unlink()
    _wheel(course.shelf, "jupyterlab", "4.5.0", {"jupyterlab/__init__.py": "", "jupyterlab/__main__.py": SAYS_ITS_ARGUMENTS})
    course.pin("requirements.txt", "jupyterlab", "llama-cpp-python")
    assert course.lab("setup")[0] == 0
    assert course.value("from importlib.metadata import version; print(version('jupyterlab'))") == "4.5.0"
    assert stays.exists()
    shutil.rmtree(course.python.parent)
    assert course.lab("setup")[0] == 0
    assert course.value("import jupyterlab, llama_cpp, labkit; print('whole')") == "whole"


def test_update_without_network_leaves_the_environment_as_it_was(made, tmp_path):
    first, _ = made
    course = Course(tmp_path / "course", first.shelf, first.cache)
    assert course.lab("setup")[0] == 0
    stays, log = course.folder / ".venv" / "stays.txt", course.folder / ".venv" / "lab.log"
    stays.touch()
    without = {"PIP_NO_INDEX": "", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": f"http://127.0.0.1:{free_port()}/simple"}
    status, output = course.lab("test", **without)
    assert status == 1 and "No network" in output
    status, output = course.lab("--lang", "es", "--no-browser", **without)
    assert status == 0 and "ran jupyterlab" in output and "[1/4]" not in output, "what the lab needs is there"
    moved = course.folder.with_name("moved")
    course.folder.rename(moved)
    course.folder, stays, log = moved, moved / ".venv" / "stays.txt", moved / ".venv" / "lab.log"
    status, output = course.lab("setup", **without)
    assert status == 1 and "No network" in output and stays.exists() and not (moved / ".venv.old").exists()
    assert "-m venv" in log.read_text(encoding="utf-8"), "the log tells of the attempt"
    assert course.lab("setup")[0] == 0
    assert not stays.exists() and not (moved / ".venv.old").exists()


def test_what_a_killed_change_left_is_known_as_ours(course):
    (course.folder / ".venv").mkdir()
    (course.folder / ".venv.old").mkdir()
    (course.folder / ".venv.old" / "lab.json").write_text("{}")
    assert course.lab("setup")[0] == 0
    assert not (course.folder / ".venv.old").exists()


@pytest.mark.parametrize("wheel", ["damaged", "of another machine"])
def test_kept_wheel_that_does_not_serve_is_built_again(course, wheel):
    kept = course.cache / "wheels"
    kept.mkdir(parents=True)
    path = _wheel(kept, "llama_cpp_python", "0.3.36", {"llama_cpp/__init__.py": "import os; os.abort()"})
    (kept / f"{path.name}.sha256").write_text("0" * 64 if wheel == "damaged" else _sha256(path))
    status, output = course.lab("setup")
    assert status == 0 and "building it" in output, output
    assert ("GGML_NATIVE=ON" in course.value("import llama_cpp; print(llama_cpp.flags)")) == (wheel != "damaged")


def test_published_wheel_is_taken_before_building(course, tmp_path):
    shelf = tmp_path / "with a wheel"
    shutil.copytree(course.shelf, shelf)
    _wheel(shelf, "llama_cpp_python", "0.3.36", {"llama_cpp/__init__.py": "flags = 'published'"})
    status, output = course.lab("setup", PIP_FIND_LINKS=shelf.as_uri())
    assert status == 0 and "building it" not in output
    assert course.value("import llama_cpp; print(llama_cpp.flags)") == "published"


def test_own_compiler_flags_are_added_and_kept_apart(course):
    assert course.lab("setup", CMAKE_ARGS="-DGGML_CUDA=ON")[0] == 0
    assert course.value("import llama_cpp; print(llama_cpp.flags)").endswith("-DGGML_CUDA=ON")
    assert not list((course.cache / "wheels").glob("*.whl")) and len(list((course.cache / "wheels").glob("*/*.whl"))) == 1


def test_foreign_environment_is_left_alone(course):
    (course.folder / ".venv").mkdir()
    (course.folder / ".venv" / "mine").touch()
    status, output = course.lab("setup")
    assert status == 1 and "left alone" in output and (course.folder / ".venv" / "mine").exists()


# Interrupted, twice, and beside another one


@posix
def test_interrupted_setup_leaves_nothing_running_and_is_mended_by_the_next(course, tmp_path):
    stall = tmp_path / "child"
    process = course.start("setup", LAB_TEST_STALL=str(stall))
    _wait(lambda: stall.exists() and stall.read_text())
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=20)[0]
    assert process.returncode == 130 and "Stopped" in output and "Traceback" not in output
    _wait(lambda: not _is_running(int(stall.read_text())), 5)
    assert not course.wheels()
    status, output = course.lab("setup")
    assert status == 0 and "Ready after" in output


@posix
def test_killed_setup_is_waited_for_and_mended_by_the_next(course, tmp_path):
    stall = tmp_path / "child"
    process = course.start("setup", LAB_TEST_STALL=str(stall))
    _wait(lambda: stall.exists() and stall.read_text())
    process.kill()
    assert process.stdout
    process.stdout.close()
    process.wait()
    child = int(stall.read_text())
    second = course.start("setup")
    assert second.stdout
    assert "waiting" in second.stdout.readline(), "what the killed one had started still writes here"
    os.killpg(os.getpgid(child), signal.SIGKILL)
    output = second.communicate(timeout=120)[0]
    assert second.returncode == 0 and "[1/4]" in output and "Ready after" in output


def test_two_at_once_make_one_environment(course):
    both = [course.start("setup") for _ in range(2)]
    outputs = [process.communicate(timeout=180)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sorted("Ready after" in output for output in outputs) == [False, True]
    assert sum("waiting" in output for output in outputs) == 1


# What can go wrong


def test_no_network_is_said_with_what_mends_it(course):
    index = f"http://127.0.0.1:{free_port()}/simple"
    status, output = course.lab("setup", PIP_NO_INDEX="", PIP_FIND_LINKS="", PIP_INDEX_URL=index)
    assert status == 1 and "No network" in output and "HTTPS_PROXY" in output and "Traceback" not in output


def test_changed_package_is_not_installed(course):
    file = course.folder / "requirements.txt"
    file.write_text(re.sub(r"(jupyterlab==\S+ \\\n    --hash=sha256:)\w+", r"\g<1>" + "0" * 64, file.read_text()))
    status, output = course.lab("setup")
    assert status == 1 and "not the one that this kit was tested with" in output
    assert subprocess.run([course.python, "-c", "import jupyterlab"], capture_output=True, check=False).returncode == 1


@posix
def test_absent_compiler_is_said_with_what_mends_it(course, tmp_path):
    status, output = course.lab("setup", PATH=str(tmp_path / "empty"))
    assert status == 1 and "no C++ compiler" in output and "conda env create -f environment.yml" in output
    assert "xcode-select --install" in output if sys.platform == "darwin" else "sudo apt install build-essential" in output


@pytest.mark.skipif(sys.platform != "linux", reason="a file system of its own, as on Linux")
@pytest.mark.parametrize(("options", "words"), [("size=60m", "disk is full"), ("size=60m,ro", "cannot be written")])
def test_full_or_read_only_disk_is_said_before_anything_is_written(course, tmp_path, options, words):
    disk = tmp_path / "disk"
    disk.mkdir()
    size, *read_only = options.split(",")
    steps = f'mount -t tmpfs -o {size} none "$1" && cp -r "$2" "$1/course"' + (' && mount -o remount,ro "$1"' if read_only else "")
    before = ("unshare", "--user", "--map-root-user", "--mount") if os.geteuid() else ("unshare", "--mount")
    if not shutil.which("unshare") or subprocess.run([*before, "mount", "-t", "tmpfs", "none", str(disk)], check=False).returncode:
        pytest.skip("this machine lets us mount nothing")
    script = f'{steps} && shift 2 && exec "$@"'
    small = Course.__new__(Course)
    small.__dict__ |= course.__dict__ | {"folder": disk / "course"}
    status, output = small.lab("setup", before=(*before, "sh", "-c", script, "sh", str(disk), str(course.folder)))
    assert status == 1 and words in output and "To mend it:" in output and "Traceback" not in output
    assert ("disk is full" in words) == (f"Free: 0.1 GB in {small.folder}" in output)


def test_cache_that_cannot_be_written_is_said_with_another_place(course):
    file = course.folder.parent / "a file"
    file.touch()
    status, output = course.lab("setup", LABKIT_CACHE=str(file))
    assert status == 1 and "LABKIT_CACHE=FOLDER" in output and "Traceback" not in output


def test_home_that_cannot_be_written_is_left_out(made):
    course, _ = made
    absent = course.folder / "lab.py" / "home"
    output = course.lab("--lang", "es", "--no-browser", HOME=str(absent), USERPROFILE=str(absent))[1]
    folders = output.partition("folders: ")[2].splitlines()[0]
    assert folders.count(str(course.cache / "jupyter")) == 4
    assert "folders:    \n" in course.lab("--lang", "es", "--no-browser", HOME=str(course.cache))[1]


def test_doctor_before_the_setup_says_so(course):
    status, output = course.lab("doctor")
    assert status == 1 and "has not been finished" in output and "lab.py setup" in output


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("OSError: [WinError 112] There is not enough space on the disk", "disk is full"),
        ("ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407 Proxy Authentication Required'))", "proxy"),
        ("error: client error (Connect): unsuccessful tunnel\n  tunnel error: unsuccessful", "proxy"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))", "PIP_CERT"),
        ("error: invalid peer certificate: UnknownIssuer", "PIP_CERT"),
        (
            "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution'\nERROR: No matching distribution",
            "No network",
        ),
        ("[Errno 11001] getaddrinfo failed", "No network"),
        ("  Caused by: error sending request for url\n  dns error: failed to lookup address information", "No network"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "tested with"),
        ("CMake Error: CMAKE_CXX_COMPILER not set, after EnableLanguage", "compiler"),
        ("  could not find any instance of Visual Studio.", "compiler"),
        ("c++: fatal error: Killed signal terminated program cc1plus", "memory"),
        ("OSError: [Errno 2] No such file: HINT: enable Windows Long Path support", "too long"),
        ("PermissionError: [WinError 5] Access is denied: 'zmq.pyd'", "cannot be written"),
        ("[Errno 30] Read-only file system: '/x'", "/x may not be written or run"),
        ("/bin/sh: 1: /tmp/tools/cmake: Permission denied", "/tmp/tools/cmake may not be written or run"),
        (r"PermissionError: [Errno 13] Permission denied: 'C:\\Temp\\x'", r"C:\Temp\x may not be written or run"),
        (f"[Errno 13] Permission denied: '{ROOT}/.venv/x'", "This folder cannot be written"),
        ("created successfully because ensurepip is not available.  On Debian/Ubuntu systems, you need to", "sudo apt install python3"),
        ("ERROR: No matching distribution found for numpy==2.4.6", "has nothing for Python"),
        ("Segmentation fault\nsomething that nobody foresaw", "something that nobody foresaw"),
    ],
)
def test_cause_is_named_with_what_mends_it(output, words):
    error = causes.explained(output, Path("lab.log"))
    assert words in str(error) and error.fix
    assert "lab.log" not in str(error), "there is none"


def test_advice_on_windows_is_for_its_shells():
    code = """
import os, pathlib, shutil, sys, tempfile
sys.platform = "win32"
from labkit.health.texts import TEXTS
from labkit.setup import causes, places
for _, what, fix in causes._known_causes():
    print(what, fix)
print(causes.CONDA, TEXTS)
"""
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True).stdout
    assert not re.findall(r"&&|\bexport |TMPDIR|python3|\bcp -r", said)
    assert '$env:PIP_CERT="FILE.pem"' in said and "set PIP_CERT=FILE.pem" in said and "py -3.12 lab.py" in said and "robocopy" in said
    assert said.count("`py lab.py`") == 4


def test_source_with_long_paths_is_unpacked_right_below_the_drive(tmp_path):
    with machine.short_folder(tmp_path) as variables:
        folder = Path(variables["TEMP"])
        assert folder.is_dir() and len(folder.name) == 4 and folder.parent == tmp_path
        (folder / "source").mkdir()
    assert not folder.exists()
    (tmp_path / "drive").touch()
    with pytest.raises(LabError, match="LongPathsEnabled") as caught, machine.short_folder(tmp_path / "drive"):
        pass
    assert "engine" in caught.value.what and "environment.yml" in caught.value.fix


def test_proxy_is_named_without_its_password(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://ana:s3cret@proxy.school:3128")
    error = causes.explained("407 Proxy Authentication Required")
    assert "proxy.school:3128" in error.what and "s3cret" not in str(error)


def test_absent_package_is_named(monkeypatch):
    output = "ERROR: No matching distribution found for numpy==2.4.6"
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    assert causes.explained(output).what.startswith("numpy has nothing for Python")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "/shelf")
    error = causes.explained(output)
    assert error.what.startswith("numpy has nothing for Python") and "/shelf" in error.what and error.fix.startswith("put it there")


@pytest.mark.parametrize(("tool", "command"), [("dnf", "dnf install gcc-c++"), ("pacman", "pacman -S base-devel"), ("", "apt install")])
@pytest.mark.skipif(sys.platform != "linux", reason="the package managers of Linux")
def test_compiler_command_is_this_systems_own(tool, command, tmp_path, monkeypatch):
    if tool:
        (tmp_path / tool).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command in causes.compiler_command()


# conda and uv


def test_active_conda_environment_that_has_everything_is_used(made, tmp_path):
    """As conda makes it: an environment with Python, pip and the packages; lab.py adds labkit itself and no .venv."""
    first, _ = made
    second = Course(tmp_path / "second", first.shelf, tmp_path / "cache")
    conda = tmp_path / "conda env"
    subprocess.run([sys.executable, "-m", "venv", conda], check=True)
    site = next((first.folder / ".venv").glob("lib/python*/site-packages" if os.name != "nt" else "Lib/site-packages"))
    target = next(conda.glob("lib/python*/site-packages" if os.name != "nt" else "Lib/site-packages"))
    for part in ("jupyterlab*", "llama_cpp*"):
        for path in site.glob(part):
            shutil.copytree(path, target / path.name)
    if os.name == "nt":
        shutil.copy(conda / "Scripts" / "python.exe", conda)
    status, output = second.lab("--lang", "es", "--no-browser", CONDA_PREFIX=str(conda))
    assert status == 0 and "ran jupyterlab" in output and "Adding to the active conda environment: labkit" in output
    assert not (second.folder / ".venv").exists()
    status, output = second.lab("--lang", "es", "--no-browser", CONDA_PREFIX=str(conda))
    assert status == 0 and "Adding" not in output


def test_active_conda_environment_without_the_packages_is_not_used(tmp_path, monkeypatch):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "conda"], check=True)
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path / "conda"))
    assert environment.conda_python(tests=False) is None


def test_uv_is_used_where_it_is(course, tmp_path):
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    bundled = next(Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"), None)
    if not uv or not bundled:
        pytest.skip("there is no uv here, or no wheel of pip for it")
    shelf = tmp_path / "with pip"
    shutil.copytree(course.shelf, shelf)
    shutil.copy(bundled, shelf)
    path = os.pathsep.join([str(Path(uv).parent), *WITHOUT_UV])
    status, output = course.lab("setup", PATH=path, UV_FIND_LINKS=str(shelf), UV_NO_INDEX="1", UV_CACHE_DIR=str(tmp_path / "uv"))
    assert status == 0, output
    log = (course.folder / ".venv" / "lab.log").read_text(encoding="utf-8")
    assert f"{uv} venv" in log and f"{uv} pip install" in log and " -m pip install" not in log
    assert "-DLLAVA_BUILD=OFF" in course.value("import jupyterlab, llama_cpp; print(llama_cpp.flags)")


@posix
def test_uv_that_fails_leaves_the_work_to_pip(course, tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "uv").write_text("#!/bin/sh\nexit 1\n")
    (folder / "uv").chmod(0o755)
    status, output = course.lab("setup", PATH=os.pathsep.join([str(folder), *WITHOUT_UV]))
    assert status == 0, output
    log = (course.folder / ".venv" / "lab.log").read_text(encoding="utf-8")
    assert f"{folder}/uv venv" in log and "-m venv" in log and "-m pip install" in log


@posix
def test_uv_is_kept_for_the_next_environment(shelf, tmp_path):
    own = tmp_path / "with uv"
    shutil.copytree(shelf, own)
    uv = _wheel(own, "uv", "1.0", {"uv/__init__.py": ""})
    _wheel(own, "llama_cpp_python", "0.3.36", {"llama_cpp/__init__.py": ""})
    courses = [Course(tmp_path / name, own, tmp_path / "cache") for name in ("first", "second")]
    for course in courses:
        course.pin("requirements.txt", "jupyterlab", "llama-cpp-python", "uv")
    usual = {"before": ("env", "-u", "PIP_NO_INDEX"), "PIP_PROXY": f"http://127.0.0.1:{free_port()}", "PIP_RETRIES": "0"}
    for course in courses:
        status, output = course.lab("setup", **usual)
        assert status == 0, output
        assert course.value("import uv; print(uv.__name__)") == "uv"
        assert [path.name for path in (course.cache / "wheels" / "uv").iterdir()] == [uv.name]
        uv.unlink(missing_ok=True)


# Small parts


def test_file_can_be_read_by_an_old_python_which_it_tells_what_to_do():
    ast.parse((ROOT / "lab.py").read_text(), feature_version=(3, 8))
    code = "import runpy, sys; sys.version_info = (3, 9, 2, 'final', 0); runpy.run_path('lab.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "needs Python 3.11 or newer" in done.stderr and "python3.12 lab.py" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_needs_the_standard_library_only_and_names_every_command():
    done = subprocess.run([sys.executable, "-S", "-E", "lab.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert all(f"    {name} " in done.stdout for name in ("open", "test", "run", "doctor", "setup"))


def test_what_leads_elsewhere_is_kept_from_programs(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PIP_USER", "1")
    env = programs.environment(str(Path("/place", "bin", "python")))
    assert env["PYTHONPATH"] == str(ROOT) and "PIP_USER" not in env and env["PATH"].startswith(str(Path("/place", "bin")))


def test_pins_are_read_whole():
    pins = packages.pins(tests=True)
    assert len(pins) > 100 and all(re.match(r"[A-Za-z0-9._-]+==\S+.*\\\n", pin) and "--hash=sha256:" in pin for pin in pins)


# The real lab


@pytest.fixture
def real_lab() -> dict[str, str]:
    """Environment variables with which lab.py uses the Python that runs the tests, as an active conda environment is used."""
    if not environment.is_ready(tests=True) and packages.unmet(Path(sys.executable), tests=True, labkit=True):
        pytest.skip("this Python was not set up by lab.py")
    return {**os.environ, "CONDA_PREFIX": sys.prefix}


def test_lab_opens_the_first_lesson_in_jupyterlab(real_lab, tmp_path):
    port = free_port()
    command = [sys.executable, str(ROOT / "lab.py"), "--no-browser", "--lang", "es", "--port", str(port)]
    process = subprocess.Popen(command, env=real_lab, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    try:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        address = next(found[0] for line in lines if (found := re.search(r"http://127\.0\.0\.1:\d+/lab/tree/\S+", line)))
        assert "/lab/tree/notebooks/es/01_" in address
        _wait(lambda: _status(address) == 200, 20)
        assert _status(address.replace("/lab/tree/", "/api/contents/")) == 200
        settings = json.loads(_read(address.split("/lab/")[0] + "/lab/api/settings/@jupyterlab/apputils-extension:notification", address))
        assert settings["raw"] == "{}"
    finally:
        process.send_signal(signal.SIGINT if os.name != "nt" else signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0 or os.name == "nt"


def _read(url: str, address: str) -> str:
    with urllib.request.urlopen(f"{url}?token={address.rpartition('token=')[2]}", timeout=10) as answer:
        return str(answer.read().decode())


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except OSError:
        return 0


def test_lesson_runs_to_a_report_and_a_failing_one_says_why(real_lab, tmp_path):
    streams = "for piece in ('token', ' by', ' token'):\n    print(piece, end='', flush=True)"
    cells = {"good": streams, "bad": "raise ValueError('on purpose')"}
    for name, code in cells.items():
        cell = {"cell_type": "code", "execution_count": None, "id": "c1", "metadata": {}, "outputs": [], "source": code}
        kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
        book = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(book))
    build = ROOT / "build" / tmp_path.name
    command = [sys.executable, str(ROOT / "lab.py"), "run", *(str(tmp_path / f"{name}.ipynb") for name in cells)]
    try:
        done = subprocess.run(command, env=real_lab, capture_output=True, encoding="utf-8", timeout=180, check=False)
        assert done.returncode == 1
        assert re.search(r"good +ok +0:\d\d +build/", done.stdout.replace("\\", "/")), done.stdout
        assert re.search(r"bad +failed +0:\d\d +build/", done.stdout.replace("\\", "/")) and "ValueError: on purpose" in done.stdout
        assert "token by token" in (build / "good.html").read_text(encoding="utf-8"), "one line, as in JupyterLab"
        assert "on purpose" in (build / "bad.html").read_text(encoding="utf-8")
    finally:
        shutil.rmtree(build, ignore_errors=True)
