"""Each widget in a real JupyterLab, used as a person would: typed into, dragged, stopped, looked at in both themes."""

from __future__ import annotations

from typing import Any

import pytest

from .jupyter import THEMES, Notebook

# Notes every length that the last answer had while it grew.
WATCH = """panel => {
    const seen = panel.seen = [];
    new MutationObserver(() => {
        const length = [...panel.querySelectorAll('.lk-model')].at(-1)?.textContent.length ?? 0;
        if (length !== seen.at(-1)) seen.push(length);
    }).observe(panel, {subtree: true, childList: true, characterData: true});
}"""

WHOLE = "panel => parseFloat(panel.querySelector('.lk-after').style.width) === 100"  # the likeliest token takes it all


@pytest.fixture(scope="module")
def book(open_notebook) -> Notebook:
    notebook = open_notebook("widgets.ipynb")
    notebook.do('import labkit as lab\nmodel = lab.load("mini-m")')
    return notebook


def show(book: Notebook, code: str) -> Any:
    """Run a cell that ends in a widget; the widget, once it is drawn."""
    panel = book.do(code).locator(".labkit-panel")
    panel.wait_for()
    return panel


def button(panel: Any, name: str) -> Any:
    """A button by what stands on it."""
    return panel.get_by_role("button", name=name, exact=True)


def drag(panel: Any, label: str, share: float) -> None:
    """Drag a slider to a place between its ends, with the mouse."""
    slider = panel.locator(".widget-slider").filter(has=panel.page.locator(f".widget-label:text-is('{label}')"))
    slider.scroll_into_view_if_needed()
    handle, track = slider.locator(".noUi-handle").bounding_box(), slider.locator(".noUi-base").bounding_box()
    mouse = panel.page.mouse
    mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    mouse.down()
    mouse.move(track["x"] + track["width"] * share, handle["y"] + handle["height"] / 2, steps=8)
    mouse.up()


# Chat


def test_chat_streams_what_was_asked(book):
    panel = show(book, 'lab.widgets.chat("mini-m", seed=1, max_tokens=200)')
    panel.evaluate(WATCH)
    panel.get_by_label("Message").click()
    book.page.keyboard.type("Tell a story about a fox.")
    book.page.keyboard.press("Enter")
    panel.get_by_text("tokens/s").filter(has_text="ended by itself").or_(panel.get_by_text("cut:")).first.wait_for()
    seen = panel.evaluate("panel => panel.seen")
    assert len([length for length in seen if length]) >= 3, f"the text did not arrive piece by piece: {seen}"
    assert panel.get_by_label("Message").input_value() == ""
    assert panel.locator(".lk-turn").first.inner_text().endswith("Tell a story about a fox.")


def test_chat_says_that_the_server_is_dead(book):
    panel = show(book, 'lab.widgets.chat("ollama:good@http://127.0.0.1:9")')
    panel.get_by_label("Message").fill("Hello?")
    button(panel, "Send").click()
    panel.get_by_role("alert").filter(has_text="ollama serve").wait_for()
    assert panel.get_by_label("Message").input_value() == "Hello?"


# Token lens


def test_token_lens_follows_the_slider(book):
    panel = show(book, 'lab.widgets.token_lens(model, "Tell a story about a fox.", seed=1, temperature=1, top_k=0, top_p=1)')
    panel.locator(".lk-bar").first.wait_for()
    widths = "panel => [...panel.querySelectorAll('.lk-after')].map(bar => parseFloat(bar.style.width))"
    before = panel.evaluate(widths)
    drag(panel, "temperature", 0)
    book.page.wait_for_function(WHOLE, arg=panel.element_handle())
    drag(panel, "temperature", 1)
    book.page.wait_for_function(f"panel => ({widths})(panel)[0] < {before[0]}", arg=panel.element_handle())


# Memory gauge


def test_memory_gauge_follows_its_sliders(book):
    panel = show(book, 'lab.widgets.memory_gauge("llama3.1:8b", quantization="Q4_K_M")')
    status = panel.get_by_role("status").first
    before = status.inner_text()
    drag(panel, "Context window", 0.95)
    book.page.wait_for_function("([e, old]) => e.innerText !== old", arg=[status.element_handle(), before])


# All of them


def test_screenshots_of_every_widget(book, pictures):
    """In both themes, narrow and wide: nothing sticks out of the page. The pictures are there to be looked at."""
    from playwright.sync_api import expect

    for theme in THEMES:
        book.theme(theme)
        for width in (1280, 800):
            book.width(width)
            for number, panel in enumerate(book.page.locator(".labkit-panel").all()):
                expect(panel).to_be_visible()
                panel.scroll_into_view_if_needed()
                panel.screenshot(path=pictures / f"widget-{number}-{theme.split()[-1].lower()}-{width}.png")
                wide = panel.evaluate("e => [e.scrollWidth, e.closest('.jp-OutputArea-output').clientWidth]")
                assert wide[0] <= wide[1] + 1, f"widget {number} is {wide[0]} px wide in {wide[1]} px"
    book.theme(THEMES[0])
    book.width(1280)


# ipywidgets gives the handle of a slider no accessible name; its label stands beside it, and its readout can be typed into.
KNOWN = "aria-input-field-name"


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious(book, theme):
    from axe_playwright_python.sync_playwright import Axe

    book.theme(theme)
    found = Axe().run(book.page, context={"include": [[".labkit-panel"]]}).response["violations"]
    serious = [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
        if not (rule["id"] == KNOWN and "noUi-handle" in node["html"])
    ]
    assert not serious, "\n".join(serious)
