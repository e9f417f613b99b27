"""`load`: from a name to a model that is ready to answer."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from .. import settings
from ..errors import ModelNotFoundError, OptionError
from ..zoo import catalog
from .base import Model

FORMS = 'Names: "mini-m" (shipped), "path/to/model.gguf", "ollama:llama3.2:1b", "openai:NAME@http://127.0.0.1:8000/v1".'


def load(name: str | Path, **options: Any) -> Model:
    """Make a model ready to answer.

    Parameters
    ----------
    name : str or Path
        A shipped model ("mini-m"), a GGUF file ("path/to/model.gguf"), a model of an Ollama server ("ollama:llama3.2:1b", or
        "ollama:NAME@http://HOST:11434"), or one of any OpenAI-compatible server ("openai:NAME@http://HOST:8000/v1").
    **options
        What the engine loads it with, such as ``context_window=2048``; see the engine's class.

    Returns
    -------
    Model

    Raises
    ------
    ModelNotFoundError
        With the nearest names there are.
    BadModelFileError, OutOfMemoryError, ServerNotRunningError, OptionError
    """
    text = str(name).strip()
    if not text:
        raise OptionError("The name of a model is empty.", fix=FORMS)
    scheme, colon, rest = text.partition(":")
    if scheme == "ollama" and colon:
        from .ollama import OllamaModel

        model, _, host = rest.partition("@")
        return OllamaModel(model, host=settings.server_url(host, settings.OLLAMA_PORT) if host else None, **options)
    if scheme == "openai" and colon:
        from .openai import OpenAIModel

        model, _, url = rest.partition("@")
        return OpenAIModel(model, url, **options)
    from .llama_cpp import LlamaCppModel

    if text in catalog.names():
        return LlamaCppModel(catalog.path(text), name=text, trusted=True, **options)
    path = Path(text).expanduser()
    if path.suffix.lower() == ".gguf" or path.exists():
        return LlamaCppModel(path, **options)
    near = difflib.get_close_matches(text, catalog.names(), 1)
    raise ModelNotFoundError(f"There is no model {text!r}.", f"Did you mean {near[0]!r}?" if near else "", FORMS)
