"""Pin everything that lab.py installs: `uv run --no-project .ci/lock.py`, or with uv on the PATH `python3 .ci/lock.py`.

Writes requirements.txt (the lab, from pyproject.toml), requirements-test.txt (what the tests add to it) and
requirements-build.txt (what builds llama-cpp-python), for every system and every Python that pyproject.toml allows, with the
hashes of all files. Pins that still fit are kept; `--upgrade` takes the newest, and `--upgrade-package NAME` the newest of one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOR_SETUP = "uv\nhatchling\neditables\n"  # what installs the packages, and labkit itself
FOR_ENGINE = "scikit-build-core[pyproject]\ncmake\nninja\n"
HEADER = "# Written by .ci/lock.py: every version is pinned, every file is known by its hash.\n"


def resolve(target: Path, *sources: str, extra: str = "") -> list[str]:
    """Let uv resolve into a file, which is what it keeps pins from; give back the pins, each with its hashes."""
    command = ["uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header", "--no-annotate"]
    command += ["--python-version", "3.11", "--output-file", str(target), *sources, "-", *sys.argv[1:]]
    subprocess.run(command, input=extra, text=True, check=True, cwd=ROOT)
    return re.findall(r"^[A-Za-z].*(?:\n[ \t]+--hash.*)+", target.read_text(encoding="utf-8"), re.MULTILINE)


def write(name: str, pins: list[str], first: str = "") -> None:
    (ROOT / name).write_text(HEADER + first + "\n".join(pins) + "\n", encoding="utf-8")


def main() -> None:
    lab = resolve(ROOT / "requirements.txt", "pyproject.toml", extra=FOR_SETUP)
    write("requirements.txt", lab)
    tests = ROOT / "requirements-test.txt"
    old = tests.read_text(encoding="utf-8").replace("-r requirements.txt\n", "") if tests.exists() else ""
    tests.write_text(old, encoding="utf-8")
    everything = resolve(tests, "pyproject.toml", "--extra=test", "--constraint=requirements.txt", extra=FOR_SETUP)
    write("requirements-test.txt", [pin for pin in everything if pin not in lab], "-r requirements.txt\n")
    write("requirements-build.txt", resolve(ROOT / "requirements-build.txt", extra=FOR_ENGINE))


if __name__ == "__main__":
    main()
