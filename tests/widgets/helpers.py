"""Handling widgets as a person would, without a browser."""

from __future__ import annotations

import json
from typing import Any

from labkit.widgets._panel import Panel

from ..servers.misbehaving import chunk, head

SECONDS = 60  # patience on a busy machine; never a goal
PAYLOAD = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"


def click(button: Any) -> None:
    """Press a button, unless it is disabled, which the browser would not let anybody press."""
    assert not button.disabled
    button.click()


def enter(field: Any, text: str) -> None:
    """Type a line and press Enter."""
    field.value = text
    field._handle_custom_msg({"event": "submit"}, [])


def done(panel: Panel) -> Panel:
    """The widget, once nothing is under way."""
    assert panel.wait(SECONDS)
    return panel


def shown(widget: Any) -> str:
    """All that a widget and its parts show or say: markup, descriptions, options."""
    parts = [str(getattr(widget, name, "") or "") for name in ("value", "description", "options", "tooltip")]
    return "\n".join(parts + [shown(child) for child in getattr(widget, "children", ())])


def ollama_line(text: str, **more: Any) -> bytes:
    """One line of Ollama's streamed answer, as an HTTP chunk."""
    return chunk(json.dumps({"message": {"role": "assistant", "content": text}, "done": False} | more) + "\n")


NDJSON = head("application/x-ndjson")
