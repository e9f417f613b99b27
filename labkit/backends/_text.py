"""From bytes of tokens to pieces of a reply: whole characters, stop texts, thinking, tool calls."""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping, Sequence
from typing import Any

from .base import Delta

THINK, END_THINK = "<think>", "</think>"
CALL, END_CALL = "<tool_call>", "</tool_call>"


class Splitter:
    """Takes the bytes of one token after another and gives what may be shown.

    Parameters
    ----------
    stop : sequence of str
        Texts that end the reply; they may begin in one token and end in another.
    think : bool
        Keep `<think>...</think>` at the start apart.
    thinking : bool
        The prompt ended in `<think>`: the reply begins inside.
    tools : bool
        Take `<tool_call>{...}</tool_call>` out of the text.

    Attributes
    ----------
    stopped : bool
        A stop text was met: nothing more is wanted.
    calls : list of dict
        Tool calls found so far.
    """

    def __init__(self, stop: Sequence[str] = (), think: bool = False, thinking: bool = False, tools: bool = False) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stop = _Stop(stop) if stop else None
        self._tools = tools
        # Where in the reply we are: 'start' (a <think> may come), 'open' (white space after it), 'thinking', 'gap' (white space after
        # </think>), 'text', 'call'.
        self._state = "open" if thinking else "start" if think else "text"
        self._held = ""
        self.stopped = False
        self.calls: list[dict[str, Any]] = []

    def feed(self, data: bytes) -> Delta | None:
        """What these bytes add; None where nothing can be shown yet."""
        return self._take(self._decoder.decode(data))

    def _take(self, text: str) -> Delta | None:
        if text and self._stop is not None:
            text, self.stopped = self._stop.feed(text)
        if not text:
            return None
        if self._state == "text" and not self._tools:
            return Delta(text)
        return self._sort(text, False)

    def finish(self) -> Delta | None:
        """What was held back, at the end of the reply."""
        text = "" if self.stopped else self._decoder.decode(b"", True)
        if self._stop is not None and not self.stopped:
            text, self.stopped = self._stop.feed(text, last=True)
        return self._sort(text, True)

    def _sort(self, text: str, last: bool) -> Delta | None:
        self._held += text
        shown, thought = [], []
        while True:
            state = self._state
            if state == "start":
                begin = self._held.lstrip()
                if begin.startswith(THINK):
                    self._held, self._state = begin[len(THINK) :], "open"
                elif last or not THINK.startswith(begin):
                    self._state = "text"
                else:
                    break
            elif state == "thinking":
                before, mark, rest = self._cut(END_THINK, last)
                thought.append(before)
                self._held = rest
                if not mark:
                    break
                self._state = "gap"
            elif state in ("open", "gap"):
                self._held = self._held.lstrip()
                if not self._held:
                    break
                self._state = "thinking" if state == "open" else "text"
            elif state == "text":
                before, mark, rest = self._cut(CALL, last) if self._tools else (self._held, "", "")
                shown.append(before)
                self._held = rest
                if not mark:
                    break
                self._state = "call"
            else:
                body, mark, rest = self._held.partition(END_CALL)
                if not mark and not last:
                    break
                call = _call(body, len(self.calls))
                if call is None:
                    shown.append(CALL + body + mark)
                else:
                    self.calls.append(call)
                self._held, self._state = rest, "text"
        delta = Delta("".join(shown), "".join(thought))
        return delta if delta.text or delta.thinking else None

    def _cut(self, mark: str, last: bool) -> tuple[str, str, str]:
        """Text before the mark, the mark where it is whole, and what follows it or may be its beginning."""
        before, found, rest = self._held.partition(mark)
        if found or last:
            return before, found, rest
        keep = _overlap(before, mark)
        return before[: len(before) - keep], "", before[len(before) - keep :]


class _Stop:
    """Looks for stop texts and holds back what may be the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops, self._held = tuple(stops), ""

    def feed(self, text: str, last: bool = False) -> tuple[str, bool]:
        text = self._held + text
        self._held = ""
        places = [place for place in (text.find(stop) for stop in self._stops) if place >= 0]
        if places:
            return text[: min(places)], True
        keep = 0 if last else max(_overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep], False


def _overlap(text: str, mark: str) -> int:
    """Length of the longest end of `text` that is a proper beginning of `mark`."""
    for size in range(min(len(text), len(mark) - 1), 0, -1):
        if text.endswith(mark[:size]):
            return size
    return 0


def _call(body: str, number: int) -> dict[str, Any] | None:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, Mapping) or not isinstance(data.get("name"), str):
        return None
    arguments = data.get("arguments", data.get("parameters", {}))
    return {"id": f"call_{number}", "name": data["name"], "arguments": arguments}
