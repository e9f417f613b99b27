"""A real Chromium, driven by Playwright: find it, start it, and say what is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from ..conftest import REAL
from ..servers.programs import absent

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
# No GPU, no sandbox (root in a container has none), and no word to anyone but the page.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
LONG = 120_000  # milliseconds: a busy machine is slow, a broken page waits for ever


def find_chromium() -> str | None:
    """The browser: LABKIT_CHROMIUM, or what PATH has."""
    named = REAL.get("LABKIT_CHROMIUM")
    if named and os.access(named, os.X_OK):
        return named
    return next((path for name in NAMES if (path := shutil.which(name, path=REAL.get("PATH")))), None)


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser with a profile of its own, or a skip with its reason."""
    if not find_spec("playwright"):
        absent("chromium", "playwright is not installed: python3 lab.py setup --tests")
    program = find_chromium() or absent("chromium", "no Chromium on this machine (PATH, LABKIT_CHROMIUM): apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS, timeout=LONG)
        try:
            yield browser
        finally:
            browser.close()
