"""What happened on the way to an answer, step by step: for the eye, for tests, and for the widget that shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes
    ----------
    name : str
        'question', 'search', 'clean', 'fit', 'prompt', 'reply', 'check'.
    says : str
        What happened, in one line, in the language of the question.
    data : dict
        The values themselves: see `Trace`.
    seconds : float
    """

    name: str
    says: str
    data: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


class Trace(Sequence[Step]):
    """The steps of one answer, in order; by number or by name: ``answer.trace["fit"].data["left_out"]``.

    ===========  ======================================================================================================
    question     text, lang
    search       hits (Hits), how, threshold, below, repeats, unit ('passages', 'sentences')
    clean        passages (as the model gets them), changes: (number, what was changed) pairs
    fit          window, prompt_tokens, room (kept for the answer), counted (see below), kept, left_out (tuple of Hit)
    prompt       messages, lang
    reply        reply (Reply)
    check        checks (tuple of Check), withheld (see `Answer`)
    ===========  ======================================================================================================

    Tokens are counted 'exactly', 'estimated' or 'by the engine'. A step that was not needed is not there:
    without relevant passages nothing is sent, and `says` of the last step tells.
    """

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self._steps = tuple(steps)

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, str):
            for step in self._steps:
                if step.name == which:
                    return step
            raise KeyError(f"{which!r} is none of the steps: {', '.join(self.names())}")
        return self._steps[which]

    def __contains__(self, which: object) -> bool:
        return which in self.names() if isinstance(which, str) else which in self._steps

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self._steps)

    def names(self) -> list[str]:
        """Names of the steps that there are."""
        return [step.name for step in self._steps]

    def __str__(self) -> str:
        return "\n".join(f"{step.name:9} {step.seconds * 1000:7.1f} ms  {step.says}" for step in self._steps)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from .views import trace_html

        return trace_html(self)
