"""What a reader types into a cell, run by IPython in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys


def run_cell(code: str, *, lang: str) -> subprocess.CompletedProcess[str]:
    """Run `code` as one cell, on a system whose LABKIT_LANG is `lang`."""
    return subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"LABKIT_LANG": lang},
    )
