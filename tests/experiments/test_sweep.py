"""A sweep covers every combination of its settings, and its figures are those of the texts."""

from __future__ import annotations

import math

import numpy as np
import pytest

import labkit as lab
from labkit.backends.registry import load
from labkit.errors import CapabilityError, ContextWindowExceededError, OptionError
from labkit.experiments import metrics
from labkit.experiments.sweeping import split
from labkit.measure import perplexity, share, token_logprobs
from labkit.sampling import next_tokens
from labkit.zoo import catalog

NAME = next(name for name in catalog.names() if catalog.card(name).kind == "chat")


@pytest.fixture(scope="module")
def model():
    with load(NAME) as model:
        yield model


@pytest.fixture(scope="module")
def swept(model):
    return lab.sweep(model, "Tell a story about a fox.", 4, {"long": len}, temperature=[0, 1.0], top_k=[5, 0], max_tokens=16, log=False)


def test_sweep_covers_every_combination(swept):
    frame = swept.frame
    assert len(frame) == 16 and not frame["error"].any()
    assert frame.groupby(["temperature", "top_k"]).size().to_dict() == {(0, 5): 4, (0, 0): 4, (1, 5): 4, (1, 0): 4}
    assert set(frame["seed"]) == {0, 1, 2, 3}
    assert frame[frame["temperature"] == 0]["text"].nunique() == 1, "at temperature 0 nothing is left to chance"


def test_summary_is_made_from_the_texts(swept):
    for _, row in swept.summary().iterrows():
        part = swept.frame[(swept.frame["temperature"] == row["temperature"]) & (swept.frame["top_k"] == row["top_k"])]
        texts = list(part["text"])
        assert row["n"] == 4 and row["long"] == pytest.approx(np.mean([len(text) for text in texts]))
        assert row["distinct_2"] == pytest.approx(metrics.distinct(texts, 2)) and row["similarity"] == pytest.approx(
            metrics.similarity(texts)
        )
        assert row["perplexity"] == pytest.approx(part["perplexity"].mean()) and (part["perplexity"] >= 1).all()
    cold, warm = (swept.summary().query(f"temperature == {t}")["similarity"].mean() for t in (0, 1))
    assert cold == 1 > warm


def test_plots_name_their_axes_and_values(swept):
    heat = swept.plot("long")
    assert heat.png.startswith(b"\x89PNG") and "temperature 0" in heat.alt and "top_k 5" in heat.alt
    with pytest.raises(OptionError, match="was not swept"):
        swept.plot("long", x="top_p")
    with pytest.raises(OptionError, match="no figure"):
        swept.plot("beauty")


def test_one_setting_is_a_line_with_intervals(model):
    found = lab.sweep(model, "Hello!", 5, temperature=[0.2, 1.0], max_tokens=8, log=False, perplexity=False)
    assert found.plot("words").alt.startswith("words by temperature. 0.2: ") and "distinct_2 by temperature" in found.plot().alt
    assert found.interval("words", temperature=1.0) is not None and found.interval("distinct_2", temperature=1.0) is None
    few = lab.sweep(model, "Hello!", 4, temperature=[0.2, 1.0], max_tokens=8, log=False, perplexity=False)
    assert few.interval("words", temperature=1.0) is None
    assert found.frame["perplexity"].isna().all() and list(found.texts().columns) == [
        "temperature",
        "repeat",
        "seed",
        "text",
        "finish_reason",
    ]
    nothing = lab.sweep(model, "Hello!", 2, temperature=0.2, max_tokens=4, log=False)
    assert len(nothing.summary()) == 1
    with pytest.raises(OptionError, match="Nothing was swept"):
        nothing.plot()


def test_share_has_an_interval_of_shares_and_a_count_has_not(model):
    found = lab.sweep(model, "Hello!", 6, {"right": lambda text: 1}, temperature=[1.0, 1.5], max_tokens=1, log=False, perplexity=False)
    right, tokens = (found.interval(figure, temperature=1.0) for figure in ("right", "completion_tokens"))
    assert right == share(6, 6) and right.low < 0.7 and (tokens.low, tokens.high) == (1, 1)


def test_repeats_of_one_text_have_no_interval(model):
    found = lab.sweep(model, "Hello!", 5, temperature=[0, 1.0], max_tokens=8, log=False, perplexity=False)
    assert found.interval("words", temperature=0) is None is found.interval("characters", temperature=0)
    assert found.interval("words", temperature=1.0).n == found.interval("total_duration", temperature=0).n == 5


def test_none_is_a_value_like_another(model):
    found = lab.sweep(model, "Hello!", 5, max_tokens=[3, None], log=False, perplexity=False)
    assert list(found.summary()["max_tokens"]) == [3, "None"]
    assert "None: " in found.plot("words").alt and found.interval("words", max_tokens=None).n == 5
    assert found.interval("words", max_tokens=np.int64(3)).n == 5, "as a frame gives it"


def test_three_settings_are_averaged_and_it_says_so(model):
    found = lab.sweep(model, "Hello!", 2, temperature=[0.2, 1.0], top_k=[5, 50], min_p=[0, 0.2], max_tokens=4, log=False, perplexity=False)
    assert "(mean over min_p)" in found.plot("words").alt


def test_errors_are_rows(model):
    found = lab.sweep(model, "word " * 3000, 2, temperature=[0, 1], max_tokens=4, log=False)
    assert found.frame["error"].str.startswith("ContextWindowExceeded").all() and len(found.frame) == 4
    assert len(max(str(found).splitlines(), key=len)) < 200 and "word…'" in str(found)
    assert "4 calls failed" in str(found) and found._repr_html_()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"temprature": [0, 1]}, "temperature"),
        ({"temperature": [0, -1]}, "temperature=-1"),
        ({"temperature": []}, "no value"),
        ({"temperature": [1, 1]}, "twice"),
        ({"seed": [1, 2]}, "."),
        ({"repeats": 0}, "repeats=0"),
        ({"prompt": 5}, "prompt"),
        ({"scorers": {"words": len}}, "two columns"),
        ({"scorers": {"temperature": len}, "temperature": [0, 1]}, "two columns"),
    ],
)
def test_mistakes_are_told_before_anything_is_asked(model, wrong, said):
    with pytest.raises(OptionError, match=said):
        lab.sweep(**{"model": model, "prompt": "Hello!", "log": False} | wrong)


def test_split_reads_ranges_arrays_and_lists_of_stops():
    assert split({"top_k": range(1, 3), "temperature": np.array([0.0, 0.5])})[0] == {"top_k": [1, 2], "temperature": [0.0, 0.5]}
    assert split({"stop": [["a"], ["b", "c"]]})[0] == {"stop": [["a"], ["b", "c"]]}
    assert split({"stop": ["a"], "schema": {"type": "object"}})[1] == {"stop": ["a"], "schema": {"type": "object"}}


def test_token_logprobs_are_those_of_the_next_token(model):
    prompt, text = "What is a GGUF file?", model.chat("What is a GGUF file?", temperature=0, max_tokens=90).text
    found = token_logprobs(model, prompt, text)
    ids = model._engine.tokenize(text, special=False)
    assert len(found) == len(ids) > 3 and (found <= 0).all()
    table = next_tokens(model, prompt, n=model._engine.vocabulary).set_index("id")
    assert found[0] == pytest.approx(math.log(table.loc[ids[0], "probability"]), abs=1e-3)
    so_far = model._engine._piece(ids[0], True).decode()
    table = next_tokens(model, prompt, n=model._engine.vocabulary, so_far=so_far).set_index("id")
    assert found[1] == pytest.approx(math.log(table.loc[ids[1], "probability"]), abs=1e-3)
    assert perplexity(model, prompt, text) == pytest.approx(math.exp(-found.mean()))
    assert perplexity(model, prompt, "zq xw vk " * 5) > perplexity(model, prompt, text)
    assert np.allclose(found, token_logprobs(model, prompt, text)), "the same again"


def test_token_logprobs_of_what_cannot_be_told(model, embedding_file):
    with pytest.raises(OptionError):
        token_logprobs(model, "Hello!", "")
    with pytest.raises(ContextWindowExceededError):
        token_logprobs(model, "Hello!", "word " * 3000)
    with load(embedding_file) as other, pytest.raises(CapabilityError):
        token_logprobs(other, "Hello!", "text")
