"""Rich output for notebooks. Everything that a model or a file said is escaped: what the kernel shows, the browser trusts."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .translation import translated
from .wording import chosen, say

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as MatplotlibFigure

    from .chat import Reply, Sent, Timing

# JupyterLab's own colours, so that light and dark themes both work; the fallbacks serve exported pages.
_BOX = "border-left:3px solid var(--jp-brand-color1,#1976d2);padding:.2em .8em;margin:.3em 0;white-space:pre-wrap;overflow-wrap:anywhere"
_SMALL = "color:var(--jp-ui-font-color2,#616161);font-size:90%"
# Jupyter typesets $…$ in every HTML output as a formula. What a model said is shown as it said it: put this class around it
# (the first name is for MathJax 3, in JupyterLab; the second for MathJax 2, in exported pages).
PLAIN = "mathjax_ignore tex2jax_ignore"


def escape(text: object) -> str:
    """Text for HTML: markup stays readable as text."""
    return html.escape(str(text), quote=True)


def table_html(columns: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> str:
    """A table, every cell and header escaped."""
    head = "".join(f'<th scope="col" style="text-align:left">{escape(column)}</th>' for column in columns)
    body = "".join("<tr>" + "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in row) + "</tr>" for row in rows)
    title = f'<caption style="text-align:left">{escape(caption)}</caption>' if caption else ""
    return f'<table class="{PLAIN}">{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def frame(rows: Any, **options: Any) -> pd.DataFrame:
    """A pandas frame whose texts are shown as they are: Jupyter would typeset $…$ in them as a formula.

    Parameters
    ----------
    rows, **options
        As `pandas.DataFrame` takes them. The setting holds for every frame that pandas shows from then on.
    """
    import pandas as pd

    pd.set_option("display.html.use_mathjax", False)
    return pd.DataFrame(rows, **options)


def bytes_text(size: int | None) -> str:
    """A size for people, in decimal units: 7.7 MB."""
    if size is None:
        return ""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def count_text(count: int | None) -> str:
    """A number of parameters for people: 3.8M, 7B."""
    if count is None:
        return ""
    for unit, size in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return str(count)


def reply_html(reply: Reply) -> str:
    """A reply: its text, and below it who said it, how many tokens and how fast."""
    parts = [reply.model]
    if reply.usage.completion_tokens is not None:
        parts.append(f"{reply.usage.prompt_tokens} + {reply.usage.completion_tokens} tokens")
    if reply.timing.time_to_first_token is not None:
        parts.append(say("first token after {seconds:.2g} s", seconds=reply.timing.time_to_first_token))
    if reply.timing.tokens_per_second is not None:
        parts.append(f"{reply.timing.tokens_per_second:.0f} tokens/s")
    parts.append(reply.finish_reason)
    request = reply.sent.request
    if request.get("cache") == "hit":
        parts.append(say("from the cache"))
    if request.get("failed"):
        parts.append(say("instead of {models}", models=", ".join(request["failed"])))
    thought = f"<details><summary>{say('thinking')}</summary><div style='{_BOX}'>{escape(reply.thinking)}</div></details>"
    thinking = thought if reply.thinking else ""
    calls = "".join(f"<div><code>{escape(json.dumps(dict(call), ensure_ascii=False))}</code></div>" for call in reply.tool_calls)
    answer = f"<div style='{_BOX}'>{escape(reply.text)}</div>{calls}<div style='{_SMALL}'>{escape(' · '.join(parts))}</div>"
    return f"<div class='{PLAIN}'>{thinking}{answer}</div>"


def sent_html(sent: Sent, lang: str | None = None) -> str:
    """What went to the engine: the request as a table, what it ignores, the rendered prompt; by default in the reader's language."""
    lang = chosen(lang)
    rows = [(key, _plain(one)) for key, one in sent.request.items()]
    out = table_html((say("sent", lang), say("value", lang)), rows, sent.engine)
    if sent.ignored:
        out += table_html(
            (say("not obeyed", lang), say("why", lang)), [(name, translated(why, lang)) for name, why in sent.ignored.items()]
        )
    if sent.prompt is not None:
        shown = f"<div class='{PLAIN}' style='{_BOX}'>{escape(sent.prompt)}</div>"
        out += f"<details><summary>{say('the prompt as the model got it', lang)}</summary>{shown}</details>"
    return out


def timing_html(timing: Timing) -> str:
    """Durations as a table, with their units."""
    known = {name: value for name, value in vars(timing).items() if value is not None}
    rows = [(name, f"{value:.4g}", "tokens/s" if name == "tokens_per_second" else "s") for name, value in known.items()]
    return table_html(("", say("value"), say("unit")), rows)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


class Figure:
    """A matplotlib figure as a small PNG with a text that says the same; looks right on light and dark pages.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        It is closed, so that the notebook does not show it twice.
    alt : str
        What the plot shows, for readers who do not see it.
    """

    def __init__(self, figure: MatplotlibFigure, alt: str) -> None:
        from matplotlib import pyplot

        self.alt = alt
        grey = "#808080"
        figure.patch.set_alpha(0)
        for axes in figure.axes:
            axes.patch.set_alpha(0)
            axes.tick_params(colors=grey)
            for part in (axes.xaxis.label, axes.yaxis.label, axes.title):
                part.set_color(grey)
            for spine in axes.spines.values():
                spine.set_color(grey)
            for text in axes.texts:
                if text.get_color() == pyplot.rcParams["text.color"]:  # a colour of its own suits what lies under it
                    text.set_color(grey)
            if legend := axes.get_legend():
                legend.get_frame().set_alpha(0)
                for text in legend.get_texts():
                    text.set_color(grey)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=90, bbox_inches="tight")
        pyplot.close(figure)
        self.png = stream.getvalue()

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        return {"image/png": base64.b64encode(self.png).decode(), "text/plain": self.alt}, {"image/png": {"alt": self.alt}}

    def __repr__(self) -> str:
        return self.alt
