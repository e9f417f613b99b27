"""Fair or flagged: whether every engine got the same settings, and what each changed or does not obey.

labkit sends every option to every engine. `Reply.sent` holds what really went out, in the engine's own words; here it is read back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..chat import FOREIGN_NAMES, Options, Reply, Sent
from ..translation import translated
from ..wording import reader, say

if TYPE_CHECKING:
    import pandas as pd

# Options that say how to sample and where to end: what a comparison has to hold still.
COMPARED = (
    "temperature", "top_k", "top_p", "min_p", "repeat_penalty", "repeat_last_n", "presence_penalty", "frequency_penalty", "max_tokens",
    "stop", "schema", "think", "truncate",
)  # fmt: skip
# Not options of a request, but an answer may depend on them.
AROUND = ("context_window", "quantization")
# Parts of the prompts that came from a cache: between most of one model's and few of another's, times to the first token say nothing.
MOST, FEW = 0.5, 0.25
_THEIRS = {ours: [name for name, meant in FOREIGN_NAMES.items() if meant == ours] for ours in (*COMPARED, "seed")}
_THEIRS |= {"context_window": ["num_ctx"], "schema": ["format", "response_format"]}


def fairness(
    asked: Mapping[str, Options],
    replies: Mapping[str, Reply],
    around: Mapping[str, Mapping[str, Any]],
    cached: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """One row for each setting, one column for each model, and what a reader must know.

    Parameters
    ----------
    asked : dict
        Label -> options that were asked for.
    replies : dict
        Label -> any reply of that model; models without one are left out.
    around : dict
        Label -> ``{"context_window", "quantization"}``.
    cached : dict, optional
        Label -> part of its prompts' tokens that came from its cache; models whose engine does not tell are left out.

    Returns
    -------
    DataFrame
        Indexed by setting: what each model was sent, and 'flag': '' where all had the same and obey it, else what is not fair.
    """
    import pandas as pd

    labels = [label for label in asked if label in replies]
    rows: dict[str, dict[str, str]] = {}
    for name in COMPARED:
        flags, cells = [], {}
        for label in labels:
            wanted = getattr(asked[label], name)
            found, why = sent_as(name, wanted, replies[label].sent)
            cells[label] = found
            flags += [f"{label}: {why}"] if why else []
        if len({_text(getattr(asked[label], name)) for label in labels}) > 1:
            flags.append(say("asked for differently"))
        if any(cells.values()) or flags:
            rows[name] = {**cells, "flag": "; ".join(flags)}
    for name in AROUND:
        cells = {label: _text(around.get(label, {}).get(name)) for label in labels}
        rows[name] = {**cells, "flag": say("differs") if len(set(cells.values())) > 1 else ""}
    parts = cached or {}
    if any(parts.values()):
        said = "{model} took most of its prompts from its cache, so its first token came sooner"
        flags = [say(said, model=label) for label, part in parts.items() if part > MOST and min(parts.values()) < FEW]
        rows["cached_tokens"] = {label: f"{parts[label]:.0%}" if label in parts else "" for label in labels} | {"flag": "; ".join(flags)}
    out = pd.DataFrame.from_dict(rows, orient="index", columns=[*labels, "flag"])
    out.index.name = "setting"
    return out


def sent_as(name: str, wanted: Any, sent: Sent) -> tuple[str, str]:
    """What an engine was sent for an option, and what is not as it was asked for ('' for nothing).

    >>> sent_as("max_tokens", 5, Sent("Ollama", {"options": {"num_predict": 5}}))
    ('5', '')
    >>> sent_as("top_k", 40, Sent("x", {}, {"top_k": "the protocol has no such option"}))
    ('', 'ignored (the protocol has no such option)')
    >>> sent_as("top_p", 0.9, Sent("x", {"top_p": 0.8}))
    ('0.8', 'changed from 0.9')
    """
    if name in sent.ignored:
        return "", say("ignored ({why})", why=translated(sent.ignored[name], reader()))
    flat = dict(sent.request) | dict(sent.request.get("options") or {})
    for key in (name, *_THEIRS.get(name, ())):
        if key in flat:
            found = flat[key]
            return _text(found), "" if _same(name, wanted, found) else say("changed from {wanted}", wanted=_text(wanted))
    # Left out of the request: nothing was to be said, or the engine has no such thing.
    return "", "" if wanted is None or wanted is False or wanted == () else say("not sent")


def _same(name: str, wanted: Any, found: Any) -> bool:
    if name == "max_tokens" and wanted is None:
        return found in (None, -1)
    if name == "stop":  # an engine adds its own end marks
        return set(wanted) <= set(found or ())
    if name == "schema":
        return (found is None) == (wanted is None)
    if isinstance(wanted, float) and isinstance(found, int | float):
        return abs(wanted - found) < 1e-9
    return bool(_text(found) == _text(wanted))


def _text(value: Any) -> str:
    if value is None or value == () or value == []:
        return "" if value is None else "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=list)


def options_text(options: Options) -> str:
    """The options that are not labkit's own, for a caption."""
    usual = asdict(Options())
    return ", ".join(f"{name}={value!r}" for name, value in asdict(options).items() if value != usual[name] and name != "seed")
