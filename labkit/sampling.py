"""How the next token is chosen: the distribution that a model computes, and what each sampling option does to it.

The steps are those of llama.cpp (src/llama-sampler.cpp; in Ollama's runner the same), in the order in which labkit puts them:
penalties → top_k → top_p → min_p → temperature, then a draw. `apply` computes them in numpy, so that they can be read; a test holds
them to llama.cpp's own samplers. Ollama before 0.30 has a second runner for some architectures (qwen3, gemma3 and others), with an order
of its own (sample/samplers.go): top_k → temperature → top_p → min_p. There a hot temperature does bring back what top_p would cut.

- Softmax: p_i = exp(l_i) / Σ exp(l_j), l the logits.
- Penalties (Keskar et al. 2019, arXiv:1909.05858, 4.1, as llama.cpp has it): each token that occurs c times among the last
  `repeat_last_n` has l / r where l > 0 and l · r elsewhere, r the `repeat_penalty`; then less c · frequency_penalty + presence_penalty.
- top_k (Fan et al. 2018, arXiv:1805.04833): the k likeliest stay.
- top_p (Holtzman et al. 2019, arXiv:1904.09751): the likeliest stay until their sum reaches p, of those that are left at that point.
- min_p (Nguyen et al. 2024, arXiv:2407.01082): those stay that are at least p times as likely as the likeliest.
- Temperature t: l / t; 0 leaves the likeliest alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import display
from .backends.base import Model, Prompt
from .chat import Message, Options, as_messages
from .display import Figure
from .errors import CapabilityError, OptionError, UnexpectedResponseError
from .wording import chosen, say

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from .backends.ollama import OllamaModel

COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#0072b2", "#d55e00")  # told apart by colour-blind readers too
OLLAMA_MOST = 20  # tokens whose probability Ollama tells


def softmax(logits: ArrayLike) -> NDArray[np.float64]:
    """Probabilities from logits; a logit of -inf is a token that cannot come.

    >>> softmax([0.0, 0.0, -np.inf]).tolist()
    [0.5, 0.5, 0.0]
    """
    values = np.asarray(logits, dtype=np.float64)
    powers = np.exp(values - values.max())
    out: NDArray[np.float64] = powers / powers.sum()
    return out


def apply(logits: ArrayLike, previous_tokens: Sequence[int] = (), options: Options | None = None, **changes: Any) -> NDArray[np.float64]:
    """Probability of each token to be drawn, under sampling options.

    Parameters
    ----------
    logits : array_like
        One for each token of the vocabulary, as the model computes them.
    previous_tokens : sequence of int
        Prompt and reply so far: the penalties look back into both.
    options : Options
        By default `Options()`.
    **changes
        Options by name.

    Returns
    -------
    ndarray, shape (vocabulary,)

    >>> apply([2.0, 1.0, 0.0], temperature=1, top_k=2, top_p=1).round(3).tolist()
    [0.731, 0.269, 0.0]
    >>> apply([2.0, 1.0, 0.0], temperature=0).tolist()
    [1.0, 0.0, 0.0]
    """
    return softmax(steps(logits, previous_tokens, options, **changes)[-1][1])


def steps(
    logits: ArrayLike,
    previous_tokens: Sequence[int] = (),
    options: Options | None = None,
    *,
    temperature_first: bool = False,
    **changes: Any,
) -> list[tuple[str, NDArray[np.float64]]]:
    """The logits after each sampler that is on, as (name, logits); dropped tokens have -inf. Arguments as in `apply`.

    `temperature_first` puts it before top_p and min_p, as Ollama's second runner does.

    >>> [name for name, _ in steps([2.0, 1.0], temperature=0.5, top_k=1, top_p=1)]
    ['top_k', 'temperature']
    """
    given = Options.of(options, **changes)
    values = np.asarray(logits, dtype=np.float64).copy()
    if values.ndim != 1 or not len(values) or not np.isfinite(values.max()):
        raise OptionError("Logits are one number for each token of the vocabulary, and at least one of them is finite.")
    out: list[tuple[str, NDArray[np.float64]]] = []

    def done(name: str, changed: NDArray[np.float64]) -> None:
        nonlocal values
        values = changed
        out.append((name, changed))

    if given.repeat_last_n and (given.repeat_penalty != 1 or given.frequency_penalty or given.presence_penalty):
        done("penalties", _penalties(values, previous_tokens, given))
    if given.temperature == 0:
        done("greedy", _keep(values, [int(values.argmax())]))
        return out
    if given.top_k:
        done("top_k", _keep(values, _order(values)[: given.top_k]))
    if temperature_first:
        done("temperature", values / given.temperature)
    if given.top_p < 1:
        done("top_p", _top_p(values, given.top_p))
    if given.min_p > 0:
        done("min_p", np.where(values >= values.max() + math.log(given.min_p), values, -np.inf))
    if not temperature_first:
        done("temperature", values / given.temperature)
    return out


def _order(values: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.argsort(-values, kind="stable")


def _keep(values: NDArray[np.float64], places: Any) -> NDArray[np.float64]:
    out = np.full_like(values, -np.inf)
    out[places] = values[places]
    return out


def _top_p(values: NDArray[np.float64], p: float) -> NDArray[np.float64]:
    order = _order(values)
    reached = np.cumsum(softmax(values)[order]) >= p
    last = int(reached.argmax()) if reached.any() else len(values) - 1
    return _keep(values, order[: last + 1])


def _penalties(values: NDArray[np.float64], previous: Sequence[int], given: Options) -> NDArray[np.float64]:
    back = list(previous) if given.repeat_last_n < 0 else list(previous)[-given.repeat_last_n :]
    out = values.copy()
    for token in set(back):
        logit, count = out[token], back.count(token)
        logit = logit * given.repeat_penalty if logit <= 0 else logit / given.repeat_penalty
        out[token] = logit - count * given.frequency_penalty - given.presence_penalty
    return out


def plot(frames: Mapping[str, pd.DataFrame], rows: int = 8, lang: str | None = None) -> Figure:
    """What several settings make of the same place in a text, as bars.

    Parameters
    ----------
    frames : dict of str to DataFrame
        Label -> what `next_tokens` gave with that setting; six at most.
    rows : int
        The likeliest tokens of the first frame.
    lang : {'en', 'es'}, optional
        By default the reader's.

    Returns
    -------
    Figure
        Probability of each token to be drawn, in percent.
    """
    from matplotlib import pyplot

    lang = chosen(lang)
    if not 1 <= len(frames) <= len(COLOURS) or rows < 1:
        raise OptionError(f"{len(frames)} frames, rows={rows}: that cannot be drawn.", fix="Give one to six frames, and one row or more.")
    first = next(iter(frames.values()))
    tokens = first["token"].head(rows).tolist()
    figure, axes = pyplot.subplots(figsize=(7, 0.9 + 0.16 * len(tokens) * (len(frames) + 0.8)))
    height = 0.8 / len(frames)
    for number, ((label, frame), colour) in enumerate(zip(frames.items(), COLOURS, strict=False)):
        after = dict(zip(frame["token"], frame["after"], strict=True))
        values = [100 * after.get(token, 0.0) for token in tokens]
        axes.barh([place + height * number for place in range(len(tokens))], values, height, color=colour, label=label)
    shown = [repr(token).replace("$", r"\$") for token in tokens]  # a dollar would begin a formula
    axes.set_xlabel(say("probability to be drawn (%)", lang))
    axes.set(
        yticks=[place + 0.4 - height / 2 for place in range(len(tokens))],
        yticklabels=shown,
    )
    axes.invert_yaxis()
    axes.legend(fontsize="small")
    figure.tight_layout()
    said = [f"{label}: {frame['token'][0]!r} {100 * frame['after'][0]:.0f} %" for label, frame in frames.items()]
    return Figure(figure, "; ".join(said))


# -- from a model -----------------------------------------------------------------------------------------------------------------


def next_tokens(
    model: Model,
    prompt: Prompt,
    n: int = 20,
    *,
    system: str = "",
    so_far: str = "",
    steps: bool = False,
    options: Options | None = None,
    **changes: Any,
) -> pd.DataFrame:
    """The likeliest next tokens, and what the sampling options make of them.

    Parameters
    ----------
    model : Model
        In this process: from its logits, all of them. Through Ollama: from the 20 probabilities that it tells.
    prompt : str, Message, dict or list of them
    n : int
        Rows.
    system : str
        A system message to put first.
    so_far : str
        What the model has answered already: the frame is about the token after it.
    steps : bool
        Add a column with the probability after each sampler, in order.
    options : Options
        By default `Options()`.
    **changes
        Options by name: ``temperature=0.8, top_k=40``.

    Returns
    -------
    DataFrame
        Likeliest first: 'token', 'id', 'logit', 'probability' (as the model computes it), 'after' (after all samplers), 'kept' (whether
        it can be drawn). In `attrs`: 'model', 'engine', 'prompt_tokens', 'samplers', 'covered' (sum of 'probability' over the rows) and
        'exact' (False where Ollama's 20 do not decide 'after').
    """
    given = Options.of(options, **changes)
    return look(model, prompt, system=system, so_far=so_far, options=given).frame(n, steps=steps, options=given)


@dataclass(frozen=True, eq=False)
class Place:
    """What may come at one place of a text, to be looked at under any options without computing it again.

    Attributes
    ----------
    model, engine : str
    logits : ndarray, shape (vocabulary,)
        Of the whole vocabulary; through Ollama the logarithms of the probabilities that it tells.
    previous : tuple of int
        Tokens of prompt and answer before it: the penalties look back into them. Empty through Ollama.
    names : callable
        From a position in `logits` to the text of the token.
    prompt_tokens : int or None
        Of prompt and answer so far.
    whole : bool
        Whether `logits` has all tokens, so that positions are ids of tokens.
    temperature_first : bool
        Whether the engine applies the temperature before top_p and min_p.
    """

    model: str
    engine: str
    logits: NDArray[np.floating[Any]]
    previous: tuple[int, ...]
    names: Callable[[int], str]
    prompt_tokens: int | None = None
    whole: bool = True
    temperature_first: bool = False

    def likeliest(self, n: int) -> list[int]:
        """Positions of the n likeliest tokens in `logits`, likeliest first."""
        return [int(row) for row in _order(self.logits.astype(np.float64))[:n]]

    def probabilities(self) -> NDArray[np.float64]:
        """Of each token, as the model computes them."""
        return softmax(self.logits) if self.whole else np.exp(self.logits.astype(np.float64))

    def after(self, options: Options | None = None, **changes: Any) -> NDArray[np.float64]:
        """Probability of each token to be drawn under sampling options."""
        return softmax(self._steps(Options.of(options, **changes))[-1][1])

    def frame(self, n: int = 20, *, steps: bool = False, options: Options | None = None, **changes: Any) -> pd.DataFrame:
        """The n likeliest as a frame; see `next_tokens`."""
        _check_count(n)
        given = Options.of(options, **changes)
        rows = self.likeliest(n)
        ids = rows if self.whole else None
        frame = _frame([self.names(row) for row in rows], np.array(rows, int), self.logits, self._steps(given), ids, steps)
        frame["probability"] = before = self.probabilities()[rows]
        frame.attrs |= {"model": self.model, "engine": self.engine, "prompt_tokens": self.prompt_tokens}
        frame.attrs |= {"covered": float(before.sum()), "exact": self.exact(given)}
        return frame

    def exact(self, options: Options) -> bool:
        """Whether `logits` decides what may be drawn: where top_k cuts among those known, or nothing is left beside them."""
        rest = 1 - float(self.probabilities().sum())
        return self.whole or bool(options.temperature == 0 or rest < 1e-4 or 0 < options.top_k <= len(self.logits))

    def _steps(self, given: Options) -> list[tuple[str, NDArray[np.float64]]]:
        if not self.whole and (given.repeat_penalty != 1 or given.frequency_penalty or given.presence_penalty):
            what = "Ollama tells texts and not ids of tokens, so that what penalties do cannot be computed."
            raise CapabilityError(what, fix="Leave them out: repeat_penalty=1.")
        return steps(self.logits, self.previous, given, temperature_first=self.temperature_first)


def look(
    model: Model,
    prompt: Prompt,
    *,
    system: str = "",
    so_far: str | Sequence[int] = "",
    options: Options | None = None,
) -> Place:
    """Compute what may come next, once; the place can then be looked at under any sampling options.

    Parameters
    ----------
    model : Model
        In this process: all logits. Through Ollama: the 20 probabilities that it tells.
    prompt : str, Message, dict or list of them
    system : str
        A system message to put first.
    so_far : str or sequence of int
        What the model has answered already, as text or as tokens.
    options : Options
        For `think`, `truncate` and the deadline.
    """
    from .backends.llama_cpp import LlamaCppModel
    from .backends.ollama import OllamaModel

    given = options or Options()
    model._check_open()
    messages = as_messages(prompt, system)
    if isinstance(model, LlamaCppModel):
        from .backends._logits import next_logits, token_text

        ids, logits = next_logits(model, messages, so_far, given)
        return Place(model.name, model.engine, logits, tuple(ids), lambda token: token_text(model, token), len(ids))
    if isinstance(model, OllamaModel):
        return _told_by_ollama(model, messages, so_far, given)
    raise CapabilityError(f"{model.engine} does not tell the probabilities of tokens.", fix='Load the model here: load("mini-m").')


def _told_by_ollama(model: OllamaModel, messages: tuple[Message, ...], so_far: str | Sequence[int], given: Options) -> Place:
    from .backends.ollama_logprobs import next_logprobs

    if so_far:
        raise CapabilityError(f"{model.engine} cannot be asked for the middle of an answer.", fix='Load the model here: load("mini-m").')
    names, logprobs, prompt_tokens = next_logprobs(model, messages, OLLAMA_MOST, given)
    if not names:
        raise UnexpectedResponseError(f"{model.engine} told no probabilities.", "It is older than 0.12.11.", "Update Ollama.")
    return Place(model.name, model.engine, logprobs, (), names.__getitem__, prompt_tokens, False, model.second_runner)


def _check_count(n: int) -> None:
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise OptionError(f"n={n!r} is out of range.", fix="It is a whole number of at least 1.")


def _frame(names: list[str], rows: Any, logits: Any, taken: Any, ids: list[int] | None, show: bool) -> pd.DataFrame:
    import pandas as pd

    before, after = softmax(logits), softmax(taken[-1][1])
    columns: dict[str, Any] = {
        "token": names,
        "id": pd.array(ids if ids is not None else [None] * len(names), dtype="Int64"),
        "logit": np.asarray(logits)[rows].astype(float) if ids is not None else [math.nan] * len(names),
        "probability": before[rows],
    }
    if show:
        columns |= {name: softmax(values)[rows] for name, values in taken}
    frame = display.frame(columns | {"after": after[rows], "kept": after[rows] > 0})
    frame.attrs = {"samplers": " → ".join(name for name, _ in taken), "covered": float(before[rows].sum())}
    return frame
