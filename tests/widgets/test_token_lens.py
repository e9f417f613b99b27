"""The token lens: the walk without a widget, bars from kept logits, tokens taken by hand."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest

import labkit as lab
from labkit.chat import Options
from labkit.errors import CapabilityError, ContextWindowExceededError, OptionError
from labkit.sampling import look
from labkit.widgets._walk import MOST_TOKENS, Walk, visible

from .helpers import PAYLOAD, click, done, enter, shown

PROMPT = "Tell a story about a fox."


@pytest.fixture(scope="module")
def model():
    with lab.load("mini-m") as model:
        yield model


@pytest.fixture
def lens(model):
    return done(lab.widgets.token_lens(model, PROMPT, seed=1))


def widths(widget) -> list[float]:
    """Of the lower bars, in percent."""
    return [float(width) for width in re.findall(r"lk-after' style='width:([\d.]+)%", widget.bars.value)]


def test_a_place_is_what_next_tokens_tells(model):
    place = look(model, PROMPT, so_far="Once there was")
    for way in ({}, {"temperature": 0}, {"temperature": 1.5, "top_k": 3, "min_p": 0.1}):
        frame, again = lab.next_tokens(model, PROMPT, 9, so_far="Once there was", **way), place.frame(9, **way)
        assert again.equals(frame) and again.attrs == frame.attrs


def test_a_walk_is_the_reply_token_by_token(model):
    walk = Walk(model, PROMPT)
    walk.begin()
    walk.generate(12, Options(temperature=0))
    reply = model.chat(PROMPT, temperature=0, max_tokens=12)
    assert walk.text == reply.text and all(step.rank == 1 for step in walk.steps)
    for index, step in enumerate(walk.steps):
        direct = look(model, PROMPT, so_far=[s.token for s in walk.steps[:index]])
        assert np.allclose(direct.logits, walk.places[index].logits, atol=0.05) and direct.previous == walk.places[index].previous
        assert step.probability == pytest.approx(float(direct.probabilities()[step.token]), abs=0.01)


def test_a_walk_goes_on_from_the_token_taken(model):
    walk = Walk(model, PROMPT)
    walk.begin()
    walk.generate(5, Options(temperature=0))
    kept = [step.token for step in walk.steps[:2]]
    other = walk.places[2].likeliest(3)[2]
    walk.take(2, other, Options())
    assert [step.token for step in walk.steps] == [*kept, other] and walk.steps[2].rank == 3 and len(walk.places) == 4
    assert np.allclose(walk.places[3].logits, look(model, PROMPT, so_far=[*kept, other]).logits, atol=0.05)
    walk.back(1)
    assert len(walk.steps) == 1 and len(walk.places) == 2


def test_a_walk_draws_the_same_from_the_same_seed(model):
    texts = []
    for seed in (3, 3, 4):
        walk = Walk(model, PROMPT, seed=seed)
        walk.begin()
        walk.generate(10, Options(temperature=1.5, top_k=0, top_p=1.0))
        texts.append(walk.text)
    assert texts[0] == texts[1] != texts[2]


def test_a_walk_ends_where_it_must(model):
    walk = Walk(model, "Hello!")
    walk.begin()
    walk.generate(500, Options(temperature=0))
    assert walk.ended and len(walk.steps) <= MOST_TOKENS and (walk.full or len(walk.places) == len(walk.steps))
    stopped, seen = threading.Event(), []
    walk.begin()
    walk.generate(50, Options(temperature=2.0, top_k=0), stopped, lambda: seen.append(1) or (len(seen) == 3 and stopped.set()))
    assert len(walk.steps) == len(seen) <= 4 and len(walk.places) >= len(walk.steps)
    with pytest.raises(ContextWindowExceededError):
        Walk(model, "word " * 3000).begin()


def test_tokens_are_visible():
    assert visible(" a\n\t") == "␣a↵⇥" and visible("") == "∅" and "\x1b" not in visible("\x1b[31m") and "\u202e" not in visible("\u202e")


def test_bars_follow_the_sliders_and_nothing_is_generated(lens, model):
    place = lens.walk.places[0]
    for name, value in (("temperature", 0.0), ("temperature", 1.7), ("top_k", 3), ("top_p", 0.3), ("min_p", 0.4)):
        lens.sliders[name].value = value
        expected = place.after(lens.options)[place.likeliest(12)]
        assert widths(lens) == pytest.approx(expected * 100, abs=0.01), name
        assert f"{(place.after(lens.options) > 0).sum()} of" in lens.kept.value
    assert lens.walk.places == [place] and not lens.walk.steps and "out" in lens.bars.value


def test_taking_a_token_goes_on_from_there(lens):
    second = lens.walk.places[0].likeliest(2)[1]
    click(lens.choices[1])
    assert [step.token for step in done(lens).walk.steps] == [second] and lens.walk.steps[0].rank == 2
    assert len(lens.tokens.children) == 1 and "number 2" in lens.tokens.children[0].tooltip and "Place 2" in lens._place_line.value
    click(lens.more_button)
    count = len(done(lens).walk.steps)
    assert 1 < count <= 21 and len(lens.tokens.children) == count
    click(lens.tokens.children[0])  # back to the first place, with what else could have come
    assert "Place 1: here came" in lens._place_line.value and "lk-chosen" in lens.choices[1]._dom_classes
    click(lens.choices[0])
    assert len(done(lens).walk.steps) == 1 and lens.walk.steps[0].rank == 1
    click(lens.back_button)
    assert not lens.walk.steps and not lens.tokens.children and lens.back_button.disabled


def test_a_likely_token_looks_other_than_a_surprising_one(lens):
    lens.sliders["temperature"].value = 2.0
    lens.sliders["top_k"].value = 0
    lens.sliders["top_p"].value = 1.0
    click(lens.more_button)
    done(lens)
    for button, step in zip(lens.tokens.children, lens.walk.steps, strict=True):
        shade = sum(step.probability < limit for limit in (0.5, 0.2, 0.05, 0.01))
        assert f"lk-p{shade}" in button._dom_classes and "number" in button.tooltip  # the shade is not all that tells it


def test_twin_and_snapshot_say_what_the_bars_say(lens):
    lens.twin_button.value = True
    lens.sliders["top_k"].value = 2
    assert lens.text.count("→ out") == 10 and "top_k=2" in lens.text
    assert lab.display.escape(lens.text) in lens._twin.value
    bundle = lens._repr_mimebundle_()
    assert bundle["text/plain"] == lens.text and bundle["text/html"].count("<tr>") == 13


def test_a_new_prompt_starts_anew(lens):
    click(lens.draw_button)
    enter(done(lens).prompt, "What is a token?")
    assert not done(lens).walk.steps and lens.walk.messages[0].content == "What is a token?" and "What is a token?" in lens.text
    enter(lens.prompt, "")
    assert "Write a prompt" in lens.status.value
    enter(lens.prompt, "word " * 3000)
    assert "context window" in done(lens).status.value and "lk-error" in lens.status.value and not lens.look_button.disabled


def test_what_was_typed_is_escaped(model):
    lens = done(lab.widgets.token_lens(model, PAYLOAD))
    lens.twin_button.value = True
    for text in (lens._twin.value, lens.bars.value, lens.kept.value, lens._place_line.value, lens._repr_mimebundle_()["text/html"]):
        assert "<img" not in text and "<script" not in text
    assert PAYLOAD in lens.text


def test_through_ollama_it_shows_what_is_told(ollama_server, model):
    lens = done(lab.widgets.token_lens(f"ollama:mini-m@{ollama_server.url}", PROMPT))
    click(lens.look_button)
    done(lens)
    ours = look(model, PROMPT)
    assert len(lens.walk.places[0].logits) == 20
    assert np.allclose(lens.walk.places[0].probabilities()[:5], ours.probabilities()[ours.likeliest(5)], atol=2e-3)
    click(lens.choices[0])
    assert "middle of an answer" in done(lens).status.value
    with pytest.raises(CapabilityError):
        lens.walk.generate(1, Options())


def test_a_shipped_name_is_looked_at_at_once():
    assert done(lab.widgets.token_lens("mini-m", PROMPT)).walk.places


def test_a_dead_server_shows_its_error_in_place():
    lens = lab.widgets.token_lens("ollama:good@http://127.0.0.1:9", PROMPT)
    click(lens.look_button)
    assert "127.0.0.1:9" in done(lens).status.value and lens.draw_button.disabled and "Nothing computed" in lens.text


def test_sliders_reach_what_was_asked(model):
    assert lab.widgets.token_lens(model, top_p=0.005, min_p=0.7).options.top_p == 0.005


def test_wrong_arguments_fail_at_once(model):
    for call in (
        lambda: lab.widgets.token_lens(model, n=0),
        lambda: lab.widgets.token_lens(model, lang="fr"),
        lambda: lab.widgets.token_lens(model, topk=1),
    ):
        with pytest.raises(OptionError):
            call()


def test_spanish_says_everything_in_spanish(model):
    lens = done(lab.widgets.token_lens(model, lang="es"))
    click(lens.draw_button)
    text = shown(done(lens)) + lens.text
    assert "Sortear" in text and "Lugar 2" in text and not re.search(r"Draw|Place|tokens can be", text)


def test_every_control_is_labelled(lens):
    controls = [lens.prompt, *lens.sliders.values(), lens.look_button, lens.draw_button, *lens.choices]
    assert all(control.description for control in controls) and all(slider.tooltip for slider in lens.sliders.values())
