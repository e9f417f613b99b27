"""`compare`: the same prompts to several models, one row for each answer; what they score, how fast they are, and whether they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..backends.base import Model, Prompt
from ..backends.registry import load
from ..chat import Options
from ..errors import LabError, OptionError
from ..measure.memory import on_server
from . import scorers as _scorers
from .calls import Call, Outcome, Run, open_log, path_of
from .comparison import Comparison, Entrant
from .progress import Meter, Report
from .rows import TAKEN, Case, check_counts, first_seed, frame, read_cases, replies, row, seeded

Models = Sequence[str | Path | Model] | Mapping[str, Any] | str | Path | Model


@dataclass(frozen=True)
class Entry:
    """One model of a comparison: what its rows are called, how to get it, and what is asked of it."""

    label: str
    model: str | Path | Model
    options: Options


def compare(
    models: Models,
    prompts: Prompt | Iterable[Any],
    scorers: _scorers.Scorer | Iterable[_scorers.Scorer] | Mapping[str, _scorers.Scorer] = (),
    repeats: int = 1,
    *,
    system: str = "",
    seed: int | None = None,
    options: Options | None = None,
    log: str | Path | bool | None = None,
    progress: Report = None,
    executor: Executor | None = None,
    together: bool = False,
    **changes: Any,
) -> Comparison:
    """Ask several models the same prompts under the same settings.

    Parameters
    ----------
    models : sequence of (str, Path or Model), or dict
        What `load` takes, or models that are loaded; those given by name are loaded one after the other and closed afterwards. A dict
        gives them labels, and perhaps options of their own: ``{"cold": "mini-m", "warm": ("mini-m", {"temperature": 1.2})}``.
    prompts : iterable
        Each a text, a list of messages, or a dict with 'prompt' and perhaps 'expected' (for the scorers) and 'system'.
    scorers : function, iterable of them, or dict of name -> function
        Each gets (text, expected, reply), or the first ones of these, and returns a number; see `labkit.experiments.scorers`.
    repeats : int
        Answers to each prompt, with seeds `seed`, `seed` + 1 and so on. At temperature 0 they only repeat the text.
    system : str
        A system message for all prompts.
    seed : int, optional
        By default that of `options`, else 0.
    options : Options
        Where to start from; by default `Options()`.
    log : str, Path, bool or None
        The run log: prompts and answers, as plain text. None: one in labkit's cache, so that the same call goes on after it was cut
        short; it is deleted at the end. A file: whatever stands in it is not asked again. False: none.
    progress : bool, callable or None
        None shows a bar where somebody looks. A callable gets a `Progress` for each call.
    executor : concurrent.futures.Executor
        Spreads the calls: threads, processes, a Dask cluster (``Client(...).get_executor()``).
    together : bool
        Many calls at once, as `generate_many` makes them: faster, but then the times are not those of an answer alone.
    **changes
        Options for all by name.

    Returns
    -------
    Comparison
        `frame` holds the rows. What fails is a row with an 'error'.

    Raises
    ------
    OptionError
        Before anything is asked: for an option, prompt, scorer or log that cannot be used.
    LabError
        When no model could be loaded at all.
    """
    check_counts(repeats=repeats)
    given = Options.of(options, **changes)
    base, seed = replace(given, seed=None), first_seed(seed, given, 0)
    entries, cases = _entries(models, base), read_cases(prompts, system)
    functions = _scorers.named(scorers, TAKEN)
    total = len(entries) * len(cases) * repeats
    plan = [[e.label, str(getattr(e.model, "name", e.model)), repr(e.options)] for e in entries]
    rows: list[dict[str, Any]] = []
    found: dict[str, Entrant] = {}
    with (
        open_log(log, "compare", [plan, [repr(case) for case in cases], repeats, seed]) as (opened, notes),
        Meter(total, "compare", progress) as meter,
    ):
        run = Run(opened, notes, meter, executor, together)
        for entry in entries:
            calls = _calls(entry, cases, repeats, seed, len(rows))
            found[entry.label], outcomes = _enter(entry, calls, run)
            for call, (case, repeat) in zip(calls, _each(cases, repeats), strict=True):
                head = {"model": entry.label, "case": case.number, "prompt": case.text, "repeat": repeat, "seed": call.options.seed}
                rows.append(row(head, outcomes[call.index], functions, case.expected) | {"memory": found[entry.label].memory})
        errors = [entrant.error for entrant in found.values() if entrant.error]
        if len(errors) == len(entries):
            raise errors[0]
        run.end()
    return Comparison(frame(rows), found, tuple(functions), tuple(run.notes), path_of(opened))


def _entries(models: Models, base: Options) -> list[Entry]:
    if isinstance(models, str | Path | Model):
        models = [models]
    pairs = models.items() if isinstance(models, Mapping) else [(str(getattr(m, "name", m)), m) for m in models]
    out: list[Entry] = []
    for label, given in pairs:
        model, own = given if isinstance(given, tuple) and len(given) == 2 else (given, {})
        if not isinstance(model, str | Path | Model) or not isinstance(own, Mapping):
            raise OptionError(
                f"{given!r} is no model.", fix='Give a name or a loaded model, or with a label: {"warm": ("mini-m", {"temperature": 1})}.'
            )
        if any(entry.label == str(label) for entry in out):
            raise OptionError(f"There are two models {label!r}.", fix='Give them labels: {"first": ..., "second": ...}.')
        if "seed" in own:
            raise OptionError("The seed is the same for all models.", fix="Give it to compare() itself: seed=1.")
        out.append(Entry(str(label), model, Options.of(base, **own)))
    if not out:
        raise OptionError("There are no models to compare.", fix='Give at least one, such as ["mini-m"].')
    return out


def _each(cases: Sequence[Case], repeats: int) -> list[tuple[Case, int]]:
    # All prompts once, then all again: what changes on the machine meanwhile meets every prompt.
    return [(case, repeat) for repeat in range(repeats) for case in cases]


def _calls(entry: Entry, cases: Sequence[Case], repeats: int, seed: int, start: int) -> list[Call]:
    pairs = enumerate(_each(cases, repeats), start)
    return [Call(index, case.messages, seeded(entry.options, seed, repeat)) for index, (case, repeat) in pairs]


def _enter(entry: Entry, calls: Sequence[Call], run: Run) -> tuple[Entrant, dict[int, Outcome]]:
    """Load a model where that is needed, and let it answer."""
    owned = not isinstance(entry.model, Model)
    try:
        model = load(entry.model) if not isinstance(entry.model, Model) else entry.model
        model._check_open()
    except OptionError:
        raise
    except LabError as error:
        for call in calls:
            run.meter.add(call.index, error)
        return Entrant(entry.label, entry.options, error=error), {call.index: Outcome(error) for call in calls}
    try:
        outcomes = run(model, calls)
        reported = on_server(model)
        info = None
        with suppress(LabError):
            info = model.info()
    finally:
        if owned:
            model.close()
    reply = next(iter(replies(outcomes.values())), None)
    # Not the growth of this process: what one model gave back, the next one takes without any growth.
    predicted = (info.memory, "predicted") if info is not None and info.memory else (None, "")
    memory, source = (reported.get("size"), "Ollama ps") if reported is not None else predicted
    return Entrant(entry.label, entry.options, model.engine, info, model.context_window, reply, memory, source), outcomes
