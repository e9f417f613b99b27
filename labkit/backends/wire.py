"""What the engines that are servers share: pictures as bytes, vectors of length 1, the errors of a prompt that is too long."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..chat import Message
from ..errors import ContextWindowExceededError, OptionError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# How the servers say that a prompt is too long: Ollama, llama.cpp's server, llama-cpp-python's, vLLM, OpenAI, LM Studio.
_TOO_LONG = re.compile(
    r"exceeds? (the |model's |maximum )*(available )?context|maximum context length|context (length|size|window) (is )?exceeded"
    r"|context_length_exceeded|exceed_context_size|exceeds maximum context|context overflow|exceed context window|than the context length",
    re.I,
)
_PROMPT = re.compile(
    r"request \((\d+) tokens\)|n_prompt_tokens\D{1,4}(\d+)|\((\d+) in (?:the messages|your prompt)|tokens \((\d+)\) exceed"
    r"|contains at least (\d+) input tokens|resulted in (\d+) tokens|prompt contains (\d+)|has (\d+) input tokens",
    re.I,
)
_WINDOW = re.compile(
    r"context size \((\d+)|n_ctx\D{1,4}(\d+)|context length (?:is|of)(?: only)? (\d+)|context window of (\d+)|context length \((\d+)", re.I
)


def is_too_long(message: str) -> bool:
    """Whether a server says that the prompt does not fit."""
    return bool(_TOO_LONG.search(message))


def numbers(message: str) -> tuple[int | None, int | None]:
    """Tokens of the prompt and of the context window, as far as a server's message tells.

    >>> numbers("request (968 tokens) exceeds the available context size (128 tokens)")
    (968, 128)
    >>> numbers("This model's maximum context length is 512 tokens. However, you requested 900 tokens (884 in the messages, 16 ...")
    (884, 512)
    """
    prompt, window = _PROMPT.search(message), _WINDOW.search(message)
    return tuple(next((int(group) for group in found.groups() if group), None) if found else None for found in (prompt, window))  # type: ignore[return-value]


def too_long(prompt_tokens: int | None, window: int | None, fix: str, about: bool = False) -> ContextWindowExceededError:
    """The error of a prompt that does not fit, with the numbers that are known."""
    size = f" has {'about ' if about else ''}{prompt_tokens} tokens and" if prompt_tokens else ""
    error = ContextWindowExceededError(
        f"The prompt{size} does not fit the context window{f' of {window} tokens' if window else ''}.",
        "Nothing was cut and nothing was generated.",
        fix,
    )
    error.prompt_tokens, error.context_window = prompt_tokens, window
    return error


def text_in(value: Any) -> str:
    """A text of an answer, or the texts among its parts; TypeError where it is neither."""
    if isinstance(value, list):
        return "".join(text_in(part.get("text")) for part in value)
    if not isinstance(value, str | None):
        raise TypeError
    return value or ""


def count_in(value: Any) -> int | None:
    """A count of an answer; None where it holds none."""
    return value if isinstance(value, int) else None


def texts_of(texts: str | Sequence[str]) -> list[str]:
    """The texts to embed, each checked as a message is."""
    items = [texts] if isinstance(texts, str) else list(texts)
    for item in items:
        Message("user", item)
    return items


def unit_vectors(rows: Sequence[Any], width: int | None, unexpected: Callable[[str], Exception]) -> NDArray[np.float32]:
    """Rows of numbers as float32 vectors of length 1."""
    import numpy as np

    if not rows:
        return np.zeros((0, width or 0), dtype=np.float32)
    try:
        matrix = np.asarray(rows, dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.zeros(0)
    if matrix.ndim != 2 or not matrix.shape[1] or not np.isfinite(matrix).all():
        raise unexpected("vectors that are of different lengths or hold no numbers")
    length = np.linalg.norm(matrix, axis=1, keepdims=True)
    return (matrix / np.where(length == 0, 1, length)).astype(np.float32)


def image_bytes(image: str | Path | bytes) -> bytes:
    """A picture of a message, from its file or as it is."""
    if isinstance(image, bytes):
        return image
    try:
        return Path(image).expanduser().read_bytes()
    except OSError as error:
        raise OptionError(f"The picture {str(image)!r} cannot be read: {error.strerror or error}.") from None
