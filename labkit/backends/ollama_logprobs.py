"""The probabilities of the next token, as far as Ollama tells them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chat import Message, Options
from .base import Request
from .http import Guard, RefusedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .ollama import OllamaModel


def next_logprobs(
    model: OllamaModel, messages: Sequence[Message], most: int, options: Options
) -> tuple[list[str], NDArray[np.float64], int | None]:
    """The likeliest next tokens: texts, logarithms of their probabilities before any sampling, and how many tokens the prompt has."""
    asked = replace(options, max_tokens=1, temperature=0.0, seed=0, stop=())
    request = Request(tuple(messages), None, asked, time.monotonic() + options.timeout)
    body = model._body(request) | {"stream": False, "logprobs": True, "top_logprobs": most}
    try:
        answer = model.server.http.json("/api/chat", body, Guard(options.timeout, request.deadline))
    except RefusedError as error:
        raise model._meaning(error, request) from None
    places: list[dict[str, Any]] = (answer or {}).get("logprobs") or [{}]
    found = sorted(places[0].get("top_logprobs") or [], key=lambda entry: -float(entry["logprob"]))
    return [str(entry["token"]) for entry in found], np.array([float(entry["logprob"]) for entry in found]), answer.get("prompt_eval_count")
