"""One suite for every engine, each against its real program: what `Model` promises, whoever answers."""

from __future__ import annotations

import dataclasses
import itertools
import json
import pickle
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import labkit as lab
from labkit import errors

from ..servers.fixtures import WINDOW, embedding_file  # noqa: F401

ENGINES = ("llama.cpp", "Ollama", "Ollama /v1", "llama_cpp.server", "labkit serve")
WILD = {"temperature": 2.0, "top_k": 0, "top_p": 1.0, "max_tokens": 400}  # an answer that does not soon come to an end
CALM = {"temperature": 0, "max_tokens": 24}
STORY = "Tell a story about a fox."
SYSTEM = "You answer briefly."
UNICODE = "¿Dónde está Ana? 🦊 你好 ñandú"
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}, "name": {"type": "string"}}, "required": ["age", "name"]}


@dataclass(frozen=True)
class Engine:
    """One engine and what it serves."""

    name: str
    chat: str
    embedder: str
    unknown: str
    window: int
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def load(self) -> lab.Model:
        return lab.load(self.chat, **self.options)


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    name = request.param
    if name == "llama.cpp":
        file = request.getfixturevalue("embedding_file")
        return Engine(name, "mini-m", str(file), "mini-mm", WINDOW, {"context_window": WINDOW})
    fixtures = {"llama_cpp.server": "llama_cpp_server", "labkit serve": "labkit_server"}
    server = request.getfixturevalue(fixtures.get(name, "ollama_server")).url
    if name == "Ollama":
        at = f"@{server}"
        return Engine(name, f"ollama:mini-m{at}", f"ollama:mini-bert{at}", f"ollama:nope{at}", WINDOW, {"context_window": WINDOW})
    at = f"@{server}/v1"
    # Ollama's /v1 cannot be told a window: it is the one that the model was trained for.
    window = lab.load("mini-m").context_window if name == "Ollama /v1" else WINDOW
    return Engine(name, f"openai:mini-m{at}", f"openai:mini-bert{at}", f"openai:nope{at}", window or 0)


@pytest.fixture(scope="module")
def model(engine: Engine) -> lab.Model:
    return engine.load()


@pytest.fixture(scope="module")
def reference() -> lab.Model:
    """The same model in this process, whose tokenizer is the measure."""
    return lab.load("mini-m")


def conversation(text: str = "Hello, who are you?") -> list[dict[str, str]]:
    """With a system message: llama_cpp.server's ChatML puts an empty one before a conversation that has none."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]


def long_text(engine: Engine) -> str:
    return "one two three " * (engine.window // 2)


# -- text -----------------------------------------------------------------------------------------------------------------------


def test_streamed_text_joined_is_the_chat_text(model):
    for options in ({"temperature": 0}, {"temperature": 1.2, "seed": 7}):
        whole = model.chat(STORY, max_tokens=40, **options)
        stream = model.stream(STORY, max_tokens=40, **options)
        pieces = list(stream)
        assert "".join(piece.text for piece in pieces) == stream.reply.text == stream.text == whole.text
        assert len(pieces) > 1 and whole.text
        assert stream.reply.finish_reason == whole.finish_reason
        assert all(a.elapsed <= b.elapsed for a, b in itertools.pairwise(pieces))


def test_same_seed_same_text(model):
    options = {"seed": 3, "temperature": 1.5, "max_tokens": 40}
    assert model.chat(STORY, **options).text == model.chat(STORY, **options).text


def test_other_seed_other_text(model):
    assert len({model.chat(STORY, seed=seed, temperature=1.5, max_tokens=40).text for seed in range(4)}) > 1


def test_a_drawn_seed_repeats_the_reply(model):
    first = model.chat(STORY, temperature=1.5, max_tokens=30)
    again = model.chat(STORY, temperature=1.5, max_tokens=30, seed=first.row()["seed"] or first.sent.request["options"]["seed"])
    assert first.text == again.text


def test_temperature_zero_does_not_depend_on_the_seed(model):
    assert len({model.chat(conversation(), seed=seed, **CALM).text for seed in (1, 2)}) == 1


def test_greedy_answers_are_those_of_the_engine_in_this_process(model, reference):
    questions = ["Hello, who are you?", "¿Quién eres?", "How are you?", STORY, "What is the capital of France?"]
    same = sum(model.chat(conversation(q), **CALM).text == reference.chat(conversation(q), **CALM).text for q in questions)
    assert same >= 4, "the prompt reaches the model in another form"


@pytest.mark.parametrize("piece", [slice(4, 8), slice(9, 20)], ids=["in a word", "over several tokens"])
def test_stop_ends_before_the_text(model, piece):
    whole = model.chat(conversation(), **CALM).text
    stop = whole[piece]
    reply = model.chat(conversation(), stop=stop, **CALM)
    assert reply.text == whole[: whole.index(stop)]
    assert reply.finish_reason == "stop"


def test_stop_that_does_not_come_changes_nothing(model):
    assert model.chat(conversation(), stop=("ZZZZ", "\n\n\n\n"), **CALM).text == model.chat(conversation(), **CALM).text


def test_max_tokens_is_obeyed_and_named(model):
    reply = model.chat(STORY, max_tokens=3, temperature=0)
    assert (reply.usage.completion_tokens, reply.finish_reason) == (3, "length")
    assert model.chat(conversation(), temperature=0, max_tokens=200).finish_reason == "stop"


def test_no_limit_ends_by_itself_or_with_the_window(model):
    reply = model.chat(STORY, max_tokens=None, temperature=0)
    assert reply.finish_reason in ("stop", "length") and reply.usage.completion_tokens > 3


def test_system_message_is_part_of_the_prompt(model):
    plain, told = model.chat("Hello", **CALM), model.chat("Hello", system="Answer in Spanish, and only in Spanish, please.", **CALM)
    assert told.usage.prompt_tokens > plain.usage.prompt_tokens


def test_several_turns_are_all_sent(model, reference):
    turns = [*conversation(), {"role": "assistant", "content": "I am mini-m."}, {"role": "user", "content": "Say it again."}]
    assert model.chat(turns, **CALM).usage.prompt_tokens == reference.count_tokens(turns)


def test_unicode_goes_out_and_comes_back_whole(model, reference):
    reply = model.chat(conversation(UNICODE), **CALM)
    assert reply.usage.prompt_tokens == reference.count_tokens(conversation(UNICODE))
    spoken = "".join(piece.text for seed in range(3) for piece in model.stream(UNICODE, seed=seed, **WILD | {"max_tokens": 60}))
    assert spoken.encode("utf-8").decode("utf-8") == spoken


@pytest.mark.parametrize("text", ["", " ", "\n", "\x00", "\ufeffHi", "<|im_end|>", "{{ 7 * 7 }}", "a" * 300, "\u202egnirts", "'\"\\"])
def test_odd_texts_are_answered(model, text):
    reply = model.chat(text, max_tokens=4, seed=1)
    assert reply.usage.prompt_tokens and reply.finish_reason in ("stop", "length")


def test_text_without_template(engine, model, reference):
    prompt = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    if engine.name == "Ollama /v1":
        with pytest.raises(errors.CapabilityError, match="ollama:mini-m"):
            model.generate(prompt)
        return
    reply = model.generate(prompt, **CALM)
    assert reply.text == reference.generate(prompt, **CALM).text
    assert reply.usage.prompt_tokens == reference.generate(prompt, **CALM).usage.prompt_tokens
    assert "".join(piece.text for piece in model.stream_text(prompt, **CALM)) == reply.text


def test_json_schema_is_obeyed(model):
    for seed in range(3):
        reply = model.chat("Anna is 12 years old. Answer in JSON.", schema=SCHEMA, temperature=1.0, seed=seed, max_tokens=200)
        if reply.finish_reason == "stop":
            value = json.loads(reply.text)
            assert isinstance(value["age"], int) and isinstance(value["name"], str)
        else:
            assert reply.text.lstrip().startswith("{")


def test_any_json_is_json(model):
    for seed in range(3):
        assert model.chat("Answer in JSON.", schema="json", temperature=1.0, seed=seed, max_tokens=20).text.lstrip().startswith(("{", "["))


# -- what is told ---------------------------------------------------------------------------------------------------------------


def test_usage_is_present_and_true(model, reference):
    reply = model.chat(conversation(), **CALM)
    assert reply.usage.prompt_tokens == reference.count_tokens(conversation())
    spoken = reference.count_tokens(reply.text)
    assert reply.usage.completion_tokens in (spoken, spoken + 1), "the token that ends the answer may count"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_usage_is_true_of_a_cached_prompt(model):
    first, second = (model.chat(conversation(), **CALM) for _ in range(2))
    assert first.usage.prompt_tokens == second.usage.prompt_tokens


def test_timing_is_of_this_reply(model):
    start = time.perf_counter()
    timing = model.chat(STORY, temperature=0, max_tokens=40).timing
    elapsed = time.perf_counter() - start
    assert 0 < timing.time_to_first_token <= timing.total_duration <= elapsed
    assert 0 < timing.tokens_per_second < 100_000
    for value in (timing.load_duration, timing.prompt_duration, timing.generation_duration):
        assert value is None or 0 <= value <= elapsed


OPTIONS = {
    "temperature": 0.123, "top_k": 17, "top_p": 0.456, "min_p": 0.0123, "repeat_penalty": 1.0625, "repeat_last_n": 33,
    "presence_penalty": 0.1875, "frequency_penalty": 0.3125, "seed": 4711, "max_tokens": 5, "stop": ("QQQ",),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_option_is_sent_or_said_to_be_ignored(model, name):
    sent = model.chat("Hi", **OPTIONS).sent
    value = OPTIONS[name]
    values = list(leaves(sent.request))
    assert (value[0] if isinstance(value, tuple) else value) in values or sent.ignored.get(name)


def test_defaults_are_sent_as_well(model):
    request = model.chat("Hi", max_tokens=2).sent.request
    assert {0.8, 0.9} <= {value for value in leaves(request) if isinstance(value, float)}


def leaves(value: Any):
    """Every value in a nested request."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def test_sent_names_the_engine_and_its_version(model):
    assert model.chat("Hi", max_tokens=1).sent.engine == model.engine
    assert any(character.isdigit() for character in model.engine)


def test_row_is_flat(model):
    row = model.chat("Hi", max_tokens=2).row()
    assert {"model", "text", "finish_reason", "prompt_tokens", "time_to_first_token", "engine"} <= set(row)
    assert all(value is None or isinstance(value, str | int | float) for value in row.values())
    assert row["model"] == model.name


def test_html_shows_what_was_said_and_runs_nothing(model):
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    reply = model.chat(hostile, max_tokens=2)
    shown = reply._repr_html_() + dataclasses.replace(reply, text=hostile, thinking=hostile)._repr_html_() + reply.sent._repr_html_()
    assert "<script" not in shown and "<img" not in shown and "&lt;script" in shown


def test_info_says_what_is_known(engine, model):
    info = model.info()
    assert info.name == model.name and info.engine
    assert info.context_window in (None, model.context_window) or info.context_window >= engine.window


def test_name_loads_the_same_model_again(engine, model):
    with lab.load(model.name, **engine.options) as again:
        assert again.name == model.name
        assert again.chat(conversation(), **CALM).text == model.chat(conversation(), **CALM).text


def test_count_tokens_is_the_usage(model):
    assert model.count_tokens(conversation()) == model.chat(conversation(), **CALM).usage.prompt_tokens


def test_count_tokens_of_a_text(model, reference):
    for text in ("Hello there", UNICODE):
        assert model.count_tokens(text) == reference.count_tokens(text)


def test_render_shows_the_template(engine, model, reference):
    if engine.name == "llama_cpp.server":
        with pytest.raises(errors.CapabilityError):
            model.render(conversation())
    else:
        assert model.render(conversation()) == reference.render(conversation())


# -- vectors --------------------------------------------------------------------------------------------------------------------


def test_vectors_have_length_one_and_are_those_of_llama_cpp(engine, embedding_file):  # noqa: F811
    texts = ["the library opens", "hola fox", "one two three"]
    vectors = lab.load(engine.embedder).embed(texts)
    assert vectors.shape == (3, 64) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    expected = lab.load(embedding_file).embed(texts)
    assert ((vectors * expected).sum(axis=1) > 0.999).all()


def test_one_text_and_many_texts(engine):
    embedder = lab.load(engine.embedder)
    many = embedder.embed([f"text {number}" for number in range(40)])
    assert many.shape == (40, 64)
    assert np.allclose(embedder.embed("text 7")[0], many[7], atol=2e-3)
    assert embedder.embed([]).shape[0] == 0


def test_a_text_too_long_to_embed_is_not_cut(engine):
    with pytest.raises(errors.ContextWindowExceededError):
        lab.load(engine.embedder).embed(["the fox", "one two three " * 300])


def test_a_chat_model_does_not_embed(model):
    with pytest.raises(errors.CapabilityError):
        if model.embed("Hello").shape:  # Ollama's /v1 does make vectors of it
            raise errors.CapabilityError


# -- what goes wrong ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made_of", ["one message", "many messages"])
def test_prompt_that_does_not_fit_raises_with_the_numbers(engine, model, made_of):
    turns = [{"role": role, "content": "one two three " * 9} for _ in range(engine.window // 20) for role in ("user", "assistant")]
    prompt: Any = long_text(engine) if made_of == "one message" else [*turns, {"role": "user", "content": "Hello"}]
    with pytest.raises(errors.ContextWindowExceededError) as caught:
        model.chat(prompt, max_tokens=5)
    error = caught.value
    assert error.context_window == engine.window
    assert error.prompt_tokens > engine.window and str(engine.window) in str(error).replace(",", "")
    assert str(pickle.loads(pickle.dumps(error))) == str(error) and pickle.loads(pickle.dumps(error)).prompt_tokens == error.prompt_tokens
    assert model.chat(conversation(), **CALM).text


def test_numbers_are_about_right(engine, model, reference):
    prompt = "Anna has a cat. The library opens at nine. " * (engine.window // 5)
    with pytest.raises(errors.ContextWindowExceededError) as caught:
        model.chat(conversation(prompt))
    true = lab.load("mini-m").count_tokens(conversation(prompt))
    assert abs(caught.value.prompt_tokens - true) <= 0.1 * true


def test_text_without_template_that_does_not_fit(engine, model):
    kind = errors.CapabilityError if engine.name == "Ollama /v1" else errors.ContextWindowExceededError
    with pytest.raises(kind):
        model.generate(long_text(engine), max_tokens=5)


def test_truncate_answers_or_says_that_it_cannot(engine, model):
    if engine.name == "llama_cpp.server":
        assert "truncate" in model.chat("Hi", max_tokens=1, truncate=True).sent.ignored
        with pytest.raises(errors.ContextWindowExceededError):
            model.chat(long_text(engine), truncate=True)
        return
    reply = model.chat(long_text(engine), max_tokens=5, truncate=True)
    assert reply.finish_reason in ("stop", "length") and reply.usage.prompt_tokens <= engine.window


def test_answer_that_reaches_the_window_ends_with_length(engine, model):
    # About 10 tokens of room are left, and the answer is told not to stop.
    count = model.count_tokens(conversation("one " * 100)) - 100
    unit = model.count_tokens(conversation("one " * 200)) - count - 100
    words = 100 * (engine.window - count) // unit - 60
    reply = model.chat(conversation("one " * words), **WILD | {"seed": 5, "max_tokens": None})
    assert reply.finish_reason in ("length", "stop")
    assert reply.usage.total_tokens <= engine.window + 1


def test_unknown_model_is_named_with_what_there_is(engine):
    with pytest.raises(errors.ModelNotFoundError) as caught:
        lab.load(engine.unknown)
    assert isinstance(caught.value, LookupError)
    assert "mini-m" in str(caught.value)
    assert engine.name != "Ollama" or "`ollama pull nope`" in str(caught.value)


def test_closed_model_says_so(engine):
    model = engine.load()
    model.close()
    model.close()
    with pytest.raises(errors.ModelClosedError, match="Load it again"):
        model.chat("Hi")
    assert "closed" in repr(model)


WRONG = [{"temprature": 1}, {"num_predict": 5}, {"temperature": -1}, {"top_p": 2}, {"seed": -1}, {"max_tokens": 0}]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_wrong_option_is_refused_before_anything_is_sent(model, wrong):
    before = model.last_reply
    with pytest.raises(errors.OptionError) as caught:
        model.chat("Hi", **wrong)
    assert model.last_reply is before
    assert {"temprature": "temperature", "num_predict": "max_tokens"}.get(next(iter(wrong)), "") in str(caught.value)


def test_window_larger_than_trained_is_refused(engine):
    """Where the server has the window, there is no such option."""
    says = "is not loaded with" if engine.name in ("Ollama /v1", "llama_cpp.server", "labkit serve") else "trained"
    with pytest.raises(errors.OptionError, match=says):
        lab.load(engine.chat, context_window=10**6)


def test_unknown_option_of_loading_is_refused(engine):
    with pytest.raises(errors.OptionError, match="treads"):
        lab.load(engine.chat, treads=2)


def test_timeout_ends_in_time_and_leaves_the_model_usable(model):
    model.chat("Hi", max_tokens=1)
    with pytest.raises(errors.GenerationTimeoutError) as caught:
        for seed in range(40):  # on a fast machine an answer may end sooner
            start = time.monotonic()
            model.chat(STORY, seed=seed, timeout=0.02, **WILD)
    assert time.monotonic() - start < 1.5
    assert isinstance(caught.value, TimeoutError)
    assert model.last_reply.finish_reason == "error" and model.last_reply.text == caught.value.partial
    assert model.chat(conversation(), **CALM).text


def test_cancel_in_mid_stream_leaves_the_model_usable(model):
    before = model.chat(conversation(), **CALM).text
    stream = model.stream(STORY, seed=1, **WILD)
    pieces = [next(stream).text for _ in range(3)]
    stream.cancel()
    assert list(stream) == []
    assert (stream.reply.finish_reason, stream.reply.text) == ("cancelled", "".join(pieces))
    assert model.last_reply is stream.reply
    assert model.chat(conversation(), **CALM).text == before


def test_cancel_from_another_thread(model):
    stream = model.stream(STORY, seed=1, **WILD)
    next(stream)
    threading.Timer(0.02, stream.cancel).start()
    text = "".join(piece.text for piece in stream)
    assert stream.reply.finish_reason in ("cancelled", "length", "stop") and text in stream.reply.text
    assert model.chat(conversation(), **CALM).text


def test_leaving_a_stream_frees_the_engine(model):
    before = model.chat(conversation(), **CALM).text
    with model.stream(STORY, seed=1, **WILD) as stream:
        next(stream)
    assert stream.reply.finish_reason == "cancelled"
    for _ in model.stream(STORY, seed=1, **WILD):
        break
    assert model.chat(conversation(), **CALM).text == before


def test_threads_get_their_own_answers(model):
    questions = ["Hello, who are you?", STORY, "How are you?", "What is the capital of France?"]
    alone = [model.chat(conversation(q), seed=1, **CALM).text for q in questions]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda q: model.chat(conversation(q), seed=1, **CALM).text, questions))
    assert together == alone


def test_images_are_refused_where_the_model_is_blind(model):
    message = lab.Message("user", "What is this?", images=(b"\x89PNG\r\n\x1a\n" + b"0" * 64,))
    with pytest.raises(errors.LabError) as caught:
        model.chat([message], max_tokens=2)
    assert isinstance(caught.value, errors.CapabilityError | errors.BackendError)
