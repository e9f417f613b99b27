"""The token lens: what may come next, as bars under sliders. The bars are computed from kept logits; nothing is generated for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as ipw  # type: ignore[import-untyped]

from ..backends.base import Model
from ..chat import Options
from ..display import escape, table_html
from ..errors import OptionError
from ..sampling import Place
from ..wording import chosen
from ..zoo import catalog
from ._chat import note
from ._models import Shelf
from ._panel import Panel
from ._texts import TEXTS
from ._walk import Step, Walk, visible

MOST_BARS = 40
PATIENCE = 20.0  # seconds in which the first bars may come before the widget is shown, so that a saved page has them
SLIDERS: dict[str, dict[str, Any]] = {
    "temperature": {"min": 0.0, "max": 2.0, "step": 0.05},
    "top_k": {"min": 0, "max": 100, "step": 1},
    "top_p": {"min": 0.01, "max": 1.0, "step": 0.01},
    "min_p": {"min": 0.0, "max": 0.5, "step": 0.01},
}


def option_sliders(options: Options, explain: Any, **layout: Any) -> dict[str, Any]:
    """A slider for each sampling option, which begins at its value; `explain(name)` is its tooltip."""
    made: dict[str, Any] = {}
    for name, limits in SLIDERS.items():
        value = getattr(options, name)
        kind = ipw.IntSlider if isinstance(limits["step"], int) else ipw.FloatSlider
        made[name] = kind(
            value=value,
            **limits | {"min": min(limits["min"], value), "max": max(limits["max"], value)},
            description=name,
            tooltip=explain(name),
            style={"description_width": "7em"},
            layout={"width": "24em", "max_width": "98%"} | layout,
        )
        if kind is ipw.FloatSlider:
            made[name].readout_format = ".2f"
    return made


class TokenLens(Panel):
    """See `token_lens`."""

    def __init__(
        self, model: Model | str | Path, prompt: str, system: str, n: int, seed: int | None, lang: str | None, options: Options
    ) -> None:
        super().__init__(lang, "lens_title")
        self.shelf = Shelf([model])
        self.walk: Walk | None = None
        self._system, self._n, self._seed, self._options = system, n, seed, options
        self._chosen, self._asked = 0, ""
        self.prompt = ipw.Text(prompt, description=self._t("prompt"), style={"description_width": "7em"}, layout={"width": "98%"})
        self._on_enter(self.prompt, self.look)
        self.sliders = option_sliders(options, lambda name: self._t(f"about_{name}"))
        for slider in self.sliders.values():
            slider.observe(self._redraw, "value")
        self.look_button = self._button("look", self.look, reads=True, button_style="primary")
        self.draw_button = self._button("draw", lambda: self.generate(1), reads=True)
        self.more_button = self._button("more", lambda: self.generate(20), reads=True)
        self.back_button = self._button("back", self.back)
        self.bars, self.kept = ipw.HTML(layout={"flex": "1 1 20em"}), ipw.HTML()
        self.choices = [self._choice(place) for place in range(n)]
        column = ipw.VBox(self.choices, layout={"width": "9em", "flex": "0 0 auto"})
        self._tokens: list[Any] = []
        self.tokens = ipw.HBox(layout={"flex_flow": "row wrap"})
        self.tokens.add_class("lk-path")
        self._place_line = ipw.HTML()
        buttons = self._row(self.look_button, self.draw_button, self.more_button, self.stop_button, self.back_button)
        bars = ipw.HBox([column, self.bars], layout={"align_items": "flex-start"})
        self._build((self.prompt, buttons, self.tokens, self._place_line, self._row(*self.sliders.values()), self.kept, bars, self.status))
        self._set_busy(False)
        name = self.shelf.names[0]
        if prompt and (self.shelf.has(name) or name in catalog.names()):  # a server or a large file waits to be asked
            self.look()

    # -- what the person does ----------------------------------------------------------------------------------------------------

    @property
    def options(self) -> Options:
        """The sampling options as the sliders stand."""
        return replace(self._options, **{name: slider.value for name, slider in self.sliders.items()})

    def look(self) -> None:
        """Compute what may come after the prompt."""
        prompt, name = self.prompt.value, self.shelf.names[0]

        def work() -> None:
            if not self.shelf.has(name):
                self._say(self._t("loading", name=name))
            walk = Walk(self.shelf.get(name), prompt, self._system, self._seed)
            self._say(self._t("computing"))
            walk.begin()
            self.walk, self._chosen, self._asked = walk, 0, prompt
            self._arrived()
            self._say("")

        if prompt:
            self._start(work)
        else:
            self._say(self._t("prompt_empty"))

    def take(self, rank: int) -> None:
        """Go on from the token in row `rank` (from 0), at the chosen place."""
        walk, index = self.walk, self._chosen
        if walk is not None and index < len(walk.places):
            rows = walk.places[index].likeliest(self._n)
            if rank < len(rows):
                self._walk(lambda: walk.take(index, rows[rank], self.options, self._cancelled))

    def generate(self, count: int) -> None:
        """Draw up to `count` tokens, after the last one, under the sliders."""
        walk = self.walk
        if walk is not None:
            self._walk(lambda: walk.generate(count, self.options, self._cancelled, self._throttled(self._arrived)))

    def back(self) -> None:
        """Take the last token away."""
        if self.walk is not None and self.walk.steps and not self.busy:
            self.walk.back(len(self.walk.steps) - 1)
            self._arrived()
            self._set_busy(False)
            self._changed()

    def choose(self, index: int) -> None:
        """Show the bars of the place before token `index` (from 0); after the last token, of what may come next."""
        if self.walk is not None and index < len(self.walk.places):
            self._chosen = index
            self._draw_text()
            self._redraw()

    def _walk(self, go: Any) -> None:
        def work() -> None:
            self._say(self._t("computing"))
            try:
                go()
            finally:
                self._arrived()
            self._say(self._t("stopped") if self._cancelled.is_set() else self._t("full") if self.walk and self.walk.full else "")

        self._start(work)

    # -- what is shown -----------------------------------------------------------------------------------------------------------

    def _set_busy(self, busy: bool) -> None:
        ready = not busy and self.walk is not None
        self.look_button.disabled = busy
        for button in (self.draw_button, self.more_button):
            button.disabled = not ready or self.walk is None or self.walk.ended
        self.back_button.disabled = not ready or self.walk is None or not self.walk.steps
        for button in self.choices:
            button.disabled = not ready

    def _choice(self, rank: int) -> Any:
        button = ipw.Button(layout={"width": "auto", "margin": "1px 0", "visibility": "hidden"})
        button.add_class("lk-choice")
        button.on_click(lambda _: self.take(rank))
        return button

    def _arrived(self) -> None:
        """The text has changed: look at the place after it."""
        assert self.walk is not None
        self._chosen = min(len(self.walk.steps), len(self.walk.places) - 1)
        self._draw_text()
        self._redraw()

    def _draw_text(self) -> None:
        assert self.walk is not None
        steps = list(self.walk.steps)
        while len(self._tokens) < len(steps):
            self._tokens.append(self._token_button(len(self._tokens)))
        for index, (button, step) in enumerate(zip(self._tokens, steps, strict=False)):
            with button.hold_sync():
                button.description = visible(step.text)
                button.tooltip = self._t("was", percent=percent(step.probability), rank=step.rank)
                button._dom_classes = ("lk-token", f"lk-p{shade(step.probability)}", *(["lk-chosen"] if index == self._chosen else []))
        if len(self.tokens.children) != len(steps):
            self.tokens.children = self._tokens[: len(steps)]
        self._place_line.value = f"<div class='lk-note'>{escape(self._where())}</div>"

    def _token_button(self, index: int) -> Any:
        button = ipw.Button(layout={"width": "auto", "margin": "1px", "padding": "0 3px"})
        button.on_click(lambda _: self.choose(index))
        return button

    def _where(self) -> str:
        walk = self.walk
        if walk is None:
            return ""
        if self._chosen < len(walk.steps):
            step = walk.steps[self._chosen]
            return self._t("place_at", n=self._chosen + 1, token=visible(step.text), percent=percent(step.probability), rank=step.rank)
        return self._t("place_next", n=len(walk.steps) + 1)

    def _redraw(self, _: Any = None) -> None:
        """Bars from the kept logits, under the sliders as they stand."""
        place = self._place()
        if place is None:
            return
        rows, before, after = self._numbers(place)
        names = [visible(place.names(row)) for row in rows]
        self.bars.value = bars_html(before[rows], after[rows], self._t("out"))
        self.kept.value = f"<div class='lk-note'>{escape(self._summary(place, after, before, rows))}</div>"
        chosen = self._step_here()
        for rank, button in enumerate(self.choices):
            there = rank < len(rows)
            name = names[rank] if there else ""
            if button.description != name:
                with button.hold_sync():
                    button.description = name
                    button.tooltip = self._t("take_hint", token=name)
                button.layout.visibility = None if there else "hidden"
            marked = ("lk-choice", "lk-chosen") if there and chosen and chosen.token == rows[rank] else ("lk-choice",)
            if button._dom_classes != marked:
                button._dom_classes = marked
        if not self.busy:
            self._soon()

    def _place(self) -> Place | None:
        return self.walk.places[self._chosen] if self.walk is not None and self.walk.places else None

    def _step_here(self) -> Step | None:
        return self.walk.steps[self._chosen] if self.walk is not None and self._chosen < len(self.walk.steps) else None

    def _numbers(self, place: Place) -> tuple[list[int], Any, Any]:
        return place.likeliest(self._n), place.probabilities(), place.after(self.options)

    def _summary(self, place: Place, after: Any, before: Any, rows: list[int]) -> str:
        parts = [
            self._t("kept", kept=int((after > 0).sum()), all=len(after)),
            self._t("covered", rows=len(rows), percent=percent(before[rows].sum())),
        ]
        return " · ".join(parts if place.exact(self.options) else [*parts, self._t("not_exact")])

    @property
    def text(self) -> str:
        """The text so far with its probabilities, the sliders, and the bars as a table."""
        place = self._place()
        lines = [f"{self.title}: {self.shelf.names[0]}", f"{self._t('prompt')}: {self._asked or self.prompt.value}"]
        if place is None or self.walk is None:
            return "\n".join([*lines, self._t("nothing_yet")])
        if self.walk.steps:
            lines.append(f"{self._t('so_far')}: " + " ".join(f"{visible(s.text)} ({percent(s.probability)})" for s in self.walk.steps))
        options = self.options
        lines += [self._where(), ", ".join(f"{name}={getattr(options, name):g}" for name in SLIDERS)]
        rows, before, after = self._numbers(place)
        lines.append(self._summary(place, after, before, rows))
        lines += [f"{visible(place.names(row))}\t{percent(before[row])} → {self._after(after[row])}" for row in rows]
        return "\n".join(lines)

    def _after(self, value: float) -> str:
        return percent(value) if value > 0 else self._t("out")

    def snapshot(self) -> str:
        """The same as HTML: a table of the tokens."""
        place = self._place()
        head = f"<b>{escape(self.title)}: {escape(self.shelf.names[0])}</b>" + note(
            f"{self._t('prompt')}: {self._asked or self.prompt.value}"
        )
        if place is None or self.walk is None:
            return head + note(self._t("nothing_yet"))
        options = self.options
        rows, before, after = self._numbers(place)
        body = [(visible(place.names(row)), percent(before[row]), self._after(after[row])) for row in rows]
        columns = (self._t("token"), self._t("before"), self._t("after"))
        said = " ".join(visible(step.text) for step in self.walk.steps)
        head += note(f"{self._t('so_far')}: {said}" if said else "") + note(self._where())
        head += note(", ".join(f"{name}={getattr(options, name):g}" for name in SLIDERS))
        return head + note(self._summary(place, after, before, rows)) + table_html(columns, body)


def percent(value: float) -> str:
    """A probability for people: 43 %, 0.5 %.

    >>> percent(0.4321), percent(0.004), percent(0.00001)
    ('43 %', '0.4 %', '<0.1 %')
    """
    if 0 < value < 0.001:
        return "<0.1 %"
    return f"{value * 100:.1f} %" if value < 0.0995 else f"{value * 100:.0f} %"


def shade(probability: float) -> int:
    """How strongly a token of the text is coloured: 0 likely to 4 surprising."""
    return sum(probability < limit for limit in (0.5, 0.2, 0.05, 0.01))


def bars_html(before: Any, after: Any, out: str) -> str:
    """Two bars a row: what the model computes above, what may be drawn below; the numbers beside them."""
    rows = []
    for one, other in zip(before, after, strict=True):
        number = f"{percent(one)} → {percent(other) if other > 0 else escape(out)}"
        bars = f"<div class='lk-before' style='width:{one:.2%}'></div><div class='lk-after' style='width:{other:.2%}'></div>"
        rows.append(f"<div class='lk-bar' role='listitem'><div class='lk-track'>{bars}</div><div class='lk-number'>{number}</div></div>")
    return f"<div class='lk-bars' role='list'>{''.join(rows)}</div>"


def token_lens(
    model: Model | str | Path = "mini-m",
    prompt: str = "",
    *,
    system: str = "",
    n: int = 12,
    seed: int | None = None,
    lang: str | None = None,
    options: Options | None = None,
    **changes: Any,
) -> TokenLens:
    """The next token's probabilities as bars under sliders; take a token, and look at what may follow.

    Parameters
    ----------
    model : Model or str
        In this process: everything. Through Ollama: the first place, from the 20 probabilities that it tells.
    prompt : str
        What to look at first; by default a question of the course.
    system : str
        A system message to put first.
    n : int
        Bars, at most 40.
    seed : int
        For drawing tokens; by default each draw is another.
    lang : {'en', 'es'}, optional
        Language of the widget; by default the reader's.
    options : Options
        Where the sliders begin; by default `Options()`.
    **changes
        Options by name: ``temperature=1, top_k=0``.

    Returns
    -------
    TokenLens
        A widget: show it as the last line of a cell. `.walk` holds the text and its places, `.text` says what is shown.
    """
    if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= MOST_BARS:
        raise OptionError(f"n={n!r} is out of range.", fix=f"It is a whole number from 1 to {MOST_BARS}.")
    given = Options.of(options, **changes)
    lens = TokenLens(model, prompt or TEXTS["lens_prompt"][chosen(lang)], system, n, seed, lang, given)
    lens.wait(PATIENCE)
    return lens
