"""`reproduce`: does the same request give the same text? In this process, after a reload, after another prompt, batched or alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import display
from ..backends.base import Model, Prompt
from ..backends.registry import load
from ..chat import Message, Options, Reply, as_messages
from ..display import PLAIN, escape, table_html
from ..errors import LabError
from ..wording import say
from .metrics import words
from .rows import check_counts, first_seed, seeded

if TYPE_CHECKING:
    import pandas as pd

OTHER = "Count to ten."
AROUND = 4  # tokens shown on both sides of a fork
WAYS = {
    "again": "asked again in this process",
    "after another prompt": "asked after another prompt",
    "batched": "asked together with others",
    "reloaded": "asked after the model was loaded again",
}


@dataclass(frozen=True)
class Fork:
    """Where two texts part.

    Attributes
    ----------
    position : int
        Tokens that they share.
    here, there : str
        What the first and the second text say from a few tokens before.
    unit : str
        'token', or 'word' where the engine does not show its tokens.
    """

    position: int
    here: str
    there: str
    unit: str


@dataclass(frozen=True)
class Reproduction:
    """What `reproduce` found.

    Attributes
    ----------
    frame : DataFrame
        One row for each further answer: 'way', 'identical', 'fork' (tokens that both texts share, where they part), 'first' and 'this'
        (what they say there), 'text', 'error'.
    text : str
        The first answer, which the others are compared with.
    model : str
    seed : int
    """

    frame: pd.DataFrame
    text: str
    model: str
    seed: int

    @property
    def identical(self) -> bool:
        """Whether every answer is the first one."""
        return bool(self.frame["identical"].all())

    def _table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        rows: list[tuple[str, ...]] = []
        for way, part in self.frame.groupby("way", sort=False):
            same, unlike = int(part["identical"].sum()), part[~part["identical"]]
            where = ""
            if len(unlike):
                one = unlike.iloc[0]
                said = "after {n} tokens: {one} or {other}" if one["unit"] == "token" else "after {n} words: {one} or {other}"
                where = one["error"] or say(said, n=int(one["fork"]), one=repr(one["first"]), other=repr(one["this"]))
            rows.append((say(str(way)), say("{same} of {n}", same=same, n=len(part)), where))
        return (say("the same request"), say("identical"), say("first fork")), rows

    def __str__(self) -> str:
        _, rows = self._table()
        lines = (say("{way}: {same} identical {where}", way=way, same=same, where=where).rstrip() for way, same, where in rows)
        return "\n".join([self._title(), *lines])

    def _title(self) -> str:
        return say("{model}, seed {seed}", model=self.model, seed=self.seed)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        columns, rows = self._table()
        return table_html(columns, rows, self._title()) + f"<div class='{PLAIN}' style='white-space:pre-wrap'>{escape(self.text)}</div>"


def reproduce(
    model: str | Path | Model,
    prompt: Prompt,
    seed: int | None = None,
    n: int = 3,
    *,
    system: str = "",
    options: Options | None = None,
    **changes: Any,
) -> Reproduction:
    """Ask the same several times, in several ways, and see whether the text is the same.

    Parameters
    ----------
    model : str, Path or Model
        One that `load` made can also be loaded again; otherwise that way is left out.
    prompt : str, Message, dict or list of them
    seed : int, optional
        By default that of `options`, else 1.
    n : int
        Answers in each way (one after a reload).
    system : str
    options : Options
        Where to start from; by default `Options()`.
    **changes
        Options by name.

    Returns
    -------
    Reproduction

    Raises
    ------
    LabError
        When the first answer fails; a later one that fails is a row with an 'error'.
    """

    check_counts(n=n)
    messages = as_messages(prompt, system)
    given = Options.of(options, **changes)
    seed = first_seed(seed, given, 1)
    asked = replace(given, seed=seed)
    owned = not isinstance(model, Model)
    llm = load(model) if not isinstance(model, Model) else model
    try:
        first = llm.chat(messages, options=asked)
        rows = [_row(llm, way, first, result) for way, results in _asked(llm, messages, asked, n) for result in results]
    finally:
        if owned:
            llm.close()
    return Reproduction(display.frame(rows), first.text, llm.name, seed)


def _asked(model: Model, messages: tuple[Message, ...], options: Options, n: int) -> list[tuple[str, list[Reply | LabError]]]:
    def alone(which: Model = model) -> Reply:
        return which.chat(messages, options=options)

    def after_another() -> Reply:
        model.chat(OTHER, options=seeded(options, options.seed or 0, 7))
        return alone()

    def reloaded() -> Reply:
        assert model.recipe is not None
        name, given = model.recipe
        with load(name, **given) as other:
            return alone(other)

    ways = [(WAYS["again"], [_tried(alone) for _ in range(n)]), (WAYS["after another prompt"], [_tried(after_another) for _ in range(n)])]
    # Beside each of ours stands another one, so that they are not all alike.
    others = [{"prompt": OTHER, "seed": number} for number in range(n)]
    batch = [request for other in others for request in ({"prompt": messages}, other)]
    found = _tried(lambda: model.generate_many(batch, options=options, errors="return"))
    ways.append((WAYS["batched"], [found] if isinstance(found, LabError) else list(found[::2])))
    if model.recipe is not None:
        ways.append((WAYS["reloaded"], [_tried(reloaded)]))
    return ways


def _tried(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except LabError as error:
        return error


def _row(model: Model, way: str, first: Reply, result: Reply | LabError) -> dict[str, Any]:
    row: dict[str, Any] = {"way": way, "identical": False, "fork": None, "unit": "", "first": "", "this": "", "text": "", "error": ""}
    if isinstance(result, LabError):
        return row | {"error": f"{type(result).__name__}: {result}"}
    found = fork(model, first.text, result.text)
    row |= {"text": result.text, "identical": found is None}
    return row if found is None else row | {"fork": found.position, "unit": found.unit, "first": found.here, "this": found.there}


def fork(model: Model, one: str, other: str) -> Fork | None:
    """Where two texts part; None where they are the same. In the model's tokens where it shows them, else in words."""
    if one == other:
        return None
    first, second, unit = _pieces(model, one), _pieces(model, other), "token"
    if first is None or second is None:
        first, second, unit = words(one), words(other), "word"
    same = next((place for place, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]), min(len(first), len(second)))
    glue, start = "" if unit == "token" else " ", max(0, same - AROUND)
    return Fork(same, glue.join(first[start : same + AROUND]), glue.join(second[start : same + AROUND]), unit)


def _pieces(model: Model, text: str) -> list[str] | None:
    from ..backends.llama_cpp import LlamaCppModel

    if not isinstance(model, LlamaCppModel):
        return None
    from ..backends._logits import token_text

    return [token_text(model, token) for token in model._engine.tokenize(text, special=False)]
