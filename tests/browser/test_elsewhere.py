"""A notebook with every widget outside JupyterLab: in Voilà, and as an exported page. docs/widgets-elsewhere.md says what this shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from ..servers.programs import free_port, running
from .jupyter import open_page
from .using import button, drag, until_free

DATA = Path(__file__).parents[2] / "data"
CELLS = [
    'import labkit as lab\nmodel = lab.load("mini-m")',
    'lab.widgets.chat("mini-m", seed=1, max_tokens=20)',
    'lab.widgets.playground(model, "Hello!", seed=1, max_tokens=20)',
    'lab.widgets.token_lens(model, "Tell a story about a fox.", temperature=1, top_k=0, top_p=1)',
    'lab.widgets.arena([model, "ollama:llama3.2:1b"])',
    f'lab.widgets.microscope(lab.KnowledgeBase.from_folder({str(DATA / "en")!r}, None), model, "When does the workshop open?")',
    'lab.widgets.memory_gauge("mini-m")',
    'model.chat("Hello!", temperature=0, max_tokens=8)',
]
TITLES = ("Chat", "Playground", "Token lens", "Arena", "RAG microscope", "Memory gauge")

# What the pages of nbconvert and Voilà ask for, and do without where there is no network.
SCRIPTS = ("https://cdnjs.cloudflare.com/", "https://unpkg.com/@jupyter-widgets/", "https://cdn.jsdelivr.net/")


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook with widgets, never run."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = tmp_path_factory.mktemp("elsewhere") / "widgets.ipynb"
    nbformat.write(book, path)
    return path


def test_exported_page_shows_a_snapshot_without_the_network(browser, notebook, pictures):
    book = nbformat.read(notebook, as_version=4)
    NotebookClient(book, timeout=300, kernel_name="python3").execute()
    executed = notebook.with_name("executed.ipynb")
    nbformat.write(book, executed)
    subprocess.run([sys.executable, "-m", "nbconvert", "--to", "html", executed], check=True, capture_output=True, timeout=300)
    page, outside = open_page(browser, executed.with_suffix(".html").as_uri())
    text = page.locator("main").inner_text()
    page.screenshot(path=pictures / "exported.png", full_page=True)
    assert [title for title in TITLES if title not in text] == []
    assert "can be drawn" in text and "No messages yet" in text and "No votes yet" in text and "working space" in text
    assert "tokens/s" in text, "a reply is a plain output"
    assert not [url for url in outside if not url.startswith(SCRIPTS)]
    page.context.close()


def test_voila_shows_every_widget_alive(browser, notebook, pictures, tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "voila", str(notebook), "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    with running(command, tmp_path / "voila.log", f"{url}/voila/static/voila.js", {"OLLAMA_HOST": "http://127.0.0.1:9"}, seconds=300):
        page, outside = open_page(browser, url)
        panels = page.locator(".labkit-panel")
        panels.nth(len(TITLES) - 1).wait_for()
        assert [panel.locator(".lk-title").inner_text() for panel in panels.all()] == list(TITLES)
        chat, lens = panels.nth(0), panels.nth(2)
        chat.get_by_label("Message").fill("Hello!")
        button(chat, "Send").click()
        chat.get_by_text("tokens/s").wait_for()
        until_free(chat, "Regenerate")
        drag(lens, "temperature", 0)
        page.wait_for_function("panel => parseFloat(panel.querySelector('.lk-after').style.width) === 100", arg=lens.element_handle())
        page.screenshot(path=pictures / "voila.png", full_page=True)
        assert page.locator(".labkit-snapshot:visible").count() == 0, "a live widget hides its snapshot"
        assert not [url for url in outside if not url.startswith(SCRIPTS)]
        page.context.close()
