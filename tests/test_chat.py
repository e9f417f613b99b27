from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pytest

from labkit.chat import MAX_SEED, Message, Options, Reply, Sent, Timing, Usage, as_messages
from labkit.errors import OptionError


@pytest.mark.parametrize(
    "bad",
    [
        {"temperature": -0.1},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"temperature": "hot"},
        {"temperature": True},
        {"top_p": 0},
        {"top_p": 1.1},
        {"top_k": -1},
        {"top_k": 2.5},
        {"min_p": -0.1},
        {"min_p": 1.5},
        {"repeat_penalty": 0},
        {"repeat_last_n": -2},
        {"presence_penalty": 3},
        {"frequency_penalty": -3},
        {"seed": -1},
        {"seed": MAX_SEED + 1},
        {"seed": 1.0},
        {"max_tokens": 0},
        {"max_tokens": -1},
        {"stop": ""},
        {"stop": ["", "x"]},
        {"schema": 3},
        {"timeout": 0},
        {"stop": 5},
        {"stop": {"a": 1}},
    ],
    ids=str,
)
def test_option_out_of_range_is_refused_with_its_name(bad):
    with pytest.raises(OptionError, match=next(iter(bad))):
        Options.of(**bad)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("temprature", "temperature"),
        ("num_predict", "max_tokens"),
        ("max_completion_tokens", "max_tokens"),
        ("topp", "top_p"),
        ("format", "schema"),
    ],
)
def test_mistyped_option_names_the_nearest(typed, meant):
    with pytest.raises(OptionError, match=f"Did you mean {meant!r}"):
        Options.of(**{typed: 1})


def test_numbers_of_numpy_are_numbers():
    options = Options.of(seed=np.int64(7), top_k=np.int32(3), temperature=np.float32(0.5))
    assert json.loads(json.dumps([options.seed, options.top_k, options.temperature])) == [7, 3, 0.5]


@pytest.mark.parametrize("bad", [5, "abc", ["a"], [{"type": "function"}], {"function": "f"}], ids=repr)
def test_what_is_no_tool_is_refused(bad):
    with pytest.raises(OptionError, match="tool"):
        Options.of(tools=bad)


def test_one_tool_needs_no_list():
    tool = {"type": "function", "function": {"name": "weather"}}
    assert Options.of(tools=tool).tools == Options.of(tools=[tool]).tools == (tool,)


def test_options_are_no_dict():
    with pytest.raises(OptionError, match="temperature=0"):
        Options.of({"temperature": 0})


def test_an_option_of_loading_says_where_it_belongs():
    with pytest.raises(OptionError, match=r"load\("):
        Options.of(num_ctx=2048)


def test_options_start_from_others_and_stop_may_be_one_text():
    base = Options(temperature=0)
    assert Options.of(base, seed=3, stop="END") == Options(temperature=0, seed=3, stop=("END",))
    assert base.seed is None


def test_a_seed_is_drawn_only_where_none_was_given():
    assert Options(seed=0).with_seed().seed == 0
    drawn = {Options().with_seed().seed for _ in range(8)}
    assert len(drawn) > 1 and all(0 <= seed <= MAX_SEED for seed in drawn)


def test_text_dicts_and_messages_become_messages():
    assert as_messages("hi", system="Be brief.") == (Message("system", "Be brief."), Message("user", "hi"))
    assert as_messages([{"role": "user", "content": "a"}, Message("assistant", "b")]) == (Message("user", "a"), Message("assistant", "b"))
    assert as_messages({"role": "user", "content": "a"}) == (Message("user", "a"),)


def test_tool_calls_of_the_openai_form_are_read():
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Lima"}'}}
    own = {"id": "c1", "name": "weather", "arguments": {"city": "Lima"}}
    for item in ({"content": None}, {"content": ""}, {}):
        (message,) = as_messages({"role": "assistant", "tool_calls": [call], **item})
        assert message == Message("assistant", "", tool_calls=(own,))
    broken = call | {"function": {"name": "weather", "arguments": "{city"}}
    assert Message("assistant", "", tool_calls=(broken,)).tool_calls[0]["arguments"] == "{city"
    assert Message("user", "x", images="photo.png").images == ("photo.png",)


@pytest.mark.parametrize(
    "bad",
    [
        [],
        3,
        [{"role": "assistant", "content": None}],
        [{"role": "assistant", "content": "", "tool_calls": [{"id": "c1"}]}],
        [{"role": "assistant", "content": "", "tool_calls": 5}],
        b"bytes",
        [3],
        [{"role": "user"}],
        [{"role": "robot", "content": "x"}],
        [{"role": "user", "content": 3}],
        [{"role": "user", "content": "x", "txt": 1}],
    ],
    ids=repr,
)
def test_what_is_no_conversation_is_refused(bad):
    with pytest.raises(OptionError):
        as_messages(bad)


def test_half_a_character_is_refused_with_its_place():
    with pytest.raises(OptionError, match="position 2"):
        as_messages("ab\ud800")


def test_reply_is_text_row_and_pickle():
    reply = Reply("hola", "mini-m", "stop", Usage(3, 2), Timing(total_duration=0.5), Sent("llama.cpp", {"seed": 7}))
    assert str(reply) == "hola" and pickle.loads(pickle.dumps(reply)) == reply
    row = reply.row()
    assert row["prompt_tokens"] == 3 and row["total_duration"] == 0.5 and row["seed"] == 7 and row["engine"] == "llama.cpp"
    ollama = Reply("hola", "mini-m", "stop", sent=Sent("Ollama 0.24.0", {"options": {"seed": 7}}))
    assert ollama.row()["seed"] == 7


def test_rich_display_escapes_what_a_model_said():
    nasty = "<img src=x onerror=alert(1)></script>"
    reply = Reply(
        nasty, nasty, "stop", thinking=nasty, tool_calls=({"name": nasty},), sent=Sent(nasty, {nasty: nasty}, {nasty: nasty}, nasty)
    )
    for shown in (reply._repr_html_(), reply.sent._repr_html_()):
        assert "<img" not in shown and "</script>" not in shown and "&lt;img" in shown
