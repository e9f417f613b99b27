"""What a hostile model, file or server says, in every rich display: no script runs, nothing is loaded, and it is readable as text."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from typing import Any

import nbformat
import pytest

from labkit.grading import report
from labkit.rag.hidden import visible

from .jupyter import Notebook, open_page
from .payloads import OUTSIDE, PAYLOADS

PREPARE = """import json, labkit as lab
from dataclasses import replace
from IPython.display import display
from labkit.chat import Reply, Sent, Usage, Timing
payloads = json.load(open("payloads.json", encoding="utf-8"))
def show(values):
    for value in values: display(value)"""

# Display -> the cell that shows every payload in it, wherever a model, a file, a server or an error could put it.
DISPLAYS = {
    "reply": 'show(Reply(p, p, p, thinking=p, tool_calls=({"name": "call", "arguments": {"q": p}},)) for p in payloads)',
    "sent": "show(Sent(p, {p: p}, {p: p}, p) for p in payloads)",
    "models": """from labkit.backends.base import ModelInfo
from labkit.backends.listing import Models
models = Models(ModelInfo(p, p, kind=p, quantization=p, note=p) for p in payloads)
models""",
    "frame": """import pandas as pd
pd.set_option("display.max_colwidth", None, "display.max_rows", None)
models.frame()[["name", "note"]]""",
    "frame columns": "lab.display.frame([range(len(payloads))], columns=payloads, index=[payloads[0]]).T",
    "doctor": """from labkit.health.report import Check, Report
Report(tuple(Check(p, "problem", p, p) for p in payloads))""",
    "measurement": """from labkit.measure import measure
measured = measure(lab.load("mini-m"), "Hello!", max_tokens=4, repeats=1)
replace(measured, notes=tuple(payloads), provenance=replace(measured.provenance, model=payloads[0]))""",
    "table": "from IPython.display import HTML; show(HTML(lab.display.table_html([p], [[p]], p)) for p in payloads)",
    "documents": """from labkit.rag.documents import Document, Documents, Skipped
from labkit.rag.chunks import Passage, Passages
documents = [Document(f"{n}", p, title=p, notes=(p,)) for n, p in enumerate(payloads)]
show([Documents(documents[:50], [Skipped(p, p) for p in payloads]), *documents])""",
    "passages": """passages = [Passage(d.source, d.text, 0, len(d.text), 1, 9, title=d.title) for d in documents]
show([Passages(passages, documents), *passages])""",
    "answer": """from labkit.rag.answer import Answer, Source
from labkit.rag.check import Check as Checked
from labkit.rag.retrieve import Hit, Hits
from labkit.rag.trace import Step, Trace
show(Hits([Hit(x, 0.5, 1, {"vector": 0.5}, 0.5)], x.text, "hybrid") for x in passages)
show(Answer(p, p, "en", (Source(1, x, p, True, 1.0),), checks=(Checked(p, (1,), False, 0.5, (p,), p),)) for p, x in zip(payloads, passages))
show(Trace([Step(p, {}, p, 0.1)]) for p in payloads)""",
    "comparison": """compared = lab.compare([lab.load("mini-m")], payloads[:2], repeats=1, max_tokens=2, log=None)
replace(compared, notes=tuple(payloads))""",
    "sweep": """swept = lab.sweep(lab.load("mini-m"), payloads[0], temperature=[0.1, 0.2], repeats=1, max_tokens=2, log=None)
replace(swept, prompt=payloads[0], model=payloads[1], notes=tuple(payloads))""",
    "check": """from labkit.grading.check import Feedback
from labkit.grading.parts import PartResult, TaskResult
parts = [PartResult(p, 0, 1, hint=p, advice=p, input=p, got=p, expected=p) for p in payloads]
show(Feedback(TaskResult(p.name, 1, (p,)), p.name, "en") for p in parts)""",
    "error": """for p in payloads:
    try: raise lab.errors.ModelNotFoundError(f"No model {p}.", p, p)
    except lab.LabError: get_ipython().showtraceback(exception_only=True)""",
    "text": "print(*payloads, sep='\\n')",
    "text result": "tuple(payloads)",
}
# Shown as Python or the terminal writes it: with other quotes, or with codes that a terminal obeys.
QUOTED = {"text result"}

# What is in the page that no display of labkit puts there. Its own elements: tables, div, pre, code, details, img with data.
STRANGE = """roots => roots.flatMap(root => [...root.querySelectorAll('*')].flatMap(e => {
    const found = [];
    // JupyterLab's icons, pandas' style, and what a widget is made of
    const own = e.closest('svg[data-icon]') || (e.tagName === 'STYLE' && (e.hasAttribute('scoped') || e.closest('.lk-style')))
        || e.matches('.widget-text input, .widget-checkbox input');
    if (!own && e.matches('script,iframe,object,embed,video,audio,form,base,meta,link,style,svg,math,mjx-container,.MathJax,input'))
        found.push(e.tagName);
    for (const a of e.attributes) {
        if (a.name.startsWith('on') && !own) found.push(e.tagName + ' ' + a.name);
        if (/^(src|srcset|href|action|formaction|data|poster|style)$/.test(a.name) && /javascript:|evil\\.example/.test(a.value)
            && !(e.tagName === 'A' && a.name === 'href' && e.textContent.includes(a.value) && a.value.startsWith('https:')))
            found.push(e.tagName + ' ' + a.name + '=' + a.value);
    }
    return found;
}))"""


def words(text: str) -> str:
    """Text with every run of spaces as one, as HTML shows it."""
    return re.sub(r"\s+", " ", text)


def not_shown(areas: Any, expected: dict[str, str]) -> list[str]:
    """Names of the payloads that cannot be read, whatever is folded opened."""
    areas.evaluate_all("roots => roots.forEach(root => root.querySelectorAll('details').forEach(e => { e.open = true; }))")
    shown = words("\n".join(areas.all_inner_texts()))
    return [name for name, text in expected.items() if words(text) not in shown and words(visible(text)) not in shown]


def check(page: Any, areas: Any, outside: list[str], quoted: bool = False, expected: dict[str, str] = PAYLOADS) -> None:
    """Everything is readable, nothing has run, nothing was loaded."""
    expected = {name: repr(text)[1:-1] if quoted else text for name, text in expected.items()}
    deadline = time.monotonic() + 30  # the cell's number can be there before the browser has drawn its outputs
    while (unseen := not_shown(areas, expected)) and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert not unseen
    assert areas.evaluate_all(STRANGE) == []
    assert page.evaluate("window.ran") is None
    assert not [url for url in outside if OUTSIDE in url]


@pytest.fixture(scope="module")
def book(open_notebook, lab) -> Notebook:
    (lab.folder / "payloads.json").write_text(json.dumps(list(PAYLOADS.values())), encoding="utf-8")
    notebook = open_notebook("payloads.ipynb")
    notebook.do(PREPARE)
    return notebook


def test_there_are_thirty_payloads():
    assert len(set(PAYLOADS.values())) >= 30


@pytest.mark.parametrize("name", DISPLAYS)
def test_payload_is_text(book, name):
    area = book.do(DISPLAYS[name])
    check(book.page, area, book.outside, name in QUOTED)
    assert not book.dialogs and not book.outside


def test_payload_is_text_in_pages_for_a_class(browser, tmp_path):
    """The feedback page of a student, and the teacher's overview."""
    parts = [
        {"name": p, "points": 0, "of": 1, "hidden": False, "hint": p, "advice": p, "input": p, "got": p, "expected": p}
        for p in PAYLOADS.values()
    ]
    results = [
        {"student": p, "exercise": p, "points": 0, "of": 1, "notes": [p], "way": "namespaces"}
        | {"tasks": [{"id": p, "points": 0, "of": 1, "parts": [part]}], "errors": [{"cell": p, "kinds": [p], "text": p}], "output": p}
        for p, part in zip(PAYLOADS.values(), parts, strict=True)
    ]
    for name, text in {"student": report.feedback_page("x", results), "overview": report.overview_page(results)}.items():
        file = tmp_path / f"{name}.html"
        file.write_text(text, encoding="utf-8")
        page, outside = open_page(browser, file.as_uri())
        check(page, page.locator("body"), outside)
        page.context.close()


def test_payload_is_text_in_a_notebook_from_elsewhere(book, browser, lab):
    """The same outputs, opened as a file that this machine did not make: JupyterLab cleans what it does not trust."""
    copy = nbformat.read(book.save(), as_version=4)
    copy.metadata["origin"] = "another machine"
    nbformat.write(copy, lab.folder / "untrusted.ipynb")
    page, outside = open_page(browser, lab.address("untrusted.ipynb"))
    page.locator(".jp-OutputArea-output").nth(len(DISPLAYS) - 1).wait_for(state="attached")
    check(page, page.locator(".jp-OutputArea-output"), outside)
    page.context.close()


def test_payload_is_text_in_an_exported_page(book, browser):
    """The same outputs after `nbconvert --to html`, in a page that trusts everything."""
    file = book.save()
    subprocess.run([sys.executable, "-m", "nbconvert", "--to", "html", file], check=True, capture_output=True, timeout=300)
    page, outside = open_page(browser, file.with_suffix(".html").as_uri())
    check(page, page.locator(".jp-OutputArea-output"), outside)
    page.context.close()
