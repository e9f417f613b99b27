"""How answers are judged, and how sure a figure is."""

# ruff: noqa: E402

import pytest

from . import needs

needs("tokenizers")

from labkit.zoo.training.evaluate import score, wilson
from labkit.zoo.training.sample import Check


@pytest.mark.parametrize(
    ("check", "text", "right"),
    [
        (Check("equals", ("Hola.", "Buenas.")), " buenas", True),
        (Check("equals", ("5",)), "15", False),
        (Check("holds", ("9:30",), 2), "It opens at 9:30 [2].", True),
        (Check("holds", ("9:30",), 2), "It opens at 9:45 [2].", False),
        (Check("holds", ("Pablo",)), "Tu perro se llama Pablox.", False),
        (Check("mentions", ("quantiz",)), "That is quantization.", True),
        (Check("json", ('{"name": "Ana", "age": 3}',)), '{"age": 3, "name": "Ana"}', True),
        (Check("json", ('{"name": "Ana"}',)), '{"name": "Ana"', False),
        (Check("story", ("Ana", "fox")), "Ana saw a fox. It was night.", True),
        (Check("story", ("Ana", "fox")), "Ana saw a fox", False),
    ],
)
def test_check_judges(check, text, right):
    assert check.right(text) is right


@pytest.mark.parametrize(
    ("text", "right"), [("It is red [2].", True), ("It is red [1].", False), ("It is red.", False), ("[1] or [2]", False)]
)
def test_citation_must_be_the_right_one_alone(text, right):
    assert Check("holds", ("red",), 2).cites(text) is right


def test_wilson_interval_is_the_textbook_one():
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(8, 10)  # Wilson (1927), as in Newcombe 1998: 0.490 to 0.943
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert score(300, 300)["low"] < 1
    assert score(300, 300)["high"] == 1
