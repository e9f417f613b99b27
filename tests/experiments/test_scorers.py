"""Scorers judge as a careful reader would, and one that fails costs its score alone."""

from __future__ import annotations

import math
from functools import partial

import pytest

from labkit.backends.registry import load
from labkit.chat import Reply
from labkit.errors import OptionError
from labkit.experiments import metrics, scorers


def reply(text: str) -> Reply:
    return Reply(text, "mini-m", "stop")


@pytest.mark.parametrize(
    ("scorer", "text", "expected", "score"),
    [
        (scorers.exact, " LIMA. ", "Lima", 1),
        (scorers.exact, "Lima, Peru", "Lima", 0),
        (scorers.exact, "ＬＩＭＡ", ["Quito", "lima"], 1),
        (scorers.contains, "It is in Lima.", "lima", 1),
        (scorers.contains, "Limassol", "lima", 0),
        (scorers.contains, "¿Cuánto? 5 €.", "5 €", 1),
        (scorers.contains, "C++ is a language", "c++", 1),
        (scorers.contains, "a  new\nline", "new line", 1),
        (scorers.regex, "opens at 9:30", r"\d:\d\d", 1),
        (scorers.regex, "opens", [r"\d", r"^open"], 1),
        (scorers.number, "6 × 7 = 42", 42, 1),
        (scorers.number, "1,234.5 km", 1234.5, 1),
        (scorers.number, "1.234,5 km", 1234.5, 1),
        (scorers.number, "12,000 people", 12000, 1),
        (scorers.number, "0,125", 0.125, 1),
        (scorers.number, "−3 °C", "-3", 1),
        (scorers.number, "about 1e3", 1000, 1),
        (scorers.number, "Pesa 5kg", 5, 1),
        (scorers.number, "the 42nd", 42, 1),
        (scorers.number, "It is _42_.", 42, 1),
        (scorers.number, "Son 1.234 km", 1234, 1),
        (scorers.number, "It is 1.234 m", 1.234, 1),
        (scorers.number, "Son 1,234 m", 1.234, 1),
        (scorers.number, "Son 1234", "1.234", 1),
        (scorers.number, "It is 0.125", 125, 0),
        (scorers.number, "Son 10 000 euros", 10000, 1),
        (scorers.number, "Son 1\u202f234\u202f567,5 euros", 1234567.5, 1),
        (scorers.number, "42, says mini-m:Q8_0", 42, 1),
        (scorers.number, "nothing", 3, 0),
        (partial(scorers.number, tolerance=0.5), "3.4", 3, 1),
        (partial(scorers.number, which="first"), "7 of 9", 7, 1),
        (partial(scorers.number, which="any"), "7, 8, 9", 8, 1),
        (scorers.json, '{"a": [1, 2]}', None, 1),
        (scorers.json, '```json\n{"a": 1}\n```', {"type": "object"}, 1),
        (scorers.json, '{"a": "x"}', {"properties": {"a": {"type": "integer"}}}, 0),
        (scorers.json, "[" * 100_000, None, 0),
        (scorers.json, "no", None, 0),
    ],
)
def test_scorer_judges(scorer, text, expected, score):
    assert scorers.apply(scorer, reply(text), expected) == (score, "")


@pytest.mark.parametrize(
    ("scorer", "expected", "said"),
    [
        (scorers.contains, None, "needs an expected text"),
        (scorers.exact, [], "needs an expected text"),
        (scorers.regex, "(", "no regular expression"),
        (scorers.number, "none", "holds no number"),
        (scorers.number, math.nan, "holds no number"),
        (scorers.number, math.inf, "holds no number"),
        (partial(scorers.number, which="second"), 3, "which='second'"),
        (scorers.json, {"type": 5}, "no JSON schema"),
        (scorers.json, "object", "no JSON schema"),
        (scorers.similarity, None, "needs an expected text"),
        (lambda text: 1 / 0, None, "ZeroDivisionError"),
        (lambda text: None, None, "failed"),
        (lambda text: float("nan"), None, "nan"),
        (lambda text: "good", None, "ValueError"),
    ],
)
def test_scorer_that_fails_says_why(scorer, expected, said):
    value, problem = scorers.apply(scorer, reply("x"), expected)
    assert math.isnan(value) and said in problem


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,2,3", [1, 2, 3]),
        ("1, 2 and 3.5", [1, 2, 3.5]),
        ("1.2.3", [1, 2, 3]),
        ("12.05.2024", [12, 5, 2024]),
        ("1,234.5 1.234,5 12.345.678", [1234.5, 1234.5, 12345678]),
        ("10-20, -3, 5e3m, 2,5 %", [10, 20, -3, 5000, 2.5]),
        ("in 2024 100 of 10 0000", [2024, 100, 10, 0]),
        ("Q8_0 and H2O: a1b2, llama3", []),
    ],
)
def test_numbers_are_read_as_people_write_them(text, found):
    assert scorers.numbers(text) == found


def test_scorer_gets_what_it_takes():
    def with_reply(text, expected, reply):
        return reply.finish_reason == "stop"

    def with_default(text, limit=3):
        return len(text) <= limit

    assert scorers.apply(with_reply, reply("x"), None) == (1, "")
    assert scorers.apply(with_default, reply("four"), 100) == (0, "")
    assert scorers.apply(len, reply("four"), None) == (4, "")
    assert scorers.apply(lambda *all: len(all), reply("x"), None) == (3, "")


def test_columns_have_names_of_their_own():
    def right(text):
        return 1

    assert list(scorers.named([scorers.contains, partial(scorers.number, tolerance=1), right, lambda t: 1])) == [
        "contains", "number", "right", "score",
    ]  # fmt: skip
    assert list(scorers.named(right)) == ["right"] and list(scorers.named({"mine": right})) == ["mine"]
    for wrong in ([right, right], ["contains"], {"text": right}):
        with pytest.raises(OptionError):
            scorers.named(wrong, ["text"])


def test_similarity_is_the_cosine_of_real_vectors(embedding_file):
    with load(embedding_file) as model:
        same, other = (scorers.similarity(text, "a red fox", model=model) for text in ("a red fox", "seven blue whales"))
        assert same == pytest.approx(1, abs=1e-5) and other < same
        assert scorers.similarity(" ", "a red fox", model=model) == 0
        assert metrics.similarity(["a red fox", "a red fox"], model) == pytest.approx(1, abs=1e-5)
        assert scorers.similarity("the fox’s den", "the fox's den", model=model) == pytest.approx(1, abs=1e-5)
        assert metrics.similarity(["the fox’s den", "the fox's den"], model) == pytest.approx(1, abs=1e-5)


def test_metrics_of_texts():
    assert metrics.distinct([]) != metrics.distinct([])  # NaN
    assert metrics.distinct(["a b c", "a b c"], 1) == 0.5
    assert metrics.repetition("one two") == 0
    assert metrics.repetition("go on " * 50) > 0.95
    assert metrics.similarity(["a b", "a b", "c d"]) == pytest.approx(1 / 3)
    assert math.isnan(metrics.similarity(["alone"])) and metrics.similarity(["", ""]) == 1
    assert metrics.words("¡Ñandú, l'été!") == ["ñandú", "l'été"]
