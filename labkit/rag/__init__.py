"""Questions over one's own documents, one step per file: documents, chunks, index, retrieve, compress, answer, evaluate.

`KnowledgeBase` does all of them in two calls; each step is a plain function that can be called by hand.

>>> from labkit import rag
>>> document = rag.documents.from_string("The library opens at nine. Cats may not come in.", source="rules.txt")
>>> passages = rag.chunks.cut(document, size=12)
>>> index = rag.index.build(passages)
>>> rag.retrieve.search(index, "When does the library open?", k=1, how="lexical")[0].text
'The library opens at nine.'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "Answer": "answer",
    "Document": "documents",
    "Hit": "retrieve",
    "KnowledgeBase": "knowledge",
    "Passage": "chunks",
}
_STEPS = (
    "answer", "check", "chunks", "compress", "documents", "evaluate", "hidden", "index", "kinds", "metrics", "retrieve", "stores", "words",
)  # fmt: skip

__all__ = ["Answer", "Document", "Hit", "KnowledgeBase", "Passage", *_STEPS]

if TYPE_CHECKING:
    from . import answer as answer
    from . import check as check
    from . import chunks as chunks
    from . import compress as compress
    from . import documents as documents
    from . import evaluate as evaluate
    from . import hidden as hidden
    from . import index as index
    from . import kinds as kinds
    from . import metrics as metrics
    from . import retrieve as retrieve
    from . import stores as stores
    from . import words as words
    from .answer import Answer
    from .chunks import Passage
    from .documents import Document
    from .knowledge import KnowledgeBase
    from .retrieve import Hit


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    if name in _STEPS:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module 'labkit.rag' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
