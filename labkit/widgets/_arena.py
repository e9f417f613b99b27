"""The arena: two or more models answer at once, blind if wanted; votes, and what they say, with intervals."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw  # type: ignore[import-untyped]

from ..backends.base import Model
from ..chat import Options, Reply
from ..display import escape, table_html
from ..errors import OptionError
from ..experiments.votes import Pair, tally
from ._chat import figures, note, said
from ._models import Shelf, as_list
from ._panel import Panel, error_text

if TYPE_CHECKING:
    import pandas as pd

MOST_MODELS = 4
LETTERS = "ABCD"


@dataclass
class Round:
    """One prompt, with the answers in the order in which they stand.

    Attributes
    ----------
    prompt : str
    models : tuple of str
        Who answers, from left to right: drawn by chance.
    replies : dict of str -> Reply
    errors : dict of str -> str
    vote : int or None
        Place of the best answer, -1 for a tie, None before the vote.
    """

    prompt: str
    models: tuple[str, ...]
    replies: dict[str, Reply] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    vote: int | None = None

    @property
    def complete(self) -> bool:
        """Whether everybody has answered, and nobody was stopped."""
        whole = {name for name, reply in self.replies.items() if reply.finish_reason not in ("cancelled", "error")}
        return whole == set(self.models) and not self.errors

    def pairs(self) -> list[tuple[Pair, str | None]]:
        """Each two answers with the vote on them; None where neither was the best."""
        found: list[tuple[Pair, str | None]] = []
        for left, right in combinations(range(len(self.models)), 2):
            names = (self.models[left], self.models[right])
            pair = Pair(self.prompt, self.replies[names[0]].text, self.replies[names[1]].text, names)
            vote = {left: "left", right: "right", -1: "tie"}.get(-2 if self.vote is None else self.vote)
            found.append((pair, vote))
        return found


def results(rounds: Sequence[Round]) -> pd.DataFrame:
    """What the votes say about each two models; see `experiments.votes.tally`."""
    judged = [pair for round in rounds if round.vote is not None for pair in round.pairs()]
    return tally([pair for pair, _ in judged], [vote for _, vote in judged])


class Arena(Panel):
    """See `arena`.

    Attributes
    ----------
    rounds : list of Round
    """

    def __init__(self, models: Sequence[Model | str | Path], blind: bool, seed: int | None, lang: str | None, options: Options) -> None:
        super().__init__(lang, "arena_title")
        self.shelf = Shelf(models)
        if not 2 <= len(self.shelf.names) <= MOST_MODELS:
            what = f"An arena is for 2 to {MOST_MODELS} different models, not {len(self.shelf.names)}."
            raise OptionError(what, fix='Name them: lab.widgets.arena(["mini-m", "ollama:llama3.2:1b"]).')
        self.rounds: list[Round] = []
        self._options, self._chance = options, random.Random(seed)
        self._blind_round = blind
        wide, label = {"width": "98%"}, {"description_width": "7em"}
        self.prompt = ipw.Text(description=self._t("prompt"), placeholder=self._t("message_empty"), style=label, layout=wide)
        self._on_enter(self.prompt, self.ask)
        self.blind = ipw.Checkbox(blind, description=self._t("blind"), indent=False, layout={"width": "auto"})
        self.ask_button = self._button("ask_all", self.ask, reads=True, button_style="primary")
        self.columns = [ipw.HTML() for _ in self.shelf.names]
        for column in self.columns:
            column.add_class("lk-sample")
        self.vote_buttons = [self._vote_button(place) for place in [*range(len(self.shelf.names)), -1]]
        self.table = ipw.HTML(layout=wide)
        row = self._row(self.ask_button, self.stop_button, self.blind)
        columns = ipw.HBox(self.columns, layout={"flex_flow": "row wrap", "align_items": "flex-start"})
        self._build((self.prompt, row, columns, self._row(*self.vote_buttons), self.status, self.table))
        self._set_busy(False)
        self._draw()

    def _vote_button(self, place: int) -> Any:
        letter = LETTERS[place] if place >= 0 else ""
        key = "vote" if place >= 0 else "vote_tie"
        button = ipw.Button(
            description=self._t(key, letter=letter), tooltip=self._t(f"{key}_hint", letter=letter), layout={"width": "auto"}
        )
        button.on_click(lambda _: self.vote(place))
        return button

    # -- what the person does ----------------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Have every model answer the prompt, all at once."""
        prompt = self.prompt.value
        if not prompt.strip():
            self._say(self._t("message_empty"))
            return

        def work() -> None:
            order = list(self.shelf.names)
            self._chance.shuffle(order)
            round = Round(prompt, tuple(order))
            self._blind_round = bool(self.blind.value)
            self.rounds.append(round)
            self._draw()
            self._say(self._t("answering", count=len(order)))
            threads = [threading.Thread(target=self._answer, args=(round, place), daemon=True) for place in range(len(order))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            stopped = self._cancelled.is_set()
            self._say(self._t("stopped" if stopped else "no_vote" if not round.complete else "vote_now"))
            self._draw()

        self._start(work)

    def _answer(self, round: Round, place: int) -> None:
        name, column = round.models[place], self.columns[place]

        def show(elapsed: float, pieces: int) -> None:
            column.value = said(self._name(round, place), stream.text, "lk-model")

        try:
            stream = self.shelf.get(name).stream(round.prompt, options=self._options)
            round.replies[name] = self._follow(stream, show)
        except Exception as error:
            round.errors[name] = error_text(error, self.lang)
        column.value = self._column_html(round, place)

    def vote(self, place: int) -> None:
        """Say which answer is the best, by its place from 0; -1 for a tie."""
        if self.rounds and self.rounds[-1].vote is None and self.rounds[-1].complete and not self.busy:
            self.rounds[-1].vote = place
            self._draw()
            self._set_busy(False)
            self._say(self._t("voted", names=", ".join(f"{LETTERS[n]} = {name}" for n, name in enumerate(self.rounds[-1].models))))
            self._changed()

    # -- what is shown -----------------------------------------------------------------------------------------------------------

    def _set_busy(self, busy: bool) -> None:
        self.ask_button.disabled = self.blind.disabled = busy
        open_round = bool(self.rounds) and self.rounds[-1].complete and self.rounds[-1].vote is None
        for button in self.vote_buttons:
            button.disabled = busy or not open_round

    def _hidden(self, round: Round) -> bool:
        return self._blind_round and round is self.rounds[-1] and round.vote is None

    def _name(self, round: Round, place: int) -> str:
        return LETTERS[place] if self._hidden(round) else f"{LETTERS[place]} · {round.models[place]}"

    def _column_html(self, round: Round, place: int) -> str:
        name = round.models[place]
        reply, error = round.replies.get(name), round.errors.get(name, "")
        best = f" — {self._t('best')}" if round.vote == place else ""
        html = said(self._name(round, place) + best, reply.text if reply else "", "lk-model")
        if reply is not None and not self._hidden(round):  # the speed would tell who it is
            html += note(figures(reply, self._t))
        return html + (f"<div class='lk-error' role='alert'>{escape(error)}</div>" if error else "")

    def _draw(self) -> None:
        for place, column in enumerate(self.columns):
            column.value = self._column_html(self.rounds[-1], place) if self.rounds else ""
        self.table.value = self._table_html()

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for row in results(self.rounds).to_dict("records"):
            n = row["wins"] + row["losses"]
            share = f"{row['share']:.0%} ({row['low']:.0%} – {row['high']:.0%})" if n else "–"
            better, other = (row["first"], row["second"]) if row["wins"] > row["losses"] else (row["second"], row["first"])
            verdict = self._t("preferred", better=better, other=other) if row["clear"] else self._t("no_clear")
            counts = (str(row["wins"]), str(row["losses"]), str(row["ties"]))
            rows.append((f"{row['first']} : {row['second']}", *counts, share, verdict))
        return rows

    def _columns(self) -> tuple[str, ...]:
        return tuple(self._t(name) for name in ("pair", "wins", "losses", "ties", "share", "verdict"))

    def _table_html(self) -> str:
        rows = self._rows() if any(round.vote is not None for round in self.rounds) else []
        if not rows:
            return note(self._t("no_votes"))
        return f"<div class='lk-wide' tabindex='0'>{table_html(self._columns(), rows, self._t('votes_caption'))}</div>"

    @property
    def text(self) -> str:
        """The rounds, and what the votes say, as plain text; names stay hidden where the round is blind and open."""
        lines = [f"{self.title}: {', '.join(self.shelf.names)}"]
        for round in self.rounds:
            lines.append(f"{self._t('prompt')}: {round.prompt}")
            for place, name in enumerate(round.models):
                reply = round.replies.get(name)
                best = f" ({self._t('best')})" if round.vote == place else ""
                lines.append(f"{self._name(round, place)}{best}: {reply.text if reply else round.errors.get(name, '')}")
        rows = self._rows() if any(round.vote is not None for round in self.rounds) else []
        lines += [self._t("votes_caption"), "\t".join(self._columns())] if rows else [self._t("no_votes")]
        return "\n".join([*lines, *("\t".join(row) for row in rows)])

    def snapshot(self) -> str:
        """The same as HTML."""
        parts = [f"<b>{escape(self.title)}: {escape(', '.join(self.shelf.names))}</b>"]
        for round in self.rounds:
            parts.append(note(f"{self._t('prompt')}: {round.prompt}"))
            parts += [self._column_html(round, place) for place in range(len(round.models))]
        return "".join([*parts, self._table_html()])


def arena(
    models: Sequence[Model | str | Path],
    *,
    blind: bool = True,
    seed: int | None = None,
    lang: str | None = None,
    options: Options | None = None,
    **changes: Any,
) -> Arena:
    """Two to four models answer the same prompt at once; you vote, and a table says what the votes are worth.

    Parameters
    ----------
    models : list of Model or str
    blind : bool
        Hide who answers until the vote.
    seed : int
        For the order of the answers; by default drawn anew.
    lang : {'en', 'es'}, optional
        Language of the widget; by default the reader's.
    options : Options
        How to generate, for all; by default `Options()`.
    **changes
        Options by name.

    Returns
    -------
    Arena
        A widget: show it as the last line of a cell. `.rounds` holds answers and votes, `.text` says what is shown.
    """
    return Arena(as_list(models), blind, seed, lang, Options.of(options, **changes))
