"""What a hostile model, file, server or person says, through every widget: no script runs, nothing is loaded, it is readable as text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from labkit.widgets._walk import visible as token_text
from labkit.zoo import catalog

from .jupyter import Notebook, open_page
from .payloads import PAYLOADS
from .test_payloads import check
from .using import answers, button, show, tells, until_free

TEXT = "\n".join(PAYLOADS.values())
PREPARE = """import json, labkit as lab
from labkit.rag.documents import Document
payloads = json.load(open("payloads.json", encoding="utf-8"))
text = "\\n".join(payloads)"""


@pytest.fixture(scope="module")
def book(open_notebook, lab) -> Notebook:
    (lab.folder / "payloads.json").write_text(json.dumps(list(PAYLOADS.values())), encoding="utf-8")
    notebook = open_notebook("widget-payloads.ipynb")
    notebook.do(PREPARE)
    return notebook


def harmless(book: Notebook, panel: Any, expected: dict[str, str] = PAYLOADS) -> None:
    """In the widget and in its text twin."""
    button(panel, "Show as text").click()
    panel.locator(".lk-twin").wait_for()
    check(book.page, panel, book.outside, expected=expected)
    check(book.page, panel.locator(".lk-twin"), book.outside, expected=expected)
    assert not book.dialogs and not book.outside


def server(misbehaving: Any) -> str:
    """The name of its model, as `load` takes it."""
    return f"ollama:good@{misbehaving.url}"


def test_in_the_chat(book, misbehaving_server):
    misbehaving_server.faults["/api/chat"] = answers(TEXT)
    panel = show(book, f"lab.widgets.chat({server(misbehaving_server)!r}, system=text)")
    panel.get_by_label("Message").fill(" ".join(PAYLOADS.values()))
    button(panel, "Show what was sent").click()
    button(panel, "Send").click()
    until_free(panel, "Regenerate")
    panel.locator(".lk-model").filter(has_text=PAYLOADS["comment"]).wait_for()
    harmless(book, panel)
    for part in (".lk-turn >> nth=0", ".lk-model"):
        check(book.page, panel.locator(part), book.outside)


def test_in_the_playground(book, misbehaving_server):
    misbehaving_server.faults["/api/chat"] = answers(TEXT)
    panel = show(book, f"lab.widgets.playground({server(misbehaving_server)!r}, text, samples=2)")
    button(panel, "Generate").click()
    panel.get_by_role("status").filter(has_text="in 2 samples").wait_for()
    harmless(book, panel)


@pytest.mark.parametrize("part", range(3))
def test_in_the_token_lens(book, misbehaving_server, part):
    """A server tells 20 tokens at a time; spaces and what has no shape are shown as signs."""
    some = dict(list(PAYLOADS.items())[part * 20 :][:20])
    misbehaving_server.faults["/api/chat"] = tells(*some.values())
    panel = show(book, f"lab.widgets.token_lens({server(misbehaving_server)!r}, ' '.join(payloads), n=20)")
    button(panel, "Look").click()
    panel.locator(".lk-bar").nth(len(some) - 1).wait_for()
    harmless(book, panel, {name: token_text(text) for name, text in some.items()})


def test_in_the_arena(book, misbehaving_server):
    misbehaving_server.faults["/api/chat"] = answers(TEXT)
    code = f"""one, two = (lab.load({server(misbehaving_server)!r}) for _ in "12")
one.name, two.name = text, "2" + text
lab.widgets.arena([one, two], seed=1)"""
    panel = show(book, code)
    panel.get_by_label("Prompt").fill(" ".join(PAYLOADS.values()))
    button(panel, "Ask all").click()
    until_free(panel, "A is better")
    button(panel, "A is better").click()
    panel.locator("table").wait_for()
    harmless(book, panel)
    for part in (".lk-model >> nth=0", ".lk-model >> nth=1", "table"):
        check(book.page, panel.locator(part), book.outside)


def test_in_the_microscope(book, misbehaving_server):
    """Of documents, their titles and places, of the question, and of the answer with what it cites."""
    misbehaving_server.faults["/api/chat"] = answers(f"{TEXT} [1]. It opens [9].")
    code = f"""kb = lab.KnowledgeBase(None, size=4000)
kb.add([Document(text, text, title=text)])
lab.widgets.microscope(kb, {server(misbehaving_server)!r}, k=10)"""
    panel = show(book, code)
    panel.get_by_label("Question").fill(" ".join(PAYLOADS.values()))
    button(panel, "Show what was sent").click()
    button(panel, "Answer").click()
    panel.locator(".lk-model").first.wait_for()
    until_free(panel, "Answer")
    harmless(book, panel)


def test_in_the_memory_gauge(book):
    """Of files that are named so; a name that no file can have is left out."""
    names = [text for text in PAYLOADS.values() if all(len(part.encode()) < 250 for part in text.split("/"))]
    assert len(names) >= 30
    for name in names:
        file = Path(book.lab.folder, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(catalog.path("mini-m"), file)
    (book.lab.folder / "names.json").write_text(json.dumps(names), encoding="utf-8")
    for start in range(0, len(names), 20):  # JupyterLab shows 50 outputs of a cell, and a widget has two
        some = names[start : start + 20]
        panels = book.do(f'for name in json.load(open("names.json"))[{start}:][:20]: display(lab.widgets.memory_gauge(name))').locator(
            ".labkit-panel"
        )
        panels.nth(len(some) - 1).wait_for()
        check(book.page, panels, book.outside, expected={name: text for name, text in PAYLOADS.items() if text in some})
    assert not book.dialogs and not book.outside


def test_in_a_notebook_from_elsewhere(book, browser, lab):
    """What was saved, opened as a file that this machine did not make, without a kernel: the snapshots."""
    copy = nbformat.read(book.save(), as_version=4)
    copy.metadata["origin"] = "another machine"
    nbformat.write(copy, lab.folder / "untrusted.ipynb")
    page, outside = open_page(browser, lab.address("untrusted.ipynb"))
    page.locator(".labkit-snapshot").filter(has_text=PAYLOADS["comment"]).first.wait_for()
    check(page, page.locator(".jp-OutputArea-output"), outside)
    page.context.close()


def test_in_an_exported_page(book, browser):
    file = book.save()
    subprocess.run([sys.executable, "-m", "nbconvert", "--to", "html", file], check=True, capture_output=True, timeout=300)
    page, outside = open_page(browser, file.with_suffix(".html").as_uri())
    check(page, page.locator(".jp-OutputArea-output"), outside)
    page.context.close()
