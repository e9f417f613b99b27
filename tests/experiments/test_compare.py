"""Comparisons: every answer a row, errors too; differences only where the data show them; unequal settings flagged."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import labkit as lab
from labkit.backends.registry import load
from labkit.chat import Options, Sent
from labkit.errors import LabError, ModelNotFoundError, OptionError
from labkit.experiments import scorers
from labkit.experiments.comparison import Comparison, Entrant
from labkit.experiments.fair import sent_as
from labkit.experiments.rows import read_cases
from labkit.zoo import catalog

NAME = next(name for name in catalog.names() if catalog.card(name).kind == "chat")
PROMPTS = ["Hello!", {"prompt": "What is a GGUF file?", "expected": "file"}, [{"role": "user", "content": "¡Hola!"}]]
TIMES = ["total_duration", "time_to_first_token", "load_duration", "prompt_duration", "generation_duration", "tokens_per_second"]


@pytest.fixture(scope="module")
def model():
    with load(NAME) as model:
        yield model


@pytest.fixture(scope="module")
def compared(model):
    models = {"cool": (NAME, {"temperature": 0.2}), "warm": (model, {"temperature": 1.5})}
    return lab.compare(models, PROMPTS, {"length": len}, repeats=3, max_tokens=16, log=False)


def simulated(scores: dict[str, list[float]]) -> Comparison:
    """A comparison with given scores, one prompt each."""
    import pandas as pd

    rows = [
        {"model": label, "case": case, "repeat": 0, "score": value, "error": "", "score_error": ""}
        for label, values in scores.items()
        for case, value in enumerate(values)
    ]
    return Comparison(pd.DataFrame(rows), {label: Entrant(label, Options()) for label in scores}, ("score",))


def test_rows_hold_every_answer(compared):
    frame = compared.frame
    assert len(frame) == 2 * 3 * 3 and list(frame["model"].unique()) == ["cool", "warm"]
    assert not frame["error"].any() and (frame["length"] == frame["text"].str.len()).all()
    assert (
        set(frame["seed"]) == {0, 1, 2}
        and (frame["completion_tokens"] >= 1).all()
        and (frame[TIMES].drop(columns="load_duration").min() > 0).all()
    )
    assert list(frame[frame["case"] == 2]["prompt"].unique()) == ["¡Hola!"]
    reply = load(NAME).chat(PROMPTS[0], temperature=0.2, seed=1, max_tokens=16)
    assert reply.text == frame.query("model == 'cool' and case == 0 and repeat == 1")["text"].item()


def test_summary_and_plots_say_what_the_frame_says(compared):
    table = compared.summary()
    for label in ("cool", "warm"):
        mine = compared.frame[compared.frame["model"] == label]
        assert table.loc[label, "length"] == pytest.approx(mine["length"].mean())
        assert table.loc[label, "memory"] > 0 and table.loc[label, "size"] == catalog.card(NAME).size
    assert list(table["memory_source"]) == ["predicted", "predicted"]
    for figure in (
        compared.plot(),
        compared.plot("tokens_per_second"),
        compared.plot(against="memory"),
        compared.plot(against="completion_tokens"),
    ):
        assert figure.png.startswith(b"\x89PNG") and "cool" in figure.alt and "warm" in figure.alt
    assert f"{table.loc['cool', 'length']:.3g}" in compared.plot().alt
    assert "temperature: asked for differently" in compared.flags() and "Flagged: temperature" in str(compared)
    with pytest.raises(OptionError, match="no figure 'speed'"):
        compared.plot("speed")


def test_text_of_a_model_is_escaped(model):
    found = lab.compare({"<b>x</b>": model}, ["<img src=x onerror=alert(1)>"], max_tokens=3, log=False)
    assert "<b>x" not in found._repr_html_() and "&lt;b&gt;" in found._repr_html_()


@pytest.mark.parametrize("executor", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_executors_give_the_same_rows(compared, executor):
    import multiprocessing

    given = {"mp_context": multiprocessing.get_context("spawn")} if executor is ProcessPoolExecutor else {}
    models = {"cool": (NAME, {"temperature": 0.2}), "warm": (NAME, {"temperature": 1.5})}
    with executor(2, **given) as pool:
        found = lab.compare(models, PROMPTS, {"length": len}, repeats=3, max_tokens=16, executor=pool, log=False)
    assert found.frame.drop(columns=TIMES).equals(compared.frame.drop(columns=TIMES))


def test_lost_workers_are_rows_and_not_the_end(tmp_path):
    import multiprocessing

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        for process in (pool.submit(int).result(), *pool._processes.values())[1:]:
            process.kill()
        found = lab.compare([NAME], ["Hello!"], repeats=3, max_tokens=4, executor=pool, log=tmp_path / "log")
    assert found.frame["error"].str.contains("worker").all() and "3 of 3 calls failed" in str(found)
    again = lab.compare([NAME], ["Hello!"], repeats=3, max_tokens=4, log=tmp_path / "log")
    assert not again.frame["error"].any() and not again.frame["from_log"].any()


def test_an_error_is_a_row(model):
    too_long = "word " * 5000
    models = {"here": model, "nobody": "ollama:absent@http://127.0.0.1:9"}
    found = lab.compare(models, ["Hello!", too_long], [scorers.contains], max_tokens=4, log=False)
    errors = found.frame.set_index(["model", "case"])["error"]
    assert errors["here", 0] == "" and errors["here", 1].startswith("ContextWindowExceededError")
    assert errors["nobody", 0].startswith("ServerNotRunningError") and found.summary().loc["nobody", "errors"] == 2
    said = str(found).splitlines()
    assert said[1].split()[:2] == ["here", "1/2"] and said[2].split()[:2] == ["nobody", "0/2"]
    assert said[3].startswith(
        "here: 1 of 2 calls failed, and its figures leave them out. First error: ContextWindowExceededError: The prompt"
    )
    assert said[4].startswith("nobody: 2 of 2 calls failed") and "too few answers to compare here and nobody" in str(found)
    assert found.frame["score_error"].str.contains("needs an expected text").sum() == 1
    assert found.plot().alt and found._repr_html_()
    with pytest.raises(ModelNotFoundError):
        lab.compare(["no-such-model"], ["Hello!"], log=False)
    assert isinstance(found.entrants["nobody"].error, LabError)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"models": []}, "no models"),
        ({"models": [5]}, "no model"),
        ({"models": [NAME, NAME]}, "two models"),
        ({"models": {"a": (NAME, {"seed": 1})}}, "seed is the same"),
        ({"models": {"a": (NAME, {"temprature": 1})}}, "temperature"),
        ({"prompts": []}, "no prompts"),
        ({"prompts": 5}, "list"),
        ({"prompts": ["a", 7]}, "Prompt 1"),
        ({"prompts": [{"prompt": "a", "expect": "b"}]}, "Prompt 0: a prompt has no 'expect'"),
        ({"repeats": 0}, "repeats=0"),
        ({"repeats": True}, "repeats=True"),
        ({"seed": -1}, "seed=-1"),
        ({"scorers": ["contains"]}, "function"),
        ({"scorers": {"text": len}}, "two columns"),
        ({"temprature": 1}, "temperature"),
    ],
)
def test_mistakes_are_told_before_anything_is_asked(wrong, said):
    with pytest.raises(OptionError, match=said):
        lab.compare(**{"models": [NAME], "prompts": ["Hello!"], "log": False} | wrong)


def test_prompts_come_in_many_forms():
    import pandas as pd

    table = pd.DataFrame({"prompt": ["a", "b"], "expected": ["x", "y"]})
    assert [(case.text, case.expected) for case in read_cases(table)] == [("a", "x"), ("b", "y")]
    assert [case.text for case in read_cases("one")] == ["one"]
    assert len(read_cases([{"prompt": "a", "system": "s"}, "b"], system="t")[1].messages) == 2


def test_verdict_needs_a_difference_that_the_data_show():
    chance = np.random.default_rng(4)
    hard = chance.normal(0, 1, 20)
    found = simulated(
        {"one": list(hard), "same": list(hard + chance.normal(0, 0.3, 20)), "better": list(hard + 2 + chance.normal(0, 0.3, 20))}
    )
    table = found.differences().set_index(["first", "second"])
    assert table.loc[("one", "same"), "verdict"] == "no clear difference between one and same"
    assert table.loc[("one", "better"), "verdict"] == "better is higher than one" and table.loc[("one", "better"), "clear"]
    assert table.loc[("one", "better"), "low"] < -2 + 0.5 < table.loc[("one", "better"), "high"] + 1
    assert found.differences().attrs["pairs"] == 3
    perfect = simulated({"one": [1.0] * 10}).interval("one")
    assert perfect.low < 0.8 and perfect.high == 1, "ten right answers do not prove that there is no wrong one"
    alone = simulated({"one": [1.0], "two": [0.0]}).differences()
    assert alone["verdict"].item() == "too few answers to compare one and two" and not alone["clear"].item()


def test_repeats_of_one_text_are_one_observation(model):
    models = {"one": (model, {"max_tokens": 8}), "two": (model, {"max_tokens": 16})}
    found = lab.compare(models, ["Tell a story."], {"length": len}, repeats=8, temperature=0, log=False)
    assert len(found.units()) == 1 and found.interval("one") is None and "One prompt at temperature 0 is one" in str(found)
    assert "length: too few answers to compare one and two." in str(found)
    assert len(found.units("total_duration")) == 8, "each takes its own time"
    warm = lab.compare(models, ["Tell a story."], {"length": len}, repeats=8, temperature=0.8, log=False)
    assert len(warm.units()) == 8 and warm.interval("one").n == 8 and "One prompt" not in str(warm)


def test_few_values_have_no_interval():
    few, enough = ({"one": [0.1, 0.9, 0.4, 0.6, 0.5][:n], "two": [0.3] * n} for n in (4, 5))
    assert simulated(few).interval("one") is None and simulated(enough).interval("one").n == 5
    assert simulated(few).differences()[["low", "high"]].isna().all(axis=None)
    assert simulated(enough).differences()[["low", "high"]].notna().all(axis=None)
    assert simulated({"one": [1.0, 1.0]}).interval("one").low == pytest.approx(0.342, abs=1e-3), "a share needs only two"


def test_many_pairs_do_not_make_a_difference_likelier():
    """Six equal models, fifteen pairs: one of them looks clear by chance in one experiment out of twenty, not in half of them."""
    chance = np.random.default_rng(8)
    wrong = sum(bool(simulated({str(i): list(chance.normal(0, 1, 15)) for i in range(6)}).differences()["clear"].any()) for _ in range(16))
    assert wrong <= 4


def test_many_scorers_do_not_make_a_difference_likelier():
    """Ten scorers that say nothing: one of them looks clear by chance in one experiment out of twenty, not in four out of ten."""
    chance = np.random.default_rng(9)
    wrong = 0
    for _ in range(16):
        found = simulated({name: [0.0] * 15 for name in ("one", "two")})
        names = tuple(f"score_{number}" for number in range(10))
        found.frame[list(names)] = chance.normal(0, 1, (30, 10))
        wrong += any("is higher" in line for line in replace(found, scorers=names)._verdicts())
    assert wrong <= 4


def test_fairness_reads_back_what_was_sent(model, llama_cpp_server):
    server = load(f"openai:{NAME}@{llama_cpp_server.url}/v1") if NAME == "mini-m" else None
    if server is None:
        pytest.skip("the server has mini-m alone")
    found = lab.compare({"here": model, "there": server}, ["Hello!"], max_tokens=4, log=False)
    assert not found.frame["error"].any()
    table = found.fairness()
    assert table.loc["temperature", "flag"] == "" and table.loc["temperature", "there"] == "0.8"
    ignored = found.entrants["there"].reply.sent.ignored
    assert all(f"there: ignored ({why})" in table.loc[name, "flag"] for name, why in ignored.items() if name in table.index)
    assert table.loc["context_window", "flag"] == ("" if model.context_window == server.context_window else "differs")
    assert bool(found.flags()) == bool(table["flag"].any())


def test_prompts_from_a_cache_are_flagged(model):
    asked = ["Tell a story about " + "a fox and " * 30, "Tell a story about " + "a fox and " * 31]
    with load(NAME, prefix_cache=True) as keeping:
        keeping.chat(asked[0], max_tokens=1)
        found = lab.compare({"a": model, "b": keeping}, asked, repeats=3, max_tokens=4, log=False)
        both = lab.compare({"b": keeping}, asked, repeats=3, max_tokens=4, log=False)
    assert found.flags() == ["cached_tokens: b took most of its prompts from its cache, so its first token came sooner"]
    assert found.fairness().loc["cached_tokens", "a"] == "0%" and both.flags() == []
    untold = replace(found, frame=found.frame.assign(prompt_tokens=0.0))
    assert untold.flags() == []


def test_seed_of_the_options_counts_where_none_is_given(model):
    options = Options(seed=42, max_tokens=2)
    calls = {"options": options, "repeats": 2, "log": False}
    for found in (lab.compare(model, ["Hi"], **calls), lab.sweep(model, "Hi", perplexity=False, **calls)):
        assert list(found.frame["seed"]) == [42, 43]
    assert list(lab.compare(model, ["Hi"], seed=7, **calls).frame["seed"]) == [7, 8]
    assert list(lab.compare(model, ["Hi"], seed=None, max_tokens=2, log=False).frame["seed"]) == [0]
    assert lab.reproduce(model, "Hi", n=1, options=options).seed == 42 and lab.reproduce(model, "Hi", n=1, max_tokens=2).seed == 1


def test_sent_as_knows_other_names_and_end_marks():
    ollama = {"options": {"num_predict": -1, "stop": ["<|im_end|>", "x"], "temperature": 1, "seed": 3}}
    assert sent_as("max_tokens", None, Sent("Ollama", ollama)) == ("-1", "")
    assert sent_as("stop", ("x",), Sent("Ollama", ollama))[1] == ""
    assert sent_as("temperature", 1.0, Sent("Ollama", ollama)) == ("1", "")
    assert sent_as("min_p", 0.0, Sent("Ollama", ollama)) == ("", "not sent")
    assert sent_as("think", None, Sent("Ollama", ollama)) == ("", "")
