"""The memory gauge: what a model would take, predicted from its shape, against what this machine has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets as ipw  # type: ignore[import-untyped]

from ..backends import memory, shapes
from ..backends.base import Model
from ..backends.gguf import Header, read_header
from ..backends.memory import Memory
from ..display import bytes_text, escape, table_html
from ..errors import CapabilityError
from ..experiments.rows import check_counts
from ..machine import Machine, machine
from ..zoo import catalog
from ._chat import note
from ._panel import Panel

DEFAULT_WINDOW = 4096
PARTS = ("weights", "kv_cache", "working")


@dataclass(frozen=True)
class Fit:
    """A model on a machine.

    Attributes
    ----------
    need : Memory
        Bytes predicted.
    machine : Machine
    quantization : str
    context_window : int
        Tokens.
    largest_window : int
        Tokens of context that would fit into what is free; 0 where none do.
    """

    need: Memory
    machine: Machine
    quantization: str
    context_window: int
    largest_window: int

    @property
    def fits(self) -> bool:
        """Whether that is free now."""
        return self.need.total <= self.machine.memory_available

    @property
    def parts(self) -> dict[str, int]:
        """Bytes of the weights, the KV cache, and the rest."""
        return dict(zip(PARTS, (self.need.weights, self.need.kv_cache, self.need.compute + self.need.overhead), strict=True))


def fit(header: Header, quantization: str, context_window: int, on: Machine | None = None) -> Fit:
    """Predict the memory of a model, and compare with a machine.

    Parameters
    ----------
    header : Header
        Of `read_header`, or of `shapes.header`.
    quantization : str
        A key of `shapes.BITS`, or that of the header itself.
    context_window : int
    on : Machine
        By default this one, as it is now.
    """
    seen = on or machine()
    asked = header if quantization == header.quantization else shapes.quantized(header, quantization)
    largest = shapes.largest_window(asked, seen.memory_available)
    return Fit(memory.predict(asked, context_window), seen, quantization, context_window, largest)


def find_header(model: Model | str | Path) -> tuple[str, Header]:
    """Name and shape of a model: loaded here, shipped, a file, or a well-known open one."""
    from ..backends.llama_cpp import LlamaCppModel

    if isinstance(model, LlamaCppModel):
        return model.name, model.header
    if isinstance(model, Model):
        raise CapabilityError(f"Model {model.name!r} runs elsewhere ({model.engine}).", fix="Give its .gguf file, or see lab.models().")
    name = str(model)
    if name in catalog.names():
        return name, read_header(catalog.path(name, verify=False))
    path = Path(name).expanduser()
    if path.suffix.lower() == ".gguf" or path.exists():
        return name, read_header(path)
    return name, shapes.header(name)


class MemoryGauge(Panel):
    """See `memory_gauge`.

    Attributes
    ----------
    fit : Fit
        The prediction that is shown.
    """

    fit: Fit

    def __init__(self, model: Model | str | Path, quantization: str, context_window: int | None, lang: str | None) -> None:
        super().__init__(lang, "gauge_title")
        given, header = find_header(model)
        self._asked = context_window or DEFAULT_WINDOW
        self._headers: dict[str, Header] = {given: header}
        names = list(dict.fromkeys([given, *catalog.names(), *shapes.names()]))
        style = {"description_width": "9em"}
        wide = {"width": "32em", "max_width": "98%"}
        self.model = ipw.Dropdown(options=names, value=given, description=self._t("model"), style=style, layout=wide)
        self.quantization = self._slider("quantization", self._quantizations(), quantization or header.quantization, style, wide)
        self.context_window = self._slider("context_window", self._windows(), self._asked, style, wide)
        self.gauge = ipw.HTML(layout={"width": "98%"})
        self._settling = False
        self.model.observe(self._other_model, "value")
        for slider in (self.quantization, self.context_window):
            slider.observe(self._redraw, "value")
        self._build((self.model, self.quantization, self.context_window, self.gauge, self.status))
        self._redraw()

    def _slider(self, key: str, options: list[tuple[str, Any]], value: Any, style: Any, layout: Any) -> Any:
        values = [value for _, value in options]
        return ipw.SelectionSlider(
            options=options,
            value=value if value in values else nearest(values, value),
            description=self._t(key),
            tooltip=self._t(f"{key}_hint"),
            style=style,
            layout=layout,
        )

    # -- what is asked -----------------------------------------------------------------------------------------------------------

    @property
    def header(self) -> Header:
        """Shape of the model that is picked."""
        name = self.model.value
        if name not in self._headers:
            self._headers[name] = find_header(name)[1]
        return self._headers[name]

    def _quantizations(self) -> list[tuple[str, str]]:
        own = self.header.quantization
        bits = shapes.BITS | ({} if own in shapes.BITS else {own: 8 * self.header.weights / max(1, self.header.parameters)})
        return [(name, name) for name, _ in sorted(bits.items(), key=lambda item: item[1])]

    def _windows(self) -> list[tuple[str, int]]:
        most = self.header.context_length or 131_072
        sizes = sorted({min(most, size) for size in (self._asked, *(256 * 2**power for power in range(14)))})
        return [(self._t("number", value=size), size) for size in sizes]

    def _other_model(self, _: Any) -> None:
        try:
            quantizations, windows = self._quantizations(), self._windows()
        except Exception as error:
            self._failed(error)
            return
        self._settling = True
        try:
            for slider, options in ((self.quantization, quantizations), (self.context_window, windows)):
                wanted, values = slider.value, [value for _, value in options]
                slider.options = options
                slider.value = wanted if wanted in values else nearest(values, wanted)
        finally:
            self._settling = False
        self._redraw()

    # -- what is shown -----------------------------------------------------------------------------------------------------------

    def _redraw(self, _: Any = None) -> None:
        if self._settling:
            return
        try:
            # Kept, so that all that is said is of one moment: free memory changes while one looks.
            self.fit = now = fit(self.header, self.quantization.value, self.context_window.value)
            self.gauge.value = f"<div class='lk-note' role='status'>{escape(self._sentence(now))}</div>{gauge_html(now)}{self._table(now)}"
            self.status.value = ""
        except Exception as error:
            self._failed(error)
        self._soon()

    def _sentence(self, now: Fit) -> str:
        values = {
            "name": self.model.value,
            "quantization": now.quantization,
            "window": now.context_window,
            "need": bytes_text(now.need.total),
            "free": bytes_text(now.machine.memory_available),
            "total": bytes_text(now.machine.memory_total),
        }
        said = self._t("fits" if now.fits else "fits_not", **values)
        window = self._t("window_fits", window=now.largest_window) if now.largest_window else self._t("window_fits_none")
        return f"{said} {window}"

    def _rows(self, now: Fit) -> list[tuple[str, str]]:
        bits = 8 * now.need.weights / max(1, self.header.parameters)
        return [(self._t(f"part_{name}", bits=bits), bytes_text(size)) for name, size in now.parts.items()]

    def _table(self, now: Fit) -> str:
        rows = "".join(
            f"<tr><td><span class='lk-swatch lk-part-{number}' aria-hidden='true'></span> {escape(name)}</td><td>{escape(size)}</td></tr>"
            for number, (name, size) in enumerate(self._rows(now))
        )
        return (
            f"<table><thead><tr><th scope='col'>{self._t('part')}</th><th scope='col'>{self._t('memory')}</th></tr></thead>{rows}</table>"
        )

    @property
    def text(self) -> str:
        """The prediction as sentences and numbers."""
        now = self.fit
        return "\n".join([f"{self.title}: {self._sentence(now)}", *(f"{name}: {size}" for name, size in self._rows(now))])

    def snapshot(self) -> str:
        """The same as HTML."""
        now, columns = self.fit, (self._t("part"), self._t("memory"))
        return f"<b>{escape(self.title)}</b>{note(self._sentence(now))}{table_html(columns, self._rows(now))}"


def nearest(values: list[Any], wanted: Any) -> Any:
    """The value in a list that is nearest to a number; the last one of other things."""
    return min(values, key=lambda value: abs(value - wanted)) if isinstance(wanted, int) else values[-1]


def gauge_html(now: Fit) -> str:
    """A bar of the parts, and below it one of the machine: what is free, out of all."""
    scale = max(now.need.total, now.machine.memory_total)
    parts = "".join(
        f"<div class='lk-part-{number}' style='width:{size / scale:.2%}' title='{escape(bytes_text(size))}'></div>"
        for number, size in enumerate(now.parts.values())
    )
    free, total = now.machine.memory_available / scale, now.machine.memory_total / scale
    has = f"<div class='lk-total' style='width:{total:.2%}'><div class='lk-free' style='width:{free / total:.2%}'></div></div>"
    return f"<div class='lk-gauge' aria-hidden='true'><div class='lk-need'>{parts}</div>{has}</div>"


def memory_gauge(
    model: Model | str | Path = "mini-m", *, quantization: str = "", context_window: int | None = None, lang: str | None = None
) -> MemoryGauge:
    """Predicted memory of a model under sliders for quantization and context window, against this machine.

    Parameters
    ----------
    model : Model, str or Path
        In this process, shipped, a GGUF file, or a well-known open one such as "llama3.1:8b"; others can be picked.
    quantization : str
        To begin with; by default that of the file.
    context_window : int
        To begin with, in tokens; by default 4,096.
    lang : {'en', 'es'}, optional
        Language of the widget; by default the reader's.

    Returns
    -------
    MemoryGauge
        A widget: show it as the last line of a cell. `.fit` holds the numbers, `.text` says them.
    """
    if quantization and quantization not in shapes.BITS and quantization != find_header(model)[1].quantization:
        shapes.quantized(find_header(model)[1], quantization)  # raises, with the names that are known
    if context_window is not None:
        check_counts(context_window=context_window)
    return MemoryGauge(model, quantization, context_window, lang)
