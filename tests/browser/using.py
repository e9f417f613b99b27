"""Using a widget in the browser as a person does: find it, press, drag, and wait for what it says."""

from __future__ import annotations

import json
from typing import Any

from ..servers.misbehaving import Fault, chunk, sends
from ..widgets.helpers import NDJSON, ollama_line
from .chromium import LONG
from .jupyter import Notebook

# Notes every length that all answers together had while they grew.
WATCH = """panel => {
    const seen = panel.seen = [];
    new MutationObserver(() => {
        const length = [...panel.querySelectorAll('.lk-model')].reduce((sum, e) => sum + e.textContent.length, 0);
        if (length !== seen.at(-1)) seen.push(length);
    }).observe(panel, {subtree: true, childList: true, characterData: true});
}"""


def show(book: Notebook, code: str) -> Any:
    """Run a cell that ends in a widget; the widget, once it is drawn."""
    panel = book.do(code).locator(".labkit-panel")
    panel.wait_for()
    return panel


def button(panel: Any, name: str) -> Any:
    """A button by what stands on it."""
    return panel.get_by_role("button", name=name, exact=True)


def until_free(panel: Any, name: str) -> None:
    """Wait until a button can be pressed again."""
    from playwright.sync_api import expect

    expect(button(panel, name)).to_be_enabled(timeout=LONG)


def typed(panel: Any, label: str, text: str) -> None:
    """Click into a field, type a line and press Enter, as fast as the page takes it."""
    panel.get_by_label(label, exact=True).click()
    panel.page.keyboard.type(text)
    panel.page.keyboard.press("Enter")


def slider(panel: Any, name: str) -> Any:
    """The handle of a slider, by the name that a screen reader says."""
    return panel.get_by_role("slider", name=name, exact=True)


def drag(panel: Any, name: str, share: float) -> None:
    """Drag a slider to a place between its ends, with the mouse."""
    handle = slider(panel, name)
    handle.scroll_into_view_if_needed()
    at, track = handle.bounding_box(), handle.locator("xpath=ancestor::*[contains(@class, 'noUi-base')]").bounding_box()
    mouse = panel.page.mouse
    mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
    mouse.down()
    mouse.move(track["x"] + track["width"] * share, at["y"] + at["height"] / 2, steps=8)
    mouse.up()


def streamed(panel: Any) -> None:
    """What `WATCH` noted is a text that grew piece by piece."""
    seen = panel.evaluate("panel => panel.seen")
    assert len([length for length in seen if length]) >= 3, f"the text did not arrive piece by piece: {seen}"


def answers(text: str) -> Fault:
    """What an Ollama server sends that says this."""
    last = ollama_line("", done=True, done_reason="stop", prompt_eval_count=3, eval_count=2)
    return sends(NDJSON, ollama_line(text), last, chunk(b""))


def tells(*tokens: str) -> Fault:
    """What an Ollama server sends that tells the probabilities of these tokens, all likely alike."""
    found = [{"token": token, "logprob": -3.0} for token in tokens]
    place = {"token": tokens[0], "logprob": -3.0, "top_logprobs": found}
    line = json.dumps({"message": {"role": "assistant", "content": tokens[0]}, "done": True, "logprobs": [place], "prompt_eval_count": 3})
    from ..servers.misbehaving import response

    return sends(response(line))
