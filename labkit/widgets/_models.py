"""The models that a widget offers: those it was given, those it loads by name when they are first asked."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..backends.base import Model
from ..errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path


class Shelf:
    """Models by name.

    Parameters
    ----------
    models : iterable of Model or str
        A loaded model, or a name that `load` takes. Names come in this order, each once.
    """

    def __init__(self, models: Iterable[Model | str | Path]) -> None:
        self._loaded: dict[str, Model | None] = {}
        self._lock = threading.Lock()
        for model in models:
            name = model.name if isinstance(model, Model) else str(model)
            if self._loaded.get(name) is None:
                self._loaded[name] = model if isinstance(model, Model) else None
        if not self._loaded:
            raise OptionError("The widget was given no model.", fix='Give it one: lab.widgets.chat("mini-m").')

    @property
    def names(self) -> list[str]:
        """What may be asked for."""
        return list(self._loaded)

    def has(self, name: str) -> bool:
        """Whether the model is ready, so that asking takes no loading."""
        return self._loaded.get(name) is not None

    def get(self, name: str) -> Model:
        """The model, loaded where it was not; errors of `load`."""
        with self._lock:
            found = self._loaded.get(name)
            if found is None:
                from ..backends.registry import load

                found = self._loaded[name] = load(name)
            return found


def as_list(models: Model | str | Path | Sequence[Model | str | Path]) -> list[Model | str | Path]:
    """One model or several, as a list."""
    return list(models) if isinstance(models, Sequence) and not isinstance(models, str) else [models]


def shipped_chat_models() -> list[str]:
    """Names of the models that labkit ships for talking, smallest first."""
    from ..zoo import catalog

    cards = [catalog.card(name) for name in catalog.names()]
    return [card.name for card in sorted(cards, key=lambda card: card.parameters) if card.kind == "chat"]
