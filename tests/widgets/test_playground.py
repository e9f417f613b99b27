"""The playground: samples without a widget, controls, samples side by side, what goes wrong."""

from __future__ import annotations

import pytest

import labkit as lab
from labkit.chat import MAX_SEED, Options
from labkit.errors import OptionError
from labkit.widgets._playground import samples, settings

from ..servers.misbehaving import drips, sends, slowly
from .helpers import NDJSON, PAYLOAD, click, done, ollama_line, shown

PROMPT = "Tell a story about a fox."


@pytest.fixture(scope="module")
def model():
    with lab.load("mini-m") as model:
        yield model


@pytest.fixture
def ground(model):
    return lab.widgets.playground(model, PROMPT, seed=5, max_tokens=12, samples=2)


def test_samples_are_replies_from_one_seed_after_the_other(model):
    options = Options(seed=MAX_SEED, max_tokens=8, temperature=1.2)
    texts = [stream.finish().text for stream in samples(model, PROMPT, 2, options)]
    assert texts == [model.chat(PROMPT, options=options, seed=seed).text for seed in (MAX_SEED, 0)]


def test_every_control_reaches_the_engine(ground):
    values = {"temperature": 1.3, "top_k": 7, "top_p": 0.6, "min_p": 0.1, "repeat_penalty": 1.2, "presence_penalty": 0.5}
    values |= {"frequency_penalty": -0.5, "max_tokens": 4, "seed": 11}
    for name, value in values.items():
        ground.controls[name].value = value
    ground.controls["stop"].value = "\u2603"
    click(ground.generate_button)
    sent = [reply.sent.request for reply in done(ground).runs[0].replies]
    for name, value in values.items():
        assert sent[0][name] == pytest.approx(value), name
    assert sent[0]["stop"] == ["\u2603"] and sent[1]["seed"] == 12
    assert set(ground.controls) == set(values) | {"stop"}


def test_all_stops_count_until_the_field_changes(model):
    ground = lab.widgets.playground(model, PROMPT, stop=["a", "b"])
    assert ground.options.stop == ("a", "b")
    ground.controls["stop"].value = "c"
    assert ground.options.stop == ("c",)
    ground.controls["stop"].value = ""
    assert ground.options.stop == ()


def test_samples_stand_side_by_side_and_the_run_before_below(ground, model):
    click(ground.generate_button)
    first = [reply.text for reply in done(ground).runs[0].replies]
    assert first == [model.chat(PROMPT, seed=seed, max_tokens=12).text for seed in (5, 6)]
    for column, text in zip(ground.columns, first, strict=False):
        assert lab.display.escape(text) in column.value and column.layout.display is None
    assert ground.columns[2].layout.display == "none" and "2 samples" in ground.status.value
    ground.controls["temperature"].value = 0.0
    click(ground.generate_button)
    assert done(ground).runs[1].different == 1 and "Different texts: 1 in 2" in ground.status.value
    assert [lab.display.escape(text) in column.value for text, column in zip(first, ground.earlier, strict=False)] == [True, True]
    assert "temperature=0," in ground._now.value and "temperature=0.8," in ground._earlier.value


def test_text_arrives_while_it_streams_and_stop_keeps_it(misbehaving_server):
    misbehaving_server.faults["/api/chat"] = drips(NDJSON, ollama_line("word "), 0.02)
    ground = lab.widgets.playground(f"ollama:good@{misbehaving_server.url}", PROMPT)
    seen = []
    ground.columns[0].observe(lambda change: seen.append(change.new), "value")
    click(ground.generate_button)
    while not any("word word" in text for text in seen):
        assert not ground.wait(0.05)
    click(ground.stop_button)
    (reply,) = done(ground).runs[0].replies  # the others were never begun
    assert reply.finish_reason == "cancelled" and reply.text.startswith("word word") and "Stopped." in ground.status.value


def test_errors_stand_in_place(misbehaving_server, ground):
    dead = lab.widgets.playground("ollama:good@http://127.0.0.1:9", PROMPT)
    click(dead.generate_button)
    assert "127.0.0.1:9" in done(dead).status.value and not dead.runs and not dead.generate_button.disabled
    misbehaving_server.faults["/api/chat"] = slowly([NDJSON, *[ollama_line("w ")] * 200], 0.05)
    slow = lab.widgets.playground(f"ollama:good@{misbehaving_server.url}", PROMPT, timeout=0.5)
    click(slow.generate_button)
    assert "not complete after 0.5 s" in done(slow).status.value and slow.runs[0].replies[0].finish_reason == "error"
    ground.prompt.value = " "
    click(ground.generate_button)
    assert "Write a prompt" in ground.status.value
    ground.prompt.value = "word " * 3000
    click(ground.generate_button)
    assert "context window" in done(ground).status.value


def test_whatever_was_said_is_escaped(misbehaving_server):
    lines = ollama_line(PAYLOAD), ollama_line("", done=True, done_reason="stop", prompt_eval_count=3, eval_count=2), b"0\r\n\r\n"
    misbehaving_server.faults["/api/chat"] = sends(NDJSON, *lines)
    ground = lab.widgets.playground(f"ollama:good@{misbehaving_server.url}", PAYLOAD, samples=1)
    ground.controls["stop"].value = PAYLOAD
    ground.twin_button.value = True
    click(ground.generate_button)
    assert done(ground).runs[0].replies[0].text == PAYLOAD
    markup = [ground.columns[0].value, ground._now.value, ground.status.value, ground._twin.value, ground._repr_mimebundle_()["text/html"]]
    assert not any("<img" in text or "<script" in text for text in markup) and "&lt;img" in ground.columns[0].value


def test_twin_snapshot_languages_and_labels(ground, model):
    assert "No samples yet" in ground.text
    click(ground.generate_button)
    text = done(ground).runs[0].replies[0].text
    bundle = ground._repr_mimebundle_()
    assert text in bundle["text/plain"] and lab.display.escape(text) in bundle["text/html"] and settings(ground.options) in ground.text
    spanish = lab.widgets.playground(model, lang="es", samples=1, max_tokens=3)
    click(spanish.generate_button)
    said = shown(done(spanish)) + spanish.text
    assert "Generar" in said and "muestra 1" in said and not any(word in said for word in ("sample 1", "Divides", "Generate"))
    assert all(control.description for control in (*ground.controls.values(), ground.count, ground.prompt))


def test_wrong_arguments_fail_at_once(model):
    for wrong in ({"samples": 0}, {"samples": 7}, {"lang": "fr"}, {"temprature": 1}):
        with pytest.raises(OptionError):
            lab.widgets.playground(model, **wrong)
