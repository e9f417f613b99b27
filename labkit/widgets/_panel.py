"""What all widgets share: work in a thread that can be stopped, errors in place, a text twin, a snapshot that stays when saved."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import ipywidgets as ipw  # type: ignore[import-untyped]

from ..display import PLAIN, escape
from ..errors import LabError
from ..wording import chosen, filled
from . import _interrupt
from ._style import NAMES, SHARED
from ._texts import TEXTS

REFRESH = 0.1  # seconds between two updates of a text that streams: fast enough to read along, slow enough to cost next to nothing
SLOWEST = 0.5  # of a long text, which the browser has to draw whole each time: it must not fall behind, or it hears no Stop
REST = 0.5  # seconds without a change after which the snapshot follows a slider
AT_ENTER = 0.5  # seconds that a text may come after the message that Enter was pressed
AT_PRESS = 0.1  # seconds that the last value of a slider or field may come after the message that a button was pressed
_COUNT = iter(range(10**9))


class Panel(ipw.VBox):  # type: ignore[misc]
    """A widget of labkit.

    Parameters
    ----------
    lang : {'en', 'es'}
        Language of its texts.
    title : str
        Key of the text that names it.

    Attributes
    ----------
    busy : bool
        Whether it computes now.
    text : str
        The text twin: what the widget shows, as plain text.
    """

    def __init__(self, lang: str | None, title: str) -> None:
        self.lang = chosen(lang)
        self.title = self._t(title)
        self._thread: threading.Thread | None = None
        self._cancelled = threading.Event()
        self._streams: set[Any] = set()
        self._lock = threading.Lock()
        self._handles: list[Any] = []
        self._last_snapshot = ""
        self._timer: threading.Timer | None = None
        self._class = f"labkit-panel-{next(_COUNT)}"
        self.status = ipw.HTML()
        self.stop_button = self._button("stop", self._stop_pressed, disabled=True)
        super().__init__()
        twin = self._folded("text", lambda: f"<pre class='lk-twin' tabindex='0'>{escape(self.text)}</pre>")
        self.twin_button, self._twin, self._show_twin = twin
        self.add_class("labkit-panel").add_class(self._class)
        _interrupt.watch(self)

    # -- what each widget writes ------------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """What the widget shows, as plain text."""
        return self.title

    def snapshot(self) -> str:
        """What the widget shows, as HTML that works without a kernel; everything that a model or person said is escaped."""
        return f"<pre style='white-space:pre-wrap'>{escape(self.text)}</pre>"

    def _set_busy(self, busy: bool) -> None:
        """Enable and disable controls."""

    # -- building ---------------------------------------------------------------------------------------------------------------

    def _t(self, key: str, **values: Any) -> str:
        text = TEXTS[key][self.lang]
        return filled(text, self.lang, **values) if values else text

    def _button(self, key: str, pressed: Callable[[], None], reads: bool = False, **more: Any) -> Any:
        """A button; with `reads` it waits for the values of sliders and fields that its message has overtaken, as in `_on_enter`."""
        button = ipw.Button(description=self._t(key), tooltip=self._t(f"{key}_hint"), layout={"width": "auto"}, **more)
        button.on_click(lambda _: later(AT_PRESS, pressed) if reads else pressed())
        return button

    def _folded(self, key: str, content: Callable[[], str]) -> tuple[Any, Any, Callable[..., None]]:
        """A button that shows and hides something, its area, and what brings it up to date while it is shown."""
        button = ipw.ToggleButton(description=self._t(f"show_{key}"), tooltip=self._t(f"{key}_hint"), layout={"width": "auto"})
        area = ipw.HTML(layout={"display": "none", "width": "98%"})

        def update(_: Any = None) -> None:
            button.description = self._t(f"hide_{key}" if button.value else f"show_{key}")
            area.layout.display = None if button.value else "none"
            area.value = content() if button.value else ""

        button.observe(update, "value")
        return button, area, update

    def _build(self, parts: Iterable[Any]) -> None:
        """Put the parts below each other, and the shared ones at the end; the order is that of the Tab key."""
        style = ipw.HTML(f'<style onload="{NAMES}">{SHARED.replace("PANEL", self._class)}</style>', layout={"display": "none"})
        style.add_class("lk-style")
        heading = ipw.HTML(f"<div class='lk-title'>{escape(self.title)}</div>")
        self.children = (style, heading, *parts, self._row(self.twin_button), self._twin)

    @staticmethod
    def _on_enter(field: Any, go: Callable[[], None]) -> None:
        """Call `go` when Enter is pressed in a text field, with all that was typed.

        The message that Enter was pressed overtakes the text: the browser sends a text that changes from key to key only as fast as the
        kernel takes it. So the field sends its text once, at Enter, and `go` waits for it; where nothing has changed, none comes.
        """
        field.continuous_update = False
        waiting: list[asyncio.TimerHandle] = []

        def now() -> None:
            for timer in waiting:
                timer.cancel()
            waiting.clear()
            go()

        def entered(_: Any, content: Any, __: Any) -> None:
            if isinstance(content, dict) and content.get("event") == "submit" and (timer := later(AT_ENTER, now)):
                waiting.append(timer)

        field.on_msg(entered)
        field.observe(lambda _: now() if waiting else None, "value")

    @staticmethod
    def _row(*parts: Any) -> Any:
        return ipw.HBox(parts, layout={"flex_flow": "row wrap", "align_items": "center"})

    # -- work in a thread, so that the kernel hears the stop button ---------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether it computes now."""
        return self._thread is not None and self._thread.is_alive()

    def _start(self, work: Callable[[], None]) -> bool:
        """Do the work in a thread; False where something is under way."""
        with self._lock:
            if self.busy:
                return False
            self._cancelled.clear()
            self._thread = threading.Thread(target=self._run, args=(work,), name="labkit-widget", daemon=True)
            self._busy_now(True)
            self._thread.start()
            return True

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self._failed(error)
        finally:
            self._streams.clear()
            self._busy_now(False)
            self._changed()

    def _busy_now(self, busy: bool) -> None:
        self.stop_button.disabled = not busy
        self._set_busy(busy)

    def _failed(self, error: Exception) -> None:
        self.status.value = error_html(error, self.lang)
        if not isinstance(error, LabError):
            logging.getLogger("labkit.widgets").debug("in a widget", exc_info=error)

    def _say(self, text: str) -> None:
        """One line of plain text at the foot of the widget."""
        self.status.value = f"<div class='lk-status' role='status'>{escape(text)}</div>"

    def _follow(self, stream: Any, show: Callable[[float, int], None]) -> Any:
        """Read a stream to its end; `show(elapsed, pieces)` is called a few times a second. Returns the reply."""
        with self._lock:
            self._streams.add(stream)
            if self._cancelled.is_set():
                stream.cancel()
        try:
            shown = 0.0
            for pieces, chunk in enumerate(stream, 1):
                if time.monotonic() - shown >= pause(chunk.elapsed):
                    show(chunk.elapsed, pieces)
                    shown = time.monotonic()
            return stream.reply
        finally:
            with self._lock:
                self._streams.discard(stream)

    @staticmethod
    def _throttled(show: Callable[[], object]) -> Callable[[], None]:
        """The same function, which does its work a few times a second at most."""
        shown, start = 0.0, time.monotonic()

        def maybe() -> None:
            nonlocal shown
            if time.monotonic() - shown >= pause(time.monotonic() - start):
                show()
                shown = time.monotonic()

        return maybe

    def _stop_pressed(self) -> None:
        self.stop()

    def stop(self) -> None:
        """End what is under way; what has arrived stays. From any thread."""
        self._cancelled.set()
        for stream in list(self._streams):
            stream.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is under way; False where it still is after `timeout` seconds."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
        return not self.busy

    # -- twin and snapshot ------------------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        """What is shown has changed: the twin, and the snapshot in the saved notebook, follow."""
        if self.twin_button.value:
            self._show_twin()
        if self._handles:
            now = self._frozen()
            if now["text/html"] != self._last_snapshot:
                self._last_snapshot = now["text/html"]
                for handle in self._handles:
                    handle.update(now, raw=True)

    def _soon(self) -> None:
        """The same for a slider that is being dragged: the twin at once, the snapshot when it rests."""
        if self.twin_button.value:
            self._show_twin()
        if self._handles:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(REST, self._changed)
            self._timer.daemon = True
            self._timer.start()

    def _frozen(self) -> dict[str, str]:
        return {"text/html": f"<div class='labkit-snapshot {PLAIN}'>{self.snapshot()}</div>", "text/plain": self.text}

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(super()._repr_mimebundle_(**kwargs) or {})
        return bundle | self._frozen()

    def _ipython_display_(self) -> None:
        # Two outputs: the live view, and the snapshot, which is replaced whenever the widget changes. Replacing the view itself would
        # draw it again and take the keyboard from whoever is typing. A live view hides the snapshot; exported pages show it.
        from IPython import display

        show: Any = display.display
        line = self._t("live_here", title=self.title)
        view = self._repr_mimebundle_() | {"text/html": f"<div class='{PLAIN}'>{escape(line)}</div>", "text/plain": line}
        show(view, raw=True)
        frozen = self._frozen()
        self._last_snapshot = frozen["text/html"]
        handle = show(frozen, raw=True, display_id=True)
        if handle is not None:
            self._handles.append(handle)

    def __repr__(self) -> str:
        return self.text


def pause(elapsed: float) -> float:
    """Seconds from one update to the next, so long after the beginning.

    >>> pause(0.5), pause(4.0), pause(60.0)
    (0.1, 0.1, 0.5)
    """
    return min(SLOWEST, max(REFRESH, elapsed / 40))


def later(seconds: float, do: Callable[[], None]) -> asyncio.TimerHandle | None:
    """Do it after what the browser has sent meanwhile; at once where no kernel runs, so that nothing is on its way."""
    try:
        return asyncio.get_running_loop().call_later(seconds, do)
    except RuntimeError:
        do()
        return None


def error_html(error: Exception, lang: str) -> str:
    """An error in place: what happened, its cause, how to mend it."""
    parts = error.parts(lang) if isinstance(error, LabError) else [f"{type(error).__name__}: {error}"]
    lines = "<br>".join(escape(part) for part in parts)
    return f"<div class='lk-error' role='alert'><b>{escape(TEXTS['error'][lang])}</b> {lines}</div>"


def error_text(error: Exception, lang: str) -> str:
    """The same as plain text."""
    return " ".join(error.parts(lang)) if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
