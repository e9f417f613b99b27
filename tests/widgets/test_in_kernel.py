"""Widgets in a real kernel: text arrives while it is idle, stop and interrupt are heard, the snapshot is replaced."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from ..servers.misbehaving import drips
from .helpers import NDJSON, SECONDS, ollama_line

VIEW = "application/vnd.jupyter.widget-view+json"


class Kernel:
    """A kernel and what it has sent."""

    def __init__(self, manager: KernelManager) -> None:
        self.manager, self.client = manager, manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=SECONDS)

    def until(self, wanted: Callable[[dict[str, Any]], Any]) -> Any:
        """Read messages until one gives something true."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            try:
                found = wanted(self.client.get_iopub_msg(timeout=1))
            except queue.Empty:
                continue
            if found:
                return found
        raise AssertionError("the kernel did not send it")

    def run(self, code: str) -> str:
        """Run a cell and return what it printed."""
        text = []

        def hook(message):
            if message["msg_type"] == "stream":
                text.append(message["content"]["text"])

        reply = self.client.execute_interactive(code, timeout=SECONDS, output_hook=hook)
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(text)

    def press(self, comm: str) -> None:
        """What the browser sends when somebody presses a button."""
        data = {"method": "custom", "content": {"event": "click"}}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", {"comm_id": comm, "data": data}))


@contextmanager
def started() -> Iterator[Kernel]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    kernel = Kernel(manager)
    try:
        yield kernel
    finally:
        kernel.client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with started() as kernel:
        yield kernel


@pytest.fixture
def streaming(kernel, misbehaving_server) -> tuple[str, str]:
    """A chat whose answer never ends; comms of its text and of its stop button."""
    misbehaving_server.faults["/api/chat"] = drips(NDJSON, ollama_line("word "), 0.02)
    kernel.run(f"import labkit as lab\nw = lab.widgets.chat('ollama:good@{misbehaving_server.url}')\ndisplay(w)")
    ids = kernel.run("print(w.current.comm.comm_id, w.stop_button.comm.comm_id, w.ask_button.comm.comm_id)").split()
    kernel.run("w.question.value = 'Go on.'")
    kernel.press(ids[2])
    kernel.until(lambda m: m["msg_type"] == "comm_msg" and m["content"]["comm_id"] == ids[0] and "word word" in str(m["content"]["data"]))
    return ids[0], ids[1]


def ended(kernel) -> str:
    return kernel.run(f"assert w.wait({SECONDS}); print(w.conversation.turns[0].reply.finish_reason)").strip()


def printed(asked: str, word: str) -> Callable[[dict[str, Any]], bool]:
    return lambda m: m["parent_header"].get("msg_id") == asked and word in m["content"].get("text", "")


def snapshot(message) -> Any:
    if message["msg_type"] == "update_display_data" and "word word" in message["content"]["data"]["text/html"]:
        return message["content"]["data"]
    return None


def test_stop_is_heard_while_text_arrives(kernel, streaming):
    kernel.press(streaming[1])
    data = kernel.until(snapshot)
    assert "word word" in data["text/plain"] and ended(kernel) == "cancelled"


def test_interrupting_the_kernel_stops_a_widget(kernel, streaming):
    time.sleep(1)  # the kernel is at rest; nothing waits for it
    kernel.manager.interrupt_kernel()
    kernel.until(snapshot)
    assert ended(kernel) == "cancelled"


SLEEP = "import asyncio, time\ntry:\n    print('begun', flush=True)\n    time.sleep(600)\nfinally:\n    print('over')"
CELLS = {
    "raised": SLEEP,
    "caught": SLEEP.replace("finally", "except KeyboardInterrupt"),
    "awaited": SLEEP.replace("time.sleep(600)", "await asyncio.sleep(5)"),  # ipykernel cancels it at the loop's next event
}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_interrupting_a_running_cell_stops_widgets_too(kernel, streaming, cell):
    asked = kernel.client.execute(cell, stop_on_error=False)
    kernel.until(printed(asked, "begun"))
    time.sleep(0.5)  # until it sleeps: Python may lose what interrupts the printing itself
    kernel.manager.interrupt_kernel()
    kernel.until(printed(asked, "over"))
    assert ended(kernel) == "cancelled"


def test_interrupting_the_cell_that_made_the_first_widget_stops_it(misbehaving_server):
    misbehaving_server.faults["/api/chat"] = drips(NDJSON, ollama_line("word "), 0.02)
    with started() as kernel:
        lines = (
            f"import labkit as lab; w = lab.widgets.chat('ollama:good@{misbehaving_server.url}')\nw.question.value = 'Go on.'\nw.ask()\n"
        )
        asked = kernel.client.execute(lines + SLEEP, stop_on_error=False)
        kernel.until(printed(asked, "begun"))
        time.sleep(0.5)
        kernel.manager.interrupt_kernel()
        kernel.until(printed(asked, "over"))
        assert ended(kernel) == "cancelled"


def test_the_view_is_never_redrawn_and_the_snapshot_stands_below_it(kernel):
    outputs = []
    kernel.client.execute_interactive(
        "lab.widgets.chat('mini-m')",
        timeout=SECONDS,
        output_hook=lambda m: outputs.append(m["content"]) if m["msg_type"] in ("display_data", "execute_result") else None,
    )
    first, second = outputs
    assert set(first["data"]) == {VIEW, "text/html", "text/plain"} and "display_id" not in first.get("transient", {})
    assert VIEW not in second["data"] and second["transient"]["display_id"]
    assert "No messages yet" in second["data"]["text/html"] and "No messages yet" in second["data"]["text/plain"]
