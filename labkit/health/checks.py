"""The checks, each a function that looks at one thing and changes nothing."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from .. import display, settings
from ..errors import LabError
from ..machine import machine
from ..zoo import catalog
from .report import Check
from .texts import NAMES, TEXTS, UNREAD

PACKAGES = ("jupyterlab", "ipywidgets", "llama-cpp-python", "ollama", "papermill", "nbval", "pandas", "matplotlib", "httpx", "psutil")
KIT = Path(__file__).parents[2]
MEMORY_NEEDED = 400_000_000
DISK_NEEDED = 2_000_000_000


def python(lang: str) -> Sequence[Check]:
    found = f"{sys.version.split()[0]}, {_short(Path(sys.executable))}"
    old = sys.version_info < (3, 11)
    return [Check(NAMES[lang]["python"], "problem" if old else "ok", found, TEXTS[lang]["python_old"] if old else "")]


def _short(path: Path) -> str:
    """A path as people say it: from the kit's folder, or from their home."""
    for base, name in ((KIT, ""), (Path.home(), "~")):
        if path.is_relative_to(base):
            return str(Path(name, path.relative_to(base)))
    return str(path)


def packages(lang: str) -> Sequence[Check]:
    missing = [name for name in PACKAGES if not _version(name)]
    if missing:
        return [Check(NAMES[lang]["packages"], "problem", TEXTS[lang]["missing"].format(names=", ".join(missing)), TEXTS[lang]["set_up"])]
    return [Check(NAMES[lang]["packages"], "ok", TEXTS[lang]["packages_ok"].format(count=len(PACKAGES)))]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def engine(lang: str) -> Sequence[Check]:
    try:
        import llama_cpp
    except Exception as error:  # a library that does not fit the machine fails in many ways
        text = TEXTS[lang]["engine_absent"].format(error=error)
        return [Check(NAMES[lang]["engine"], "problem", text, TEXTS[lang]["set_up"])]
    return [Check(NAMES[lang]["engine"], "ok", TEXTS[lang]["engine_ok"].format(version=llama_cpp.__version__))]


def _failed(name: str, error: LabError, lang: str) -> Check:
    *said, fix = error.parts(lang)
    return Check(NAMES[lang][name], "problem", " ".join(said), fix)


def models(lang: str) -> Sequence[Check]:
    try:
        size = sum(catalog.path(name).stat().st_size for name in catalog.names())
    except LabError as error:
        return [_failed("models", error, lang)]
    text = TEXTS[lang]["models_ok"].format(names=", ".join(catalog.names()), size=display.bytes_text(size))
    return [Check(NAMES[lang]["models"], "ok", text)]


def answer(lang: str) -> Sequence[Check]:
    from ..backends.registry import load

    name = next(name for name in catalog.names() if catalog.card(name).kind == "chat")
    start = time.perf_counter()
    try:
        with load(name) as model:
            reply = model.chat("Hello", temperature=0, max_tokens=20, timeout=60)
    except LabError as error:
        return [_failed("answer", error, lang)]
    seconds = time.perf_counter() - start
    text = TEXTS[lang]["answer_ok"].format(model=name, tokens=reply.usage.completion_tokens, seconds=seconds)
    return [Check(NAMES[lang]["answer"], "ok", text)]


def hardware(lang: str) -> Sequence[Check]:
    here, texts = machine(), TEXTS[lang]
    sizes = {"available": display.bytes_text(here.memory_available), "total": display.bytes_text(here.memory_total)}
    low = here.memory_available < MEMORY_NEEDED
    memory = texts["memory_limited" if here.memory_limited else "memory"].format(**sizes)
    folder = _existing(settings.read().ollama_store)
    free = shutil.disk_usage(folder).free
    disk_low = free < DISK_NEEDED
    return [
        Check(NAMES[lang]["memory"], "problem" if low else "ok", memory, texts["memory_low"] if low else ""),
        Check(NAMES[lang]["cores"], "ok", texts["cores"].format(cores=here.cores, system=here.system)),
        Check(
            NAMES[lang]["disk"],
            "note" if disk_low else "ok",
            texts["disk"].format(free=display.bytes_text(free), folder=_short(folder)),
            texts["disk_low"] if disk_low else "",
        ),
    ]


def _existing(folder: Path) -> Path:
    """The nearest folder above that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())


def writing(lang: str) -> Sequence[Check]:
    found = []
    for folder in (Path.cwd(), settings.read().cache):
        try:
            with tempfile.TemporaryFile(dir=_existing(folder)) as file:
                file.write(b"labkit")
        except OSError as error:
            text = TEXTS[lang]["folder_bad"].format(folder=_short(folder), error=error.strerror)
            found.append(Check(NAMES[lang]["folder"], "problem", text, TEXTS[lang]["folder_fix"]))
    folders = TEXTS[lang]["folder_ok"].format(folder=_short(Path.cwd()))
    return found or [Check(NAMES[lang]["folder"], "ok", folders)]


def ollama(lang: str) -> Sequence[Check]:
    from ..backends.ollama_store import OllamaServer
    from ..backends.ollama_words import SAFE_VERSION, older_than

    texts, program = TEXTS[lang], shutil.which("ollama")
    here = Check(NAMES[lang]["ollama"], "ok", texts["ollama_ok"].format(path=_short(Path(program or ""))))
    if not program:
        here = Check(NAMES[lang]["ollama"], "note", texts["ollama_absent"], texts["ollama_get"])
    try:
        url = settings.read().ollama
    except LabError as error:
        return [here, _failed("server", error, lang)]
    try:
        server = OllamaServer(timeout=3)
        version, count = server.version(), len(server.list())
    except LabError:
        advice = texts["server_start"] if program else ""
        return [here, Check(NAMES[lang]["server"], "note", texts["server_absent"].format(url=url), advice)]
    found = texts["server_ok"].format(version=version, url=url, count=count)
    if older_than(version, SAFE_VERSION):
        return [here, Check(NAMES[lang]["server"], "note", found, texts["server_old"].format(version=version))]
    return [here, Check(NAMES[lang]["server"], "ok", found)]


def environment(lang: str) -> Sequence[Check]:
    name, texts, found = NAMES[lang]["environment"], TEXTS[lang], []
    for variable, advice in UNREAD.items():
        if variable in os.environ:
            found.append(Check(name, "note", texts["unread"].format(name=variable), advice[lang]))
    host = os.environ.get("OLLAMA_HOST", "")
    if any(wide in host for wide in ("0.0.0.0", "[::]")):
        found.append(Check(name, "note", texts["server_open"].format(value=host), texts["server_open_fix"]))
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        if value := os.environ.get(variable):
            shown = value.rpartition("@")[2]  # a proxy's password is nobody's business
            found.append(Check(name, "note", texts["proxy"].format(name=variable, value=shown), texts["proxy_fix"]))
    return found


CHECKS = (python, packages, engine, models, answer, hardware, writing, ollama, environment)
