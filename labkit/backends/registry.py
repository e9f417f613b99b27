"""`load`: from a name to a model that is ready to answer."""

from __future__ import annotations

import difflib
import inspect
import os
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from .. import settings
from ..chat import Options
from ..errors import ModelNotFoundError, OptionError
from ..zoo import catalog
from ..zoo.quantization import quantize
from .base import Model

FORMS = 'Names: "mini-m" (shipped), "path/to/model.gguf", "ollama:llama3.2:1b", "openai:NAME@http://127.0.0.1:8000/v1".'
# Where the address begins: at @http://, else at the last @, since some servers have @ in the names of their models.
_AT = re.compile(r"@(?=https?://)|@(?=[^@]*$)", re.I)
_OF_A_REPLY = {field.name for field in fields(Options)}
# What other tools call an option of loading -> what an engine of labkit may call it.
_FOREIGN = {
    "n_ctx": "context_window",
    "num_ctx": "context_window",
    "n_threads": "threads",
    "num_thread": "threads",
    "n_gpu_layers": "gpu_layers",
    "num_gpu": "gpu_layers",
    "use_mmap": "mmap",
}


def load(name: str | Path, **options: Any) -> Model:
    """Make a model ready to answer.

    Parameters
    ----------
    name : str or Path
        A shipped model ("mini-m"), or the same with fewer bits, made here the first time ("mini-m:Q4_K_M"); a GGUF file
        ("path/to/model.gguf"); a model of an Ollama server ("ollama:llama3.2:1b", or "ollama:NAME@http://HOST:11434"); or one of any
        OpenAI-compatible server ("openai:NAME@http://HOST:8000/v1").
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
    model = _load(text, options)
    model.recipe = (text, options)
    return model


def _load(text: str, options: dict[str, Any]) -> Model:
    scheme, colon, rest = text.partition(":")
    if scheme == "ollama" and colon:
        from .ollama import OllamaModel

        name, _, host = rest.partition("@")
        _check(OllamaModel, options)
        return OllamaModel(name, host=settings.server_url(host, settings.OLLAMA_PORT) if host else None, **options)
    if scheme == "openai" and colon:
        from .openai import OpenAIModel

        _check(OpenAIModel, options)
        at = _AT.search(rest)
        return OpenAIModel(rest[: at.start()], rest[at.end() :], **options) if at else OpenAIModel(rest, "", **options)
    from .llama_cpp import LlamaCppModel

    _check(LlamaCppModel, options)
    if text in catalog.names():
        return LlamaCppModel(catalog.path(text), name=text, trusted=True, **options)
    if colon and scheme in catalog.names():
        return LlamaCppModel(quantize(scheme, rest), name=text, trusted=True, **options)
    path = Path(os.path.expanduser(text))  # not Path's own, which raises where there is no such user
    if path.suffix.lower() == ".gguf" or os.path.exists(path):
        return LlamaCppModel(path, **options)
    near = difflib.get_close_matches(text, catalog.names(), 1)
    raise ModelNotFoundError(f"There is no model {text!r}.", f"Did you mean {near[0]!r}?" if near else "", FORMS)


def _check(kind: type[Model], options: Mapping[str, Any]) -> None:
    """Refuse an option that this engine does not load with, and name the nearest one."""
    known = [name for name in inspect.signature(kind).parameters if name not in ("name", "path", "url", "host", "trusted")]
    for name in options:
        if name not in known:
            near = [own for own in (_FOREIGN.get(name), *difflib.get_close_matches(name, known, 1)) if own in known]
            fix = f"Did you mean {near[0]!r}?" if near else f"Options: {', '.join(known)}."
            if name in _OF_A_REPLY:
                fix = f"Give it to chat(): chat(..., {name}={options[name]!r})."
            raise OptionError(f"A model of this kind ({kind.__name__}) is not loaded with {name!r}.", fix=fix)
