"""How good an answer is: plain functions of the text and of what was expected, so that one of your own is as good as these.

Each takes ``(text, expected)`` and returns a number, 1 for right and 0 for wrong. What a scorer can be told besides is given with
`functools.partial`: ``partial(lab.scorers.number, tolerance=0.5)``.
"""

from __future__ import annotations

import inspect
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import import_module
from json import loads
from typing import Any

from ..backends.base import Model
from ..chat import Reply
from ..errors import LabError, OptionError
from ..typography import typed

Scorer = Callable[..., Any]

# A unit may follow at once (5kg, 42nd), but what begins with a letter is a name (Q8_0). A thousands separator only where three digits
# follow it; then point or comma before the decimals. More commas are a list: 1,2,3.
_NUMBER = re.compile(
    r"""(?<![^\W_]) (?<![^\W_]_)
    (?: (?<![.,]) [-+−]?
        (?: \d{1,3}(?:,\d{3})+(?:\.\d+)? | \d{1,3}(?:\.\d{3})+(?:,\d+)? | \d{1,3}(?:[\ \u00a0\u202f]\d{3})+(?:[.,]\d+)? | \d+[.,]\d+ )
        (?![.,]?\d)
      | (?: (?<![.,]) | (?<=\d[.,]) ) [-+−]? \d+
    ) (?:[eE][-+]?\d+)? (?!\d)""",
    re.VERBOSE,
)
_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL | re.IGNORECASE)


def plain(text: str) -> str:
    """A text for comparison: one form of each letter, no difference of case, one space between words.

    >>> plain("  Straße\\n NUEVA ")
    'strasse nueva'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def exact(text: str, expected: str | Iterable[str]) -> float:
    """Whether the answer is the expected text, or one of them; case, spaces and a full stop at the end do not count.

    >>> exact("Lima.", "lima"), exact("It is Lima.", "Lima")
    (1.0, 0.0)
    """
    said = plain(text).rstrip(".")
    return float(any(said == plain(one).rstrip(".") for one in _texts(expected, "exact")))


def contains(text: str, expected: str | Iterable[str]) -> float:
    """Whether the expected text stands in the answer as whole words; of several, any of them. Case does not count.

    >>> contains("The capital of Peru is Lima.", "lima"), contains("Limassol", "Lima")
    (1.0, 0.0)
    """
    said = plain(text)
    return float(any(re.search(rf"(?<!\w){re.escape(plain(one))}(?!\w)", said) for one in _texts(expected, "contains")))


def regex(text: str, expected: str | Iterable[str]) -> float:
    """Whether the regular expression is found in the answer; of several, any of them. Case counts unless it begins with (?i).

    >>> regex("It opens at 9:30.", r"\\b9[:.]30\\b")
    1.0
    """
    try:
        return float(any(re.search(one, text) for one in _texts(expected, "regex")))
    except re.error as error:
        raise OptionError(f"{expected!r} is no regular expression: {error}.") from None


def number(text: str, expected: float | str, *, tolerance: float = 1e-9, which: str = "last") -> float:
    """Whether the answer gives the expected number, in English or Spanish spelling (1,234.5, 1.234,5 or 1 234,5).

    1.234 and 1,234 count as either of what they mean in the two.

    Parameters
    ----------
    text : str
    expected : float or str
    tolerance : float
        How far off it may be, in the unit of the number.
    which : {'last', 'first', 'any'}
        Which number of the answer counts; most models conclude with it.

    >>> number("7 times 6 is 42.", 42), number("Son 1.234,5 km", 1234.5), number("None", 3)
    (1.0, 1.0, 0.0)
    """
    if which not in ("last", "first", "any"):
        raise OptionError(f"which={which!r} is unknown.", fix="Use 'last', 'first' or 'any'.")
    wanted = [float(expected)] if isinstance(expected, int | float) else [v for said in _said(str(expected))[-1:] for v in _values(said)]
    if not wanted or not all(map(math.isfinite, wanted)):
        raise OptionError(f"expected={expected!r} holds no number.")
    found = _said(text)
    counted = found if which == "any" else found[-1:] if which == "last" else found[:1]
    return float(any(abs(value - right) <= tolerance for said in counted for value in _values(said) for right in wanted))


def numbers(text: str) -> list[float]:
    """The numbers in a text, in order.

    >>> numbers("From -3 to 1,200 in 9:30 h, 2.5 %")
    [-3.0, 1200.0, 9.0, 30.0, 2.5]
    """
    return [_values(said)[0] for said in _said(text)]


def _said(text: str) -> list[str]:
    return [re.sub(r"[ \u00a0\u202f]", "", match.group()).replace("−", "-") for match in _NUMBER.finditer(text)]


def _values(said: str) -> list[float]:
    """What a number means, the likeliest first: 1,234 is a thousand and more in English, 1.234 in Spanish."""
    if "," in said and "." in said:
        thousands = "," if said.rindex(".") > said.rindex(",") else "."
        return [float(said.replace(thousands, "").replace(",", "."))]
    grouped = re.fullmatch(r"[-+]?[1-9]\d{0,2}(?:([.,])\d{3})+", said)
    whole, decimal = said.replace(",", "").replace(".", ""), said.replace(",", ".")
    if not grouped:
        return [float(decimal)]
    if decimal.count(".") > 1:
        return [float(whole)]
    return [float(whole), float(decimal)] if grouped[1] == "," else [float(decimal), float(whole)]


def json(text: str, expected: Mapping[str, Any] | None = None) -> float:
    """Whether the answer is JSON, and where a schema is expected, whether it obeys it. A Markdown fence around it is allowed.

    >>> json('{"city": "Lima"}', {"type": "object", "required": ["city"]}), json("Lima")
    (1.0, 0.0)
    """
    valid = _schema(expected) if expected is not None else lambda value: True
    fence = _FENCE.match(text)
    try:
        value = loads(fence[1] if fence else text)
    except (ValueError, RecursionError):
        return 0.0
    return float(valid(value))


def _schema(expected: Any) -> Callable[[Any], bool]:
    if not isinstance(expected, Mapping):
        raise OptionError(f"expected={expected!r} is no JSON schema.", fix='Give a dict, such as {"type": "object"}, or nothing.')
    jsonschema = import_module("jsonschema")  # comes with JupyterLab
    kind = jsonschema.validators.validator_for(expected)
    try:
        kind.check_schema(expected)
    except jsonschema.SchemaError as error:
        raise OptionError(f"expected={expected!r} is no JSON schema: {error.message}.") from None
    valid: Callable[[Any], bool] = kind(expected).is_valid
    return valid


def similarity(text: str, expected: str | Iterable[str], *, model: str | Model = "mini-embed") -> float:
    """How near the answer is to the expected text in meaning: cosine of their vectors, -1 to 1; of several, the nearest.

    Parameters
    ----------
    text : str
    expected : str or iterable of str
    model : str or Model
        An embedding model. Vectors of different models cannot be compared, nor can the scores made from them.
    """
    wanted = list(_texts(expected, "similarity"))
    if not text.strip():
        return 0.0
    vectors = (_loaded(model) if isinstance(model, str) else model).embed([typed(one) for one in (text, *wanted)])
    return float((vectors[1:] @ vectors[0]).max())


@cache
def _loaded(name: str) -> Model:
    from ..backends.registry import load

    return load(name)


def _texts(expected: Any, who: str) -> Iterable[str]:
    items = [expected] if isinstance(expected, str) else list(expected) if isinstance(expected, Iterable) else []
    if not items or not all(isinstance(item, str) and item for item in items):
        what = f"The scorer {who!r} needs an expected text, not {expected!r}."
        raise OptionError(what, fix='Give it with the prompt: {"prompt": "Capital of Peru?", "expected": "Lima"}.')
    return items


# -- using them -------------------------------------------------------------------------------------------------------------------


def name_of(scorer: Scorer) -> str:
    """What the column of a scorer is called: the name of the function.

    >>> from functools import partial
    >>> name_of(partial(number, tolerance=0.5))
    'number'
    """
    while hasattr(scorer, "func"):
        scorer = scorer.func
    name = getattr(scorer, "__name__", type(scorer).__name__)
    return "score" if name == "<lambda>" else str(name)


def named(scorers: Scorer | Iterable[Scorer] | Mapping[str, Scorer], taken: Iterable[str] = ()) -> dict[str, Scorer]:
    """Scorers by the name of their column.

    Raises
    ------
    OptionError
        When one is no function, or two columns would have one name.
    """
    if isinstance(scorers, Mapping):
        pairs = [(str(name), scorer) for name, scorer in scorers.items()]
    else:
        pairs = [(name_of(scorer), scorer) for scorer in ([scorers] if callable(scorers) else scorers)]
    out: dict[str, Scorer] = {}
    for name, scorer in pairs:
        if not callable(scorer):
            raise OptionError(f"A scorer is a function of the text, not {scorer!r}.", fix="Such as lab.scorers.contains.")
        if name in out or name in set(taken):
            what = f"There would be two columns {name!r}."
            raise OptionError(what, fix=f'Give the scorer another name: scorers={{"{name}_2": ...}}.')
        out[name] = scorer
    return out


def apply(scorer: Scorer, reply: Reply, expected: Any) -> tuple[float, str]:
    """The score of a reply, and what went wrong: a scorer that fails costs this score and nothing else.

    The scorer is called with as many of (text, expected, reply) as it takes.
    """
    arguments = (reply.text, expected, reply)
    try:
        value = scorer(*arguments[: _takes(scorer)])
        score = float(value)
        if not math.isfinite(score):
            raise ValueError(f"it returned {value!r}")
    except LabError as error:
        return math.nan, str(error)
    except Exception as error:  # whatever a function of somebody else's does
        return math.nan, f"{name_of(scorer)} failed: {type(error).__name__}: {error}"
    return score, ""


def _takes(scorer: Scorer) -> int:
    """How many of (text, expected, reply) a function takes."""
    try:
        parameters = list(inspect.signature(scorer).parameters.values())
    except (TypeError, ValueError):  # some functions written in C do not tell
        return 2
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 3
    # What a partial has set by name can no longer be given by position.
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = sum(p.default is p.empty for p in places)
    known = {"expected", "reply"}
    optional = sum(p.default is not p.empty and p.name in known for p in places)
    return min(3, required + optional)
