"""labkit: learn and experiment with language models on your own machine.

>>> import labkit as lab
>>> model = lab.load("mini-m")
>>> model.chat("What is a GGUF file?", temperature=0).text  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Name -> the module it lives in. Nothing is imported before it is used.
_HOME = {
    "KnowledgeBase": "rag.knowledge",
    "LabError": "errors",
    "Message": "chat",
    "Model": "backends.base",
    "OllamaServer": "backends.ollama_store",
    "Options": "chat",
    "Reply": "chat",
    "check": "grading.check",
    "compare": "experiments",
    "doctor": "health",
    "load": "backends.registry",
    "models": "backends.listing",
    "next_tokens": "sampling",
    "reproduce": "experiments",
    "scorers": "experiments",
    "sweep": "experiments",
}
_ROOMS = {
    "backends",
    "chat",
    "display",
    "errors",
    "experiments",
    "grading",
    "machine",
    "measure",
    "prompts",
    "rag",
    "sampling",
    "serving",
    "settings",
    "streaming",
    "widgets",
    "zoo",
}

__all__ = sorted([*_HOME, "errors", "prompts"])

if TYPE_CHECKING:
    from .backends.base import Model as Model
    from .backends.listing import models as models
    from .backends.ollama_store import OllamaServer as OllamaServer
    from .backends.registry import load as load
    from .chat import Message as Message
    from .chat import Options as Options
    from .chat import Reply as Reply
    from .errors import LabError as LabError
    from .experiments import compare as compare
    from .experiments import reproduce as reproduce
    from .experiments import scorers as scorers
    from .experiments import sweep as sweep
    from .grading.check import check as check
    from .health import doctor as doctor
    from .rag.knowledge import KnowledgeBase as KnowledgeBase
    from .sampling import next_tokens as next_tokens


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    elif name in _ROOMS:
        value = import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module 'labkit' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_ROOMS, "__version__"})
