"""A real JupyterLab on a free port, and a notebook in it as its reader sees it."""

from __future__ import annotations

import json
import re
import secrets
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

from ..servers.programs import free_port, running
from .chromium import LONG

THEMES = ("JupyterLab Light", "JupyterLab Dark")
# What a first start asks and looks up is answered, the rest stays as it comes.
SETTINGS = {"apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}

# JupyterLab shows "Idle" a moment before a cell that is run would reach the kernel.
READY = """() => {
    const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
    const kernel = context?.session?.kernel;
    return context?.isReady && kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
}"""


class Lab:
    """A running JupyterLab.

    Attributes
    ----------
    url, token : str
    folder : Path
        Where its notebooks are.
    """

    def __init__(self, url: str, token: str, folder: Path) -> None:
        self.url, self.token, self.folder = url, token, folder

    def write(self, name: str, cells: Sequence[str]) -> Path:
        """A notebook of code cells, never run."""
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path = self.folder / name
        nbformat.write(book, path)
        return path

    def address(self, name: str) -> str:
        """Where a browser opens a notebook, in a workspace of its own: without, JupyterLab opens again what was open before."""
        return f"{self.url}/lab/workspaces/{secrets.token_hex(4)}/tree/{name}?token={self.token}"

    def ask(self, path: str, method: str = "GET") -> Any:
        """One call of Jupyter's REST API."""
        request = urllib.request.Request(f"{self.url}/api/{path}", method=method, headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    def end_kernels(self) -> None:
        """End every kernel."""
        for session in self.ask("sessions"):
            self.ask(f"sessions/{session['id']}", "DELETE")


@contextmanager
def jupyterlab(folder: Path, notebooks: Path) -> Iterator[Lab]:
    """JupyterLab over `notebooks`, ended by its own process id; its log and settings are in `folder`; its kernels find no Ollama."""
    for name, values in SETTINGS.items():
        file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")
    port, token = free_port(), secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={notebooks}", "--ServerApp.port_retries=0"]
    command += ["--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly"]
    env = {"JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces")}
    env["OLLAMA_HOST"] = "http://127.0.0.1:9"
    url = f"http://127.0.0.1:{port}"
    with running(command, folder / "jupyter.log", f"{url}/api", env, seconds=300):
        yield Lab(url, token, notebooks)


def stay_inside(page: Any, home: str) -> list[str]:
    """Stop every request to elsewhere than `home`; the list of them, which grows."""
    outside: list[str] = []

    def stop(route: Any) -> None:
        outside.append(route.request.url)
        route.abort()

    page.context.route(re.compile(rf"^(?!{re.escape(home)}|data:|blob:|about:)"), stop)
    return outside


def open_page(browser: Any, url: str, width: int = 1280) -> tuple[Any, list[str]]:
    """A page in a context of its own, and the requests to elsewhere that it made."""
    page = browser.new_context(viewport={"width": width, "height": 1000}).new_page()
    page.set_default_timeout(LONG)
    home = url if url.startswith("file:") else "/".join(url.split("/")[:3])
    outside = stay_inside(page, home)
    page.goto(url, timeout=2 * LONG)
    return page, outside


class Notebook:
    """A notebook that is open in a browser.

    Attributes
    ----------
    page : playwright.sync_api.Page
    outside : list of str
        Every request that left this machine's JupyterLab, stopped before it went.
    """

    def __init__(self, page: Any, lab: Lab, name: str) -> None:
        self.page, self.lab, self.name = page, lab, name
        self.dialogs: list[str] = []
        page.set_default_timeout(LONG)
        page.on("dialog", self._dialog)
        self.outside = stay_inside(page, lab.url)
        page.goto(lab.address(name), wait_until="domcontentloaded")
        self.cells.first.wait_for(timeout=2 * LONG)
        page.wait_for_function(READY, timeout=2 * LONG)

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    @property
    def cells(self) -> Any:
        """The code cells."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell")

    def run(self, index: int, wait: bool = True) -> Any:
        """Run a cell with Shift+Enter, as its reader does; the area of its outputs."""
        cell = self.cells.nth(index)
        cell.locator(".jp-InputArea-editor .cm-content").first.click()
        self.page.keyboard.press("Shift+Enter")
        if wait:
            self.wait(index)
        return cell.locator(".jp-Cell-outputArea")

    def wait(self, index: int) -> None:
        """Until a cell has run."""
        prompt = self.cells.nth(index).locator(".jp-InputArea-prompt")
        self.page.wait_for_function("p => /^\\[\\d+\\]:$/.test(p.textContent.trim())", arg=prompt.element_handle(), timeout=2 * LONG)

    def do(self, code: str) -> Any:
        """Type code into the last cell, which is empty, and run it; the area of its outputs. A new empty cell follows."""
        index = self.cells.count() - 1
        self.cells.nth(index).locator(".cm-content").first.click()
        self.page.keyboard.insert_text(code)
        return self.run(index)

    def command(self, name: str, **arguments: Any) -> None:
        """A command of JupyterLab, as its menus run it."""
        self.page.evaluate("([name, arguments]) => window.jupyterapp.commands.execute(name, arguments)", [name, arguments])

    def theme(self, name: str) -> None:
        """Light or dark, and wait until the page has it."""
        self.command("apputils:change-theme", theme=name)
        self.page.locator(f"body[data-jp-theme-name='{name}']").wait_for(state="attached")

    def width(self, pixels: int, height: int = 1000) -> None:
        """The width of the window."""
        self.page.set_viewport_size({"width": pixels, "height": height})

    def save(self) -> Path:
        """Save, and wait until the file has it."""
        self.page.evaluate("window.jupyterapp.shell.currentWidget.context.save()")
        return self.lab.folder / self.name
