"""The playground: one prompt, every sampling option as a control with its meaning, samples side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ipywidgets as ipw  # type: ignore[import-untyped]

from ..backends.base import Model, Stream
from ..chat import MAX_SEED, Message, Options, Reply
from ..display import escape
from ..errors import OptionError
from ..wording import chosen
from ._chat import figures, note, said
from ._lens import SLIDERS
from ._models import Shelf
from ._panel import Panel
from ._texts import TEXTS

MOST_SAMPLES = 6
CONTROLS: dict[str, dict[str, Any]] = SLIDERS | {
    "repeat_penalty": {"min": 0.5, "max": 2.0, "step": 0.05},
    "presence_penalty": {"min": -2.0, "max": 2.0, "step": 0.1},
    "frequency_penalty": {"min": -2.0, "max": 2.0, "step": 0.1},
    "max_tokens": {"min": 1, "max": 512, "step": 1},
}


def samples(model: Model, prompt: str, count: int, options: Options, system: str = "") -> Iterator[Stream]:
    """Answers to one prompt, one after the other, each from the next seed.

    Parameters
    ----------
    model : Model
    prompt : str
    count : int
    options : Options
        With a seed: the first sample is what `model.chat` gives under the same options.
    system : str

    Yields
    ------
    Stream
    """
    given = options.with_seed()
    assert given.seed is not None
    messages = ([Message("system", system)] if system else []) + [Message("user", prompt)]
    for number in range(count):
        yield model.stream(messages, options=replace(given, seed=(given.seed + number) % (MAX_SEED + 1)))


@dataclass
class Run:
    """Samples under one setting.

    Attributes
    ----------
    prompt : str
    settings : str
        What the controls said.
    replies : list of Reply
    error : str
    """

    prompt: str
    settings: str
    replies: list[Reply] = field(default_factory=list)

    @property
    def different(self) -> int:
        """How many texts differ from each other."""
        return len({reply.text for reply in self.replies})


class Playground(Panel):
    """See `playground`."""

    def __init__(self, model: Model | str | Path, prompt: str, system: str, count: int, lang: str | None, options: Options) -> None:
        super().__init__(lang, "playground_title")
        self.shelf = Shelf([model])
        self.runs: list[Run] = []
        self._system, self._options = system, options.with_seed()
        label = {"description_width": "10em"}
        self.prompt = ipw.Textarea(prompt, rows=2, description=self._t("prompt"), style=label, layout={"width": "98%"})
        self.controls = {name: self._slider(name, limits, label) for name, limits in CONTROLS.items()}
        narrow = {"width": "24em", "max_width": "98%"}
        self.controls["seed"] = ipw.BoundedIntText(self._options.seed, min=0, max=MAX_SEED, description="seed", style=label, layout=narrow)
        self.controls["stop"] = ipw.Text("".join(options.stop[:1]), description="stop", style=label, layout=narrow)
        self.count = ipw.IntSlider(count, min=1, max=MOST_SAMPLES, description=self._t("samples"), style=label, layout=narrow)
        self.generate_button = self._button("generate", self.generate, reads=True, button_style="primary")
        self._now, self._earlier = ipw.HTML(), ipw.HTML()
        self.columns, self.earlier = self._columns(), self._columns()
        rows = [self._row(control, self._about(name)) for name, control in (self.controls | {"samples": self.count}).items()]
        self._build(
            (
                self.prompt,
                *rows,
                self._row(self.generate_button, self.stop_button),
                self.status,
                self._now,
                self._row(*self.columns),
                self._earlier,
                self._row(*self.earlier),
            )
        )
        self._draw()

    def _slider(self, name: str, limits: dict[str, Any], style: Any) -> Any:
        value = getattr(self._options, name)
        value = limits["max"] if value is None else value
        ends = {"min": min(limits["min"], value), "max": max(limits["max"], value), "step": limits["step"]}
        layout = {"width": "24em", "max_width": "98%"}
        about = self._t(f"about_{name}")
        if isinstance(limits["step"], int):
            return ipw.IntSlider(value, **ends, description=name, tooltip=about, style=style, layout=layout)
        return ipw.FloatSlider(value, **ends, description=name, tooltip=about, style=style, layout=layout, readout_format=".2f")

    def _about(self, name: str) -> Any:
        about = ipw.HTML(f"<div>{escape(self._t(f'about_{name}'))}</div>", layout={"flex": "1 1 18em"})
        about.add_class("lk-about")
        return about

    @staticmethod
    def _columns() -> list[Any]:
        made = [ipw.HTML(layout={"display": "none"}) for _ in range(MOST_SAMPLES)]
        for column in made:
            column.add_class("lk-sample")
        return made

    # -- what the person does ----------------------------------------------------------------------------------------------------

    @property
    def options(self) -> Options:
        """The options as the controls stand; OptionError where they cannot be sent."""
        values = {name: control.value for name, control in self.controls.items() if name != "stop"}
        stop, given = self.controls["stop"].value, self._options.stop  # the field shows the first one: until it changes, all count
        return replace(self._options, **values, stop=given if stop == "".join(given[:1]) else (stop,) if stop else ())

    def generate(self) -> None:
        """Answer the prompt, as often as samples are asked for."""
        prompt, count, name = self.prompt.value, self.count.value, self.shelf.names[0]
        if not prompt.strip():
            self._say(self._t("prompt_empty"))
            return

        def work() -> None:
            options = self.options
            if not self.shelf.has(name):
                self._say(self._t("loading", name=name))
            model = self.shelf.get(name)
            run = Run(prompt, settings(options))
            self.runs.append(run)
            self._draw()
            for number, stream in enumerate(samples(model, prompt, count, options, self._system)):
                self._say(self._t("running", n=number + 1, all=count))
                self._sample(run, number, stream)
                if self._cancelled.is_set():
                    break
            stopped = f"{self._t('stopped')} " if self._cancelled.is_set() else ""
            self._say(stopped + self._t("differ", different=run.different, all=len(run.replies)))

        self._start(work)

    def _sample(self, run: Run, number: int, stream: Stream) -> None:
        column = self.columns[number]
        column.layout.display = None

        def show(elapsed: float, pieces: int) -> None:
            column.value = self._sample_html(number, stream.so_far())

        try:
            self._follow(stream, show)
        finally:
            if stream.reply is not None:
                run.replies.append(stream.reply)
                column.value = self._sample_html(number, stream.reply, stream.reply.finish_reason != "error")

    # -- what is shown -----------------------------------------------------------------------------------------------------------

    def _set_busy(self, busy: bool) -> None:
        self.generate_button.disabled = busy

    def _sample_html(self, number: int, reply: Reply, done: bool = False) -> str:
        name = self._t("sample", n=number + 1, seed=reply.sent.request.get("seed", "?"))
        return said(name, reply.text, "lk-model") + (note(figures(reply, self._t)) if done else "")

    def _draw(self) -> None:
        now, before = (self.runs[-back] if len(self.runs) >= back else None for back in (1, 2))
        self._fill(self.columns, self._now, "now_settings", now)
        self._fill(self.earlier, self._earlier, "earlier_settings", before)

    def _fill(self, columns: list[Any], head: Any, key: str, run: Run | None) -> None:
        head.value = note(self._t(key, settings=run.settings)) if run else ""
        replies = run.replies if run else []
        for number, column in enumerate(columns):
            there = number < len(replies)
            column.value = self._sample_html(number, replies[number], True) if there else ""
            column.layout.display = None if there else "none"

    @property
    def text(self) -> str:
        """Settings and samples of every run, as plain text."""
        lines = [f"{self.title}: {self.shelf.names[0]}"]
        for run in self.runs:
            lines += [f"{self._t('prompt')}: {run.prompt}", run.settings]
            for number, reply in enumerate(run.replies):
                name = self._t("sample", n=number + 1, seed=reply.sent.request.get("seed", "?"))
                lines += [f"{name}: {reply.text}", f"({figures(reply, self._t)})"]
            lines.append(self._t("differ", different=run.different, all=len(run.replies)))
        return "\n".join(lines if self.runs else [*lines, self._t("no_samples")])

    def snapshot(self) -> str:
        """The last two runs as HTML."""
        parts = [f"<b>{escape(self.title)}: {escape(self.shelf.names[0])}</b>"]
        for run in self.runs[-2:]:
            parts += [note(f"{self._t('prompt')}: {run.prompt}"), note(run.settings)]
            parts += [self._sample_html(number, reply, True) for number, reply in enumerate(run.replies)]
            parts.append(note(self._t("differ", different=run.different, all=len(run.replies))))
        return "".join(parts if self.runs else [*parts, note(self._t("no_samples"))])


def settings(options: Options) -> str:
    """The options that the controls set, in one line.

    >>> settings(Options(seed=1, max_tokens=9))[:40]
    'temperature=0.8, top_k=40, top_p=0.9, mi'
    """
    names = [*CONTROLS, "seed", *(["stop"] if options.stop else [])]
    values: dict[str, Callable[[Any], str]] = {"stop": lambda stop: ", ".join(map(repr, stop)), "seed": str}
    return ", ".join(f"{name}={values.get(name, lambda value: f'{value:g}')(getattr(options, name))}" for name in names)


def playground(
    model: Model | str | Path = "mini-m",
    prompt: str = "",
    *,
    system: str = "",
    samples: int = 3,
    lang: str | None = None,
    options: Options | None = None,
    **changes: Any,
) -> Playground:
    """One prompt, every sampling option as a control with its meaning, samples side by side with those of the settings before.

    Parameters
    ----------
    model : Model or str
    prompt : str
        To begin with; by default one of the course.
    system : str
        A system message to put first.
    samples : int
        How many answers at a time to begin with, 1 to 6.
    lang : {'en', 'es'}, optional
        Language of the widget; by default the reader's.
    options : Options
        Where the controls begin; by default `Options()` with a drawn seed and 60 tokens.
    **changes
        Options by name: ``temperature=1.2, seed=1``.

    Returns
    -------
    Playground
        A widget: show it as the last line of a cell. `.runs` holds the samples, `.text` says what is shown.
    """
    if not isinstance(samples, int) or isinstance(samples, bool) or not 1 <= samples <= MOST_SAMPLES:
        raise OptionError(f"samples={samples!r} is out of range.", fix=f"It is a whole number from 1 to {MOST_SAMPLES}.")
    given = Options.of(options or Options(max_tokens=60), **changes)
    return Playground(model, prompt or TEXTS["lens_prompt"][chosen(lang)], system, samples, lang, given)
