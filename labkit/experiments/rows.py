"""Rows of an experiment: what was asked, what came back, what it scored. An error is a row, not the end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Number
from typing import TYPE_CHECKING, Any

from .. import display
from ..chat import MAX_SEED, Message, Options, Reply, as_messages
from ..errors import LabError, OptionError
from ..measure import Interval, bootstrap, share
from ..measure.stats import FEWEST, LEVEL
from . import scorers as _scorers
from .calls import Outcome

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES = 10_000
# What a reply is to the engine, in this order; times in seconds.
FIGURES = (
    "finish_reason", "prompt_tokens", "completion_tokens", "cached_tokens", "total_duration", "time_to_first_token", "load_duration",
    "prompt_duration", "generation_duration", "tokens_per_second",
)  # fmt: skip
NUMBERS = FIGURES[1:]
TAKEN = ("case", "prompt", "repeat", "seed", "model", "text", "thinking", *FIGURES, "engine", "error", "score_error", "from_log", "memory")
# Of these everybody knows how to write them; the rest of a figure's unit is in its name.
UNITS = {name: "s" for name in NUMBERS if name.endswith(("duration", "first_token"))} | {
    "tokens_per_second": "tokens/s", "prompt_tokens": "tokens", "completion_tokens": "tokens", "cached_tokens": "tokens",
    "memory": "bytes", "size": "bytes", "words": "words", "characters": "characters",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One prompt, with what is expected of the answer.

    Attributes
    ----------
    number : int
        Its place in the list.
    messages : tuple of Message
    expected : object
        For the scorers; None where nothing is expected.
    """

    number: int
    messages: tuple[Message, ...]
    expected: Any = None

    @property
    def text(self) -> str:
        """The last message: what a table shows of the prompt."""
        return self.messages[-1].content


def read_cases(prompts: Any, system: str = "") -> list[Case]:
    """Prompts as a notebook types them.

    Parameters
    ----------
    prompts : iterable
        Each a text, a list of messages, or a dict with 'prompt' and perhaps 'expected' and 'system'.
    system : str
        A system message for all; that of a prompt itself comes last.
    """
    if isinstance(prompts, str | Message) or (isinstance(prompts, Mapping) and ("prompt" in prompts or "role" in prompts)):
        prompts = [prompts]
    if hasattr(prompts, "to_dict") and hasattr(prompts, "columns"):
        prompts = prompts.to_dict("records")
    if isinstance(prompts, Mapping) or not isinstance(prompts, Iterable):
        raise OptionError(f"Prompts are a list, not {type(prompts).__name__}.", fix='Give ["...", {"prompt": "...", "expected": "..."}].')
    cases = [_case(number, prompt, system) for number, prompt in enumerate(prompts)]
    if not cases:
        raise OptionError("There are no prompts.", fix="Give at least one.")
    return cases


def _case(number: int, prompt: Any, system: str) -> Case:
    expected = None
    try:
        if isinstance(prompt, Mapping) and "prompt" in prompt:
            unknown = sorted(set(prompt) - {"prompt", "expected", "system"})
            if unknown:
                raise OptionError(f"a prompt has no {unknown[0]!r}.", fix="It has 'prompt', 'expected' and 'system'.")
            expected, system = prompt.get("expected"), prompt.get("system") or system
            prompt = prompt["prompt"]
        return Case(number, as_messages(prompt, system), expected)
    except OptionError as error:
        raise OptionError(f"Prompt {number}: {error.what}", error.cause, error.fix) from None


def first_seed(seed: int | None, options: Options, default: int) -> int:
    """The seed that the repeats count up from: the one that was given, else that of the options, else a default."""
    said = replace(options, seed=seed).seed if seed is not None else options.seed  # a wrong one fails here, with its own message
    return default if said is None else said


def seeded(options: Options, seed: int, repeat: int) -> Options:
    """The options of one repeat: the seed counts up."""
    return replace(options, seed=(seed + repeat) % (MAX_SEED + 1))


def check_counts(**counts: Any) -> None:
    """Each is a whole number of at least 1, or OptionError."""
    for name, value in counts.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise OptionError(f"{name}={value!r} is out of range.", fix="It is a whole number of at least 1.")


def row(head: Mapping[str, Any], outcome: Outcome, scorers: Mapping[str, _scorers.Scorer], expected: Any) -> dict[str, Any]:
    """One flat row.

    Parameters
    ----------
    head : dict
        The first columns.
    outcome : Outcome
    scorers : dict
        Column -> function.
    expected : object
    """
    result = outcome.result
    if isinstance(result, LabError):
        empty = dict.fromkeys(scorers, math.nan) | dict.fromkeys(FIGURES)
        end = {"thinking": "", "engine": "", "error": f"{type(result).__name__}: {result}", "score_error": ""}
        return {**head, "text": "", **empty, "finish_reason": "error", **end, "from_log": False}
    scores, wrong = {}, []
    for name, scorer in scorers.items():
        scores[name], problem = _scorers.apply(scorer, result, expected)
        wrong += [problem] if problem else []
    flat = result.row()
    end = {"thinking": result.thinking, "engine": result.sent.engine, "error": "", "score_error": " ".join(wrong)}
    return {**head, "text": result.text, **scores, **{name: flat[name] for name in FIGURES}, **end, "from_log": outcome.from_log}


def cell(value: Any) -> Any:
    """A setting as it stands in a table: None as text too, since pandas takes it for a value that is missing."""
    return value if isinstance(value, Number | str) else repr(value)


def frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a pandas frame; what an engine did not tell is NaN."""
    import pandas as pd

    out = display.frame(list(rows))
    for name in NUMBERS:
        if name in out:
            out[name] = pd.to_numeric(out[name]).astype(float)
    return out


def mean_interval(values: Sequence[float] | pd.Series, scored: bool, level: float = LEVEL) -> Interval | None:
    """Where the mean of some values probably is; None for too few.

    By bootstrap, from five values on: from two it would hold the true mean in half of all experiments. For skewed values it does so
    less often than it says: in 85 to 90 % of them with five to ten values. Scores that are all 0 or 1 are a share, and there Wilson's
    formula needs only two: from ten right answers out of ten the bootstrap would conclude that there can be no wrong one.

    Parameters
    ----------
    values : sequence of float
    scored : bool
        Whether they are scores: a time or a count that happens to be 0 or 1 is no share.
    level : float
    """
    if scored and len(values) > 1 and set(values) <= {0.0, 1.0}:
        return share(float(sum(values)), len(values), level=level)
    return bootstrap(values, level=level, resamples=RESAMPLES) if len(values) >= FEWEST else None


def one_text(answers: pd.DataFrame, temperature: float) -> bool:
    """Whether the answers to a prompt are one observation: at temperature 0 repeats only repeat the text."""
    return temperature == 0 and answers[answers["error"] == ""]["text"].nunique() <= 1


def replies(outcomes: Iterable[Outcome]) -> list[Reply]:
    """Those that are replies."""
    return [outcome.result for outcome in outcomes if isinstance(outcome.result, Reply)]
