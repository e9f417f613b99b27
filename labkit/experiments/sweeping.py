"""`sweep`: one prompt under every combination of some settings, several times each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from ..backends.base import Model, Prompt
from ..backends.registry import load
from ..chat import Options
from ..errors import CapabilityError, LabError, OptionError
from ..measure import perplexity as _perplexity
from . import metrics
from . import scorers as _scorers
from .calls import Call, Run, open_log, path_of
from .progress import Meter, Report
from .rows import TAKEN, Case, cell, check_counts, first_seed, frame, read_cases, row, seeded
from .swept import Sweep

MEASURED = ("words", "characters", "repetition", "perplexity")


def sweep(
    model: str | Path | Model,
    prompt: Prompt | Mapping[str, Any],
    repeats: int = 5,
    scorers: _scorers.Scorer | Iterable[_scorers.Scorer] | Mapping[str, _scorers.Scorer] = (),
    *,
    system: str = "",
    seed: int | None = None,
    options: Options | None = None,
    perplexity: bool = True,
    embedder: str | Model | None = None,
    log: str | Path | bool | None = None,
    progress: Report = None,
    executor: Executor | None = None,
    together: bool = True,
    **settings: Any,
) -> Sweep:
    """Ask one prompt under every combination of some settings.

    Parameters
    ----------
    model : str, Path or Model
    prompt : str, list of messages, or dict with 'prompt', 'expected' and 'system'
    repeats : int
        Answers under each combination, with seeds `seed`, `seed` + 1 and so on: the same seeds under all of them.
    scorers : function, iterable of them, or dict of name -> function
        As in `compare`.
    system : str
    seed : int, optional
        By default that of `options`, else 0.
    options : Options
        Where to start from; by default `Options()`.
    perplexity : bool
        Compute how likely the model itself finds each answer, where it runs in this process; elsewhere the column is NaN.
    embedder : str or Model, optional
        Measures how alike the answers are by meaning; without one, by shared words.
    log, progress, executor
        As in `compare`.
    together : bool
        Many calls at once, as `generate_many` makes them. False makes one after the other: for the times of single answers, and for
        texts that do not depend on what is computed beside them.
    **settings
        Options by name. A list of values is swept, a single value holds for all: ``temperature=[0, 0.5, 1], top_p=0.9``.
        (`stop` and `tools` are lists by themselves: there a list of lists is swept.)

    Returns
    -------
    Sweep
        `frame` holds the rows, `summary()` one row for each combination.

    Raises
    ------
    OptionError
        Before anything is asked.
    """
    check_counts(repeats=repeats)
    (case,) = read_cases([prompt], system)
    swept, constant = split(settings)
    given = Options.of(options, **constant)
    base, seed = replace(given, seed=None), first_seed(seed, given, 0)
    grid = [dict(zip(swept, values, strict=True)) for values in product(*swept.values())]
    choices = [Options.of(base, **point) for point in grid]
    functions = _scorers.named(scorers, [*TAKEN, *MEASURED, *swept])
    calls = [Call(i * repeats + r, case.messages, seeded(o, seed, r)) for i, o in enumerate(choices) for r in range(repeats)]
    owned = not isinstance(model, Model)
    llm = load(model) if not isinstance(model, Model) else model
    plan = [llm.name, [repr(call) for call in calls]]
    try:
        llm._check_open()
        with open_log(log, "sweep", plan) as (opened, said), Meter(len(calls), "sweep", progress) as meter:
            run = Run(opened, said, meter, executor, together)
            outcomes = run(llm, calls)
            rows = []
            for call in calls:
                head = {"model": llm.name, **{k: cell(v) for k, v in grid[call.index // repeats].items()}}
                head |= {"repeat": call.index % repeats, "seed": call.options.seed}
                rows.append(row(head, outcomes[call.index], functions, case.expected))
            notes = _measure(llm, case, rows, perplexity)
            run.end()
        vectors = load(embedder) if isinstance(embedder, str) else embedder
        found = Sweep(
            frame(rows), llm.name, case.text, {name: [cell(v) for v in values] for name, values in swept.items()}, tuple(functions),
            base, (*run.notes, *notes), path_of(opened), vectors,
        )  # fmt: skip
        found.summary()  # now, while the embedding model is there
        return found
    finally:
        if owned:
            llm.close()


def split(settings: Mapping[str, Any]) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """What is swept, and what holds for all.

    >>> split({"temperature": [0, 1], "top_k": 5, "stop": ["\\n"]})
    ({'temperature': [0, 1]}, {'top_k': 5, 'stop': ['\\n']})
    """
    swept: dict[str, list[Any]] = {}
    constant: dict[str, Any] = {}
    for name, value in settings.items():
        values = value.tolist() if hasattr(value, "tolist") else list(value) if isinstance(value, list | tuple | range) else None
        if isinstance(values, list) and name in ("stop", "tools"):
            values = values if values and all(isinstance(one, list | tuple) for one in values) else None
        if not isinstance(values, list):
            constant[name] = value
            continue
        if name == "seed":
            raise OptionError("Seeds are not swept.", "Each repeat has its own.", "Give the first one and how many: seed=1, repeats=8.")
        if not values:
            raise OptionError(f"{name}=[] holds no value.", fix="Give at least one.")
        if len({repr(one) for one in values}) < len(values):
            raise OptionError(f"{name}={values!r} holds a value twice.", fix="For more answers of each use repeats.")
        for one in values:
            Options.of(None, **{name: one})  # a wrong name or value fails here, with its own message
        swept[name] = values
    return swept, constant


def _measure(model: Model, case: Case, rows: Sequence[dict[str, Any]], perplexity: bool) -> list[str]:
    """Add what can be said of each text; returns what could not."""
    known: dict[str, float] = {}
    why = ""
    for one in rows:
        text, failed = one["text"], bool(one["error"])
        one["words"] = math.nan if failed else len(metrics.words(text))
        one["characters"] = math.nan if failed else len(text)
        one["repetition"] = math.nan if failed else metrics.repetition(text)
        one["perplexity"] = math.nan
        if perplexity and text and not why:
            try:
                one["perplexity"] = known[text] if text in known else _perplexity(model, case.messages, text)
                known[text] = one["perplexity"]
            except CapabilityError as error:
                why = f"No perplexity: {error}"
            except LabError as error:  # a reply that filled the window to its last token
                one["score_error"] = f"{one['score_error']} No perplexity: {error}".strip()
    return [why] if why else []
