"""Each widget in a real JupyterLab, used as a person would: typed into, dragged, stopped, voted on, looked at in both themes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..servers.misbehaving import drips
from ..widgets.helpers import NDJSON, ollama_line
from .jupyter import THEMES, Notebook
from .using import WATCH, answers, button, drag, show, slider, streamed, typed, until_free

DATA = Path(__file__).parents[2] / "data"
DEAD = "ollama:good@http://127.0.0.1:9"
PREPARE = f"""import labkit as lab
model = lab.load("mini-m")
small = lab.load("mini-m", context_window=512)
small.name = "mini-m-512"
kb = lab.KnowledgeBase.from_folder({str(DATA / "en")!r}, None)"""

WHOLE = "panel => parseFloat(panel.querySelector('.lk-after').style.width) === 100"  # the likeliest token takes it all


@pytest.fixture(scope="module")
def book(open_notebook) -> Notebook:
    notebook = open_notebook("widgets.ipynb")
    notebook.do(PREPARE)
    return notebook


# Chat


def test_chat_streams_what_was_asked(book):
    panel = show(book, 'lab.widgets.chat("mini-m", seed=1, max_tokens=200)')
    panel.evaluate(WATCH)
    typed(panel, "Message", "Tell a story about a fox.")
    panel.get_by_text("tokens/s").filter(has_text="ended by itself").or_(panel.get_by_text("cut:")).first.wait_for()
    streamed(panel)
    assert panel.get_by_label("Message").input_value() == ""
    assert panel.locator(".lk-turn").first.inner_text().endswith("Tell a story about a fox.")


def test_chat_answers_again_edits_and_shows_what_was_sent(book):
    panel = show(book, "lab.widgets.chat(model, seed=1, max_tokens=20)")
    panel.get_by_label("System prompt").fill("Be brief.")
    panel.get_by_label("Message").fill("Hello!")
    button(panel, "Show what was sent").click()
    button(panel, "Send").click()
    seed = panel.locator(".lk-what tr").filter(has_text="seed")
    seed.filter(has_text="1").wait_for()
    until_free(panel, "Regenerate")
    button(panel, "Regenerate").click()
    seed.filter(has_text="2").wait_for()
    panel.locator(".lk-what summary").click()
    assert "Be brief." in panel.locator(".lk-what").inner_text()
    until_free(panel, "Edit last message")
    assert panel.locator(".lk-model").count() == 1
    button(panel, "Edit last message").click()
    panel.get_by_text("No messages yet").first.wait_for()
    assert panel.get_by_label("Message").input_value() == "Hello!"


@pytest.mark.parametrize("way", ["button", "kernel"])
def test_chat_is_stopped(book, misbehaving_server, way):
    """By its own button, and by the command of JupyterLab that interrupts the kernel."""
    misbehaving_server.faults["/api/chat"] = drips(NDJSON, ollama_line("word "), 0.3)
    panel = show(book, f'lab.widgets.chat("ollama:good@{misbehaving_server.url}")')
    typed(panel, "Message", "Go on for ever.")
    panel.locator(".lk-model").filter(has_text="word word word").wait_for()
    if way == "button":
        button(panel, "Stop").click()
    else:
        book.command("kernelmenu:interrupt")
    until_free(panel, "Send")
    panel.get_by_role("status").filter(has_text="stopped").wait_for()
    assert panel.locator(".lk-model").inner_text().count("word") >= 3


def test_chat_says_that_the_server_is_dead(book):
    panel = show(book, f'lab.widgets.chat("{DEAD}")')
    panel.get_by_label("Message").fill("Hello?")
    button(panel, "Send").click()
    panel.get_by_role("alert").filter(has_text="ollama serve").wait_for()
    assert panel.get_by_label("Message").input_value() == "Hello?"


# Playground


def test_playground_samples_under_its_controls(book):
    panel = show(book, 'lab.widgets.playground(model, "Tell a story about a fox.", seed=1)')
    panel.evaluate(WATCH)
    drag(panel, "temperature", 1)
    button(panel, "Generate").click()
    panel.get_by_role("status").filter(has_text="in 3 samples").wait_for()
    streamed(panel)
    assert panel.locator(".lk-sample .lk-model:visible").count() == 3
    drag(panel, "temperature", 0)
    panel.get_by_label("seed", exact=True).fill("7")
    until_free(panel, "Generate")
    button(panel, "Generate").click()
    panel.get_by_role("status").filter(has_text="Different texts: 1 in 3").wait_for()  # temperature 0 leaves no choice
    now = panel.get_by_text("These settings: temperature=0").inner_text()
    assert "seed=7" in now
    panel.get_by_text("The settings before: temperature=2").wait_for()


def test_playground_is_stopped_and_keeps_what_came(book, misbehaving_server):
    """Six samples of a tiny model can be there before a hand is at the button; these never end."""
    misbehaving_server.faults["/api/chat"] = drips(NDJSON, ollama_line("word "), 0.3)
    panel = show(book, f'lab.widgets.playground("ollama:good@{misbehaving_server.url}", samples=6)')
    button(panel, "Generate").click()
    panel.locator(".lk-sample .lk-model:visible").filter(has_text="word word").wait_for()
    button(panel, "Stop").click()
    panel.get_by_role("status").filter(has_text="Stopped.").wait_for()
    assert panel.locator(".lk-sample .lk-model:visible").filter(has_text="word word").count() == 1
    until_free(panel, "Generate")


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
    slider(panel, "top_k").focus()
    book.page.keyboard.press("ArrowRight")  # from 0, which is off, to 1
    book.page.wait_for_function(WHOLE, arg=panel.element_handle())


def test_token_lens_goes_on_from_a_token(book):
    panel = show(book, 'lab.widgets.token_lens(model, "Tell a story about a fox.", seed=1)')
    third = panel.locator(".lk-choice").nth(2)
    name = third.inner_text()
    third.click()
    panel.locator(".lk-token").first.wait_for()
    assert panel.locator(".lk-token").first.inner_text() == name
    until_free(panel, "One back")
    panel.locator(".lk-token").first.click()
    panel.get_by_text("Place 1: here came").wait_for()
    button(panel, "Show as text").click()
    assert name in panel.locator(".lk-twin").inner_text()
    button(panel, "One back").click()
    panel.locator(".lk-token").first.wait_for(state="detached")


# Arena


def test_arena_is_blind_until_the_vote(book):
    panel = show(book, "lab.widgets.arena([model, small], seed=1, max_tokens=40)")
    panel.evaluate(WATCH)
    typed(panel, "Prompt", "Tell a story about a fox.")
    panel.get_by_text("Which answer is better?").wait_for()
    streamed(panel)
    assert panel.locator(".lk-model").count() == 2
    assert "mini-m" not in panel.inner_text() and "tokens/s" not in panel.inner_text()
    until_free(panel, "B is better")
    button(panel, "B is better").click()
    panel.get_by_role("status").filter(has_text="Thank you. A = ").wait_for()
    assert "mini-m : mini-m-512" in panel.locator("table").inner_text()
    assert "your vote" in panel.locator(".lk-model").nth(1).inner_text()


def test_arena_goes_on_where_one_server_is_dead(book):
    panel = show(book, f'lab.widgets.arena([model, "{DEAD}"], seed=1, max_tokens=20, blind=False)')
    typed(panel, "Prompt", "Hello!")
    panel.get_by_text("there is nothing to vote on").wait_for()
    assert panel.get_by_role("alert").filter(has_text="ollama serve").count() == 1
    assert panel.get_by_text("tokens/s").count() == 1


# RAG microscope


def test_microscope_shows_what_holds_up_a_sentence(book, misbehaving_server):
    misbehaving_server.faults["/api/chat"] = answers("The workshop opens in the morning [1]. It is large.")
    panel = show(book, f'lab.widgets.microscope(kb, "ollama:good@{misbehaving_server.url}")')
    typed(panel, "Question", "When does the workshop open?")
    sentence = panel.locator(".lk-model").first
    sentence.wait_for()
    until_free(panel, "Answer")
    panel.get_by_text("cites no passage").wait_for()
    frame = "panel => getComputedStyle(panel.querySelector('.lk-passage-1')).outlineStyle"
    assert panel.evaluate(frame) == "none"
    sentence.hover()
    assert panel.evaluate(frame) == "solid"


def test_microscope_follows_its_sliders_and_answers(book):
    panel = show(book, 'lab.widgets.microscope(kb, model, "When does the workshop open?", sentences=0)')
    button(panel, "Only search").click()
    panel.get_by_role("status").filter(has_text="Passages found: 4").wait_for()
    drag(panel, "Passages", 0)
    panel.get_by_role("status").filter(has_text="Passages found: 1").wait_for()
    assert panel.locator(".lk-track").count() == 1
    until_free(panel, "Answer")
    button(panel, "Answer").click()
    panel.locator(".lk-model").first.wait_for()
    panel.get_by_role("status").filter(has_text="tokens/s").wait_for()
    panel.get_by_text("What fits into the context window").wait_for()


# Memory gauge


def test_memory_gauge_follows_its_controls(book):
    panel = show(book, 'lab.widgets.memory_gauge("llama3.1:8b", quantization="Q4_K_M")')
    status = panel.get_by_role("status").first
    before = status.inner_text()
    drag(panel, "Context window", 0.95)
    book.page.wait_for_function(
        "([e, old]) => !e.querySelector('[role=status]').innerText.includes(old)", arg=[panel.element_handle(), before]
    )
    panel.get_by_label("Model").select_option("mini-m")
    panel.get_by_role("status").filter(has_text="mini-m at ").wait_for()


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
                panel.screenshot(path=pictures / f"widget-{number:02}-{theme.split()[-1].lower()}-{width}.png")
                wide = panel.evaluate("e => [e.scrollWidth, e.closest('.jp-OutputArea-output').clientWidth]")
                assert wide[0] <= wide[1] + 1, f"widget {number} is {wide[0]} px wide in {wide[1]} px"
    book.theme(THEMES[0])
    book.width(1280)


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious(book, theme):
    from axe_playwright_python.sync_playwright import Axe

    book.theme(theme)
    found = Axe().run(book.page, context={"include": [[".labkit-panel"]]}).response["violations"]
    serious = [
        f"{rule['id']}: {node['html'][:200]}" for rule in found if rule["impact"] in ("serious", "critical") for node in rule["nodes"]
    ]
    assert not serious, "\n".join(serious)
