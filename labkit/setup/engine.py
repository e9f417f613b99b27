"""llama-cpp-python, which is published as source only: found ready-made where there is one, else built once for this user."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ..errors import LabError
from .causes import CONDA
from .machine import check_compiler, long_paths, short_folder
from .packages import install, pins, unmet
from .places import LOG, PYTHON, ROOT, VENV, cache
from .programs import Step, clock, run

ENGINE = "llama-cpp-python"

# Fewer than half of the units: without images in-process, without the helpers of llama.cpp's command line; for any processor with AVX2.
FLAGS = ("-DLLAVA_BUILD=OFF", "-DGGML_NATIVE=OFF")
# llama-cpp-python forces the cached option on, and a plain variable wins over it. What computes is ggml's; the rest loads files and
# builds graphs, and is optimized less. llama.cpp compiles its model builders sixteen at a time: its other sources now as well (the one
# with the operating system's headers aside), which read the same headers and instantiate the same templates. A quarter less time.
LESS, MORE = (
    f'if(NOT MSVC)\n  string(REPLACE "{old}" "{new}" CMAKE_CXX_FLAGS_RELEASE "${{CMAKE_CXX_FLAGS_RELEASE}}")\nendif()\n'
    for old, new in (("-O3", "-O1"), ("-O1", "-O3"))
)
TOGETHER = """
function(labkit_together)
  get_target_property(sources llama SOURCES)
  list(FILTER sources EXCLUDE REGEX "llama-mmap")
  list(TRANSFORM sources PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/src/")
  set_source_files_properties(${sources} DIRECTORY src PROPERTIES SKIP_UNITY_BUILD_INCLUSION OFF)
  target_precompile_headers(llama PRIVATE <algorithm> <functional> <map> <regex> <set> <sstream> <unordered_map>
    "${CMAKE_CURRENT_SOURCE_DIR}/src/models/models.h")
endfunction()
if(NOT MSVC)
  cmake_language(DEFER CALL labkit_together)
endif()
"""
NO_NUMBERS = """
function(labkit_no_numbers)
  foreach(file gguf.cpp ggml-backend.cpp ggml-backend-meta.cpp)
    set_source_files_properties("${CMAKE_CURRENT_SOURCE_DIR}/src/${file}" DIRECTORY src PROPERTIES COMPILE_OPTIONS -O1)
  endforeach()
endfunction()
if(NOT MSVC)
  cmake_language(DEFER CALL labkit_no_numbers)
endif()
"""
INCLUDES = {"llama.cpp": "set(LLAMA_BUILD_COMMON OFF)\n" + LESS + TOGETHER, "ggml": MORE + NO_NUMBERS}


def find_engine(step: Step) -> Path | None:
    """A wheel of it: kept from an earlier set-up, published, or built now. None where the environment has it already."""
    if ENGINE not in unmet(PYTHON):
        return None
    kept, pin = cache() / "wheels", engine_pin().split()[0]
    own_flags = os.environ.get("CMAKE_ARGS", "")
    if own_flags:  # somebody wants it built in their own way, for a graphics card say: that wheel is none of the others
        kept /= hashlib.sha256(own_flags.encode()).hexdigest()[:8]
    kept.mkdir(parents=True, exist_ok=True)
    for wheel in kept.glob("*.whl"):
        if not _is_intact(wheel):
            _forget(wheel)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = _download(step, folder, "--no-index", "--find-links", str(kept), pin, env={"PIP_FIND_LINKS": ""})
        if found:
            return kept / found.name
        found = None if own_flags else _download(step, folder, pin)
        return _keep(found or build(step, folder), kept)


def install_engine(wheel: Path, step: Step) -> None:
    """Install it and let it speak; one that cannot, from another machine or for a newer processor, is built for this one.

    Raises
    ------
    LabError
        The one that was built here does not run either.
    """
    for flags in ((), tuple(flag.replace("NATIVE=OFF", "NATIVE=ON") for flag in FLAGS)):
        if flags:
            _forget(wheel)
            with tempfile.TemporaryDirectory() as folder:
                wheel = _keep(build(step, Path(folder), flags), wheel.parent)
        install(step, "--no-deps", "--no-index", "--force-reinstall", str(wheel))
        if _speaks(step):
            return
    _forget(wheel)
    raise LabError(f"{ENGINE} was built on this machine, but does not run.", f"All of the output: {LOG}", CONDA)


def build(step: Step, folder: Path, flags: tuple[str, ...] = FLAGS) -> Path:
    """A wheel from the source package whose hash is pinned, with the parts that the kit needs."""
    check_compiler()
    step.say("There is no ready-made one for this machine: building it, about 2 minutes on two cores, once for this user.")
    source, includes = folder / "source.txt", []
    for project, text in INCLUDES.items():
        file = folder / f"{project}.cmake"
        file.write_text(text, encoding="utf-8")
        includes.append(f"-DCMAKE_PROJECT_{project}_INCLUDE={file.as_posix()}")
    source.write_text(engine_pin() + "\n", encoding="utf-8")
    arguments = shlex.join([*flags, *includes])
    env = {"CMAKE_ARGS": f"{arguments} {os.environ.get('CMAKE_ARGS', '')}"}
    if flags != FLAGS or os.environ.get("CMAKE_ARGS"):
        env["PIP_NO_CACHE_DIR"] = "1"  # pip keeps wheels too, whatever flags they were built with
    command = [str(PYTHON), "-m", "pip", "wheel", "-v", "--no-input", "--no-deps", "--no-build-isolation", "--require-hashes"]
    with contextlib.ExitStack() as stack:  # the tools are here, since the folder for temporary files may forbid to run what is in it
        env["PYTHONPATH"] = stack.enter_context(tempfile.TemporaryDirectory(prefix="tools-", dir=VENV))
        install(step, "--target", env["PYTHONPATH"], "--require-hashes", "-r", str(ROOT / "requirements-build.txt"))
        if not long_paths():
            env |= stack.enter_context(short_folder(Path(folder.anchor)))
        run([*command, f"--wheel-dir={folder}", "-r", str(source)], step, _compiler_news(), env=env)
    return next(folder.glob("*.whl"))


def _compiler_news() -> Callable[[str], str]:
    start = time.monotonic()

    def news(line: str) -> str:
        nonlocal start
        found = re.search(r"\[(\d+)/(\d+)\]", line)
        if not found:
            return "downloading the source, 77 MB" if "Downloading" in line else ""
        done, total = int(found[1]), int(found[2])
        if done == 1:
            start = time.monotonic()
        return f"compiling {done} of {total}, about {clock((time.monotonic() - start) / done * (total - done))} to go"

    return news


def _download(step: Step, folder: Path, *arguments: str, env: dict[str, str] | None = None) -> Path | None:
    """The wheel that pip finds to fit this machine; None where there is none."""
    command = [str(PYTHON), "-m", "pip", "download", "--only-binary=:all:", "--no-deps", "--no-input", "--retries=2"]
    try:
        run([*command, f"--dest={folder}", *arguments], step, env=env)
    except LabError as error:
        if "has nothing for" not in error.what:
            raise
    return next(folder.glob("*.whl"), None)


def _speaks(step: Step) -> bool:
    """Whether it generates a token here: a library can load and still need instructions that this processor lacks."""
    with contextlib.suppress(LabError):
        run([str(PYTHON), "-c", FIRST_TOKEN, str(ROOT / "labkit" / "zoo" / "weights" / "mini-m.gguf")], step)
        return True
    return False


FIRST_TOKEN = """
import sys, llama_cpp
try:
    llama_cpp.Llama(sys.argv[1], n_ctx=64, verbose=False).create_completion("Hello", max_tokens=1)
except Exception as error:  # of the model file: the doctor's business
    print(error)
"""


def engine_pin() -> str:
    """`llama-cpp-python==version` with the hash of its source package."""
    return next(pin for pin in pins(tests=False) if pin.startswith(f"{ENGINE}=="))


def _keep(wheel: Path, folder: Path) -> Path:
    """Put a wheel into the cache with its SHA-256; the wheel comes last and at one stroke."""
    kept = folder / wheel.name
    new = folder / f"{wheel.name}.{os.getpid()}"
    new.write_bytes(wheel.read_bytes())
    _checksum(kept).write_text(_sha256(new), encoding="ascii")
    return new.replace(kept)


def _is_intact(wheel: Path) -> bool:
    return _checksum(wheel).exists() and _checksum(wheel).read_text(encoding="ascii").strip() == _sha256(wheel)


def _forget(wheel: Path) -> None:
    wheel.unlink(missing_ok=True)
    _checksum(wheel).unlink(missing_ok=True)


def _checksum(wheel: Path) -> Path:
    return wheel.with_name(f"{wheel.name}.sha256")


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
