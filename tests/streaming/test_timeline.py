"""When each chunk came, whole characters, thinking apart: on the real engine."""

from __future__ import annotations

import threading

import pytest

import labkit as lab
from labkit.errors import ContextWindowExceededError, OptionError
from labkit.streaming import Timeline, plot, timeline

from ..backends.synthetic import changed

STORY = "Tell a story about a fox."
LETTERS = "ñandú 🦊 日本 ö"
THINKING = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n<think>\n"


def test_a_timeline_holds_every_chunk_and_its_second(model):
    line = timeline(model.stream(STORY, seed=1, max_tokens=40))
    assert "".join(chunk.text for chunk in line.chunks) == line.reply.text == model.chat(STORY, seed=1, max_tokens=40).text
    assert len(line.gaps) == len(line.chunks) - 1 and min(line.gaps) >= 0
    assert line.time_to_first_token == line.reply.timing.time_to_first_token
    assert (
        line.time_to_first_token + sum(line.gaps) == pytest.approx(line.chunks[-1].elapsed)
        and line.chunks[-1].elapsed <= line.total_duration
    )
    assert line.time_per_token == pytest.approx(1 / line.reply.timing.tokens_per_second)
    assert line.gap(50) <= line.gap(95) <= line.gap(100) == max(line.gaps)
    row = line.row()
    assert row["chunks"] == len(line.chunks) and row["completion_tokens"] == 40 and row["finish_reason"] == "length"


def test_the_frame_has_a_row_for_each_chunk(model):
    line = timeline(model.stream(STORY, seed=1, max_tokens=20))
    frame = line.frame()
    assert list(frame.columns) == ["elapsed", "gap_ms", "characters", "text", "thinking"] and len(frame) == len(line.chunks)
    assert "".join(frame["text"]) == line.reply.text and frame["characters"].iloc[-1] == len(line.reply.text)
    assert frame["elapsed"].is_monotonic_increasing and frame["gap_ms"].isna().sum() == 1
    assert frame["gap_ms"].sum() / 1000 == pytest.approx(sum(line.gaps))


@pytest.mark.parametrize("lang", ["en", "es"])
def test_the_plot_says_in_words_what_it_shows(model, lang):
    lines = [timeline(model.stream(STORY, seed=seed, max_tokens=12)) for seed in (1, 2)]
    for figure in (lines[0].plot(lang), plot(lines, lang)):
        assert figure.png.startswith(b"\x89PNG") and len(figure.png) < 60_000
        assert {"en": "first text after", "es": "primer texto a los"}[lang] in figure.alt
    assert "mini-m" in lines[0]._repr_html_()


def test_a_reply_without_text_has_a_timeline(model):
    line = timeline(model.stream(STORY, temperature=0, max_tokens=1, stop=[model.chat(STORY, temperature=0, max_tokens=1).text]))
    assert line.chunks == () and line.gap(50) is None and line.time_to_first_token is None and line.frame().empty
    assert line.plot().alt.endswith("no text") and line.row()["gap_longest"] is None


def test_text_never_breaks_inside_a_character(model):
    """A grammar makes the model write letters of two, three and four bytes, most of which are tokens of one byte each."""
    stream = model.stream(STORY, schema={"type": "string", "enum": [LETTERS]}, seed=1, max_tokens=200)
    line = timeline(stream)
    assert line.reply.text == f'"{LETTERS}"' and "\ufffd" not in line.reply.text
    assert line.reply.usage.completion_tokens > len(line.chunks), "a chunk of several tokens"
    for chunk in line.chunks:
        assert chunk.text and chunk.text.encode("utf-8").decode("utf-8") == chunk.text and "\ufffd" not in chunk.text


def test_a_character_that_is_cut_off_by_the_limit_is_marked_and_nothing_is_lost(model):
    whole = timeline(model.stream(STORY, schema={"type": "string", "enum": [LETTERS]}, seed=1, max_tokens=200))
    for limit in range(1, whole.reply.usage.completion_tokens):
        cut = timeline(model.stream(STORY, schema={"type": "string", "enum": [LETTERS]}, seed=1, max_tokens=limit)).reply.text
        assert whole.reply.text.startswith(cut.rstrip("\ufffd")) and cut.count("\ufffd") <= 3


def test_thinking_stays_apart(tmp_path):
    with lab.load(changed(tmp_path / "thinks.gguf", {"tokenizer.chat_template": THINKING})) as model:
        line = timeline(model.stream(STORY, seed=1, max_tokens=12))
    assert line.reply.text == "" and line.reply.thinking
    frame = line.frame()
    assert "".join(frame["thinking"]) == line.reply.thinking and not "".join(frame["text"])
    assert frame["characters"].iloc[-1] == len(line.reply.thinking)


def test_a_cancelled_stream_ends_there(model):
    stream = model.stream(STORY, seed=1, max_tokens=400)
    first = next(stream)
    stream.cancel()
    line = timeline(stream)
    assert line.chunks == () and line.reply.finish_reason == "cancelled" and line.reply.text == first.text
    stream = model.stream(STORY, seed=1, max_tokens=None)
    timer = threading.Timer(0.05, stream.cancel)
    timer.start()
    line = timeline(stream)
    timer.join()
    assert line.reply.finish_reason in ("cancelled", "stop", "length") and line.reply.text == "".join(c.text for c in line.chunks)


def test_what_is_no_stream_is_an_error(model):
    for wrong in ("text", ["a", "b"], model):
        with pytest.raises(OptionError, match="stream"):
            timeline(wrong)
    with pytest.raises(ContextWindowExceededError):
        timeline(model.stream("word " * 5000))
    line = Timeline(model.chat("Hi", max_tokens=1, seed=1), ())
    for call in (lambda: line.gap(0), lambda: line.plot("fr"), lambda: plot([]), lambda: plot([line] * 5)):
        with pytest.raises(OptionError):
            call()
