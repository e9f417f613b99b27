"""From tokens to text: whole characters, stop texts, thinking apart, tool calls taken out."""

from __future__ import annotations

import random

import pytest

import labkit as lab
from labkit import Message
from labkit.backends._text import Splitter
from labkit.errors import CapabilityError

from . import synthetic

TOOL = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}}}}
QWEN = (
    "{% if tools %}<|im_start|>system\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}"
    "{% for call in message.tool_calls or [] %}<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking %}<think>\n{% endif %}{% endif %}"
)


def feed(data: bytes, sizes: list[int], **options: object) -> tuple[str, str, Splitter]:
    """What comes out when the bytes come in pieces of these sizes, then the rest."""
    splitter = Splitter(**options)  # type: ignore[arg-type]
    text = thinking = ""
    pieces, place = [], 0
    for size in sizes:
        pieces.append(data[place : place + size])
        place += size
    for delta in [*(splitter.feed(piece) for piece in [*pieces, data[place:]] if not splitter.stopped), splitter.finish()]:
        if delta is not None:
            text += delta.text
            thinking += delta.thinking
    return text, thinking, splitter


CASES = {
    "plain": ("Hello ñ 👩‍🚀", {}, "Hello ñ 👩‍🚀", "", []),
    "thinking": ("<think>\nHm, 2 < 3.\n</think>\n\nYes.", {"think": True}, "Yes.", "Hm, 2 < 3.\n", []),
    "thinking after space": ("\n <think>a</think>b", {"think": True}, "b", "a", []),
    "thinking begun in the prompt": ("a < b</think>\nc", {"thinking": True}, "c", "a < b", []),
    "thinking never ended": ("<think>a </thin", {"think": True}, "", "a </thin", []),
    "thinking later is text": ("b <think>a</think>", {"think": True}, "b <think>a</think>", "", []),
    "no thinking": ("<thin air>", {"think": True}, "<thin air>", "", []),
    "empty thinking": ("<think>\n\n</think>\n\nYes", {"think": True}, "Yes", "", []),
    "think not asked": ("<think>a</think>b", {}, "<think>a</think>b", "", []),
    "call": ('Look: <tool_call>\n{"name": "clock", "arguments": {"zone": "x"}}\n</tool_call>', {"tools": True}, "Look: ", "", ["clock"]),
    "two calls": ('<tool_call>{"name": "a"}</tool_call>\n<tool_call>{"name": "b"}</tool_call>', {"tools": True}, "\n", "", ["a", "b"]),
    "call not ended": ('<tool_call>{"name": "a"}', {"tools": True}, "", "", ["a"]),
    "call that is no JSON": ("<tool_call>nonsense</tool_call>!", {"tools": True}, "<tool_call>nonsense</tool_call>!", "", []),
    "call without a name": ("<tool_call>[1]</tool_call>", {"tools": True}, "<tool_call>[1]</tool_call>", "", []),
    "call after thinking": ('<think>x</think><tool_call>{"name": "a"}</tool_call>', {"think": True, "tools": True}, "", "x", ["a"]),
    "call deep": ("<tool_call>" + "[" * 100_000 + "</tool_call>", {"tools": True}, "<tool_call>" + "[" * 100_000 + "</tool_call>", "", []),
    "stop": ("one two three", {"stop": ("two",)}, "one ", "", []),
    "stop of two": ("one two three", {"stop": ("three", "wo ")}, "one t", "", []),
    "stop at the start": ("one", {"stop": ("o",)}, "", "", []),
    "stop nearly": ("one tw", {"stop": ("two",)}, "one tw", "", []),
    "stop repeated": ("aaab", {"stop": ("aab",)}, "a", "", []),
    "stop in thinking": ("<think>a STOP b</think>c", {"think": True, "stop": ("STOP",)}, "", "a ", []),
    "stop of one character": ("ñandú", {"stop": ("ú",)}, "ñand", "", []),
}


@pytest.mark.parametrize(("data", "options", "text", "thinking", "calls"), CASES.values(), ids=CASES)
def test_pieces_do_not_matter(data, options, text, thinking, calls):
    draw, raw = random.Random(0), data.encode()
    for sizes in [[], [1] * min(len(raw), 200), *([draw.randrange(1, 9) for _ in range(60)] for _ in range(30))]:
        found, thought, splitter = feed(raw, sizes, **options)
        assert (found, thought, [call["name"] for call in splitter.calls]) == (text, thinking, calls)


def test_broken_characters_become_one_sign():
    assert feed(b"a\xff\xc3", [])[0] == "a\ufffd\ufffd"
    assert feed("ñ".encode() * 50, [1] * 99)[0] == "ñ" * 50


def test_call_has_id_name_and_arguments():
    splitter = feed(b'<tool_call>{"name": "clock", "arguments": {"zone": "x"}}</tool_call>', [], tools=True)[2]
    assert splitter.calls == [{"id": "call_0", "name": "clock", "arguments": {"zone": "x"}}]


@pytest.fixture(scope="module")
def thinker(tmp_path_factory):
    path = synthetic.changed(tmp_path_factory.mktemp("models") / "thinker.gguf", {"tokenizer.chat_template": QWEN})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABKIT_CACHE", str(path.parent / "cache"))
        with lab.load(path) as model:
            yield model


def test_switch_for_thinking_reaches_the_template(thinker):
    reply = thinker.chat("Hi", think=True, seed=1, max_tokens=10)
    assert reply.sent.prompt.endswith("<think>\n") and reply.thinking and not reply.text and not reply.sent.ignored
    plain = thinker.chat("Hi", think=False, seed=1, max_tokens=10)
    assert plain.text and not plain.thinking


def test_tools_and_calls_reach_the_template(thinker):
    talk = [
        Message("user", "What time is it?"),
        Message("assistant", "", tool_calls=({"id": "call_0", "name": "clock", "arguments": {"zone": "Madrid"}},)),
        Message("tool", "12:30", tool_call_id="call_0"),
    ]
    reply = thinker.chat(talk, tools=[TOOL], seed=1, max_tokens=5)
    assert (
        '"name": "clock"' in reply.sent.prompt
        and '<tool_call>{"name": "clock", "arguments": {"zone": "Madrid"}}</tool_call>' in reply.sent.prompt
    )
    assert "<|im_start|>tool\n12:30<|im_end|>" in reply.sent.prompt
    assert reply.sent.request["tools"] == ["clock"]


def test_model_without_template_says_so_and_uses_chatml_it_knows(tmp_path):
    with lab.load(synthetic.changed(tmp_path / "base.gguf", {"tokenizer.chat_template": None})) as model:
        reply = model.chat("Hi", seed=1, max_tokens=5)
        assert reply.sent.prompt.startswith("<|im_start|>user\nHi") and "ChatML" in reply.sent.request["template"]


def test_model_without_template_or_chatml_continues_texts_only(tmp_path):
    path = synthetic.bare(tmp_path / "bare.gguf")
    with lab.load(path) as model:
        with pytest.raises(CapabilityError, match=r"generate\(\)"):
            model.chat("Hi")
        assert model.generate("abc", max_tokens=3, seed=1).usage.completion_tokens == 3


def test_tokens_that_the_file_forbids_are_never_drawn(tmp_path):
    with lab.load("mini-m") as model:
        first = model.chat("Hi", temperature=0, max_tokens=1).text
        (token,) = model._engine.tokenize(first, special=False)
    with lab.load(synthetic.changed(tmp_path / "m.gguf", {"tokenizer.ggml.suppress_tokens": [token]})) as model:
        reply = model.chat("Hi", temperature=0, max_tokens=1)
        assert reply.text != first and "suppress" in reply.sent.request["samplers"]
        assert first not in {model.chat("Hi", seed=seed, max_tokens=1).text for seed in range(50)}


def test_first_token_stays_in_front_where_the_tokenizer_adds_one(tmp_path):
    with lab.load(synthetic.changed(tmp_path / "m.gguf", {"tokenizer.ggml.add_bos_token": True}), context_window=64) as model:
        plain = model._prompter.prompt([Message("user", "Hi")], None, lab.Options())
        assert plain.ids[0] == 0 and plain.ids.count(0) == 1
        cut = model._prompter.cut([Message("user", "word " * 200)], None, lab.Options(max_tokens=8), 64)
        assert cut.ids[0] == 0 and len(cut.ids) == 56
        bos = model._engine.special("bos_token")
        assert model._prompter._ids([bos + "Hi"]) == model._prompter._ids(["Hi"])  # not twice where the template writes it too
