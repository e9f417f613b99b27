"""How likely a model finds a given answer: from its real logits, before any sampling option."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..backends.base import Model, Prompt
from ..chat import Options, as_messages
from ..errors import CapabilityError, OptionError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def token_logprobs(model: Model, prompt: Prompt, text: str, *, system: str = "") -> NDArray[np.float64]:
    """How likely a model finds a given answer, token by token, before any sampling option.

    Parameters
    ----------
    model : Model
        In this process: no server tells the probabilities of a text that it did not write.
    prompt : str, Message, dict or list of them
    text : str
        The answer; it is cut into the model's own tokens, which may be others than those that it was once drawn in.
    system : str
        A system message to put first.

    Returns
    -------
    ndarray, shape (tokens of the text,)
        Natural logarithms; all of them 0 would be certainty.

    Raises
    ------
    CapabilityError
        For other engines.
    ContextWindowExceededError
        When prompt and text do not fit.
    """
    from ..backends._text_logits import logprobs
    from ..backends.llama_cpp import LlamaCppModel, too_long

    model._check_open()
    if not isinstance(model, LlamaCppModel) or model.header.embeds:
        what = f"{model.engine} does not tell how likely a given text is ({model.name!r})."
        raise CapabilityError(what, fix='Load a chat model here: load("mini-m").')
    if not text:
        raise OptionError("An empty text has no tokens.", fix="Give a text of at least one character.")
    ids = model._prompter.prompt(as_messages(prompt, system), None, Options()).ids
    tokens = model._engine.tokenize(text, special=False)
    if len(ids) + len(tokens) > model.context_window:
        raise too_long(len(ids) + len(tokens), model.context_window, model.name, model.header.context_length)
    return logprobs(model, ids, tokens)


def perplexity(model: Model, prompt: Prompt, text: str, *, system: str = "") -> float:
    """How surprised a model is by a given answer: the exponential of the mean negative logarithm of its tokens' probabilities.

    1 is certainty; a model that chose evenly among k tokens at each step would have k. Arguments as in `token_logprobs`.
    """
    return math.exp(-float(token_logprobs(model, prompt, text, system=system).mean()))
