"""PDF files, read in a process of their own: one that never ends or eats all memory costs that file, not the notebook."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..wording import say
from ._formats import FormatError, Part, about_hidden

SECONDS = 60.0  # for one file
UNSEEN = {
    "white": "page {page} holds text that is white, seen only on a coloured ground: {text}",
    "hidden": "page {page} holds text that a reader does not see: {text}",
}


def part(answer: Mapping[str, Any]) -> Part:
    """The text of a file, page after page, and what a reader should know of it; FormatError where the worker gave a reason."""
    if "error" in answer:
        raise FormatError(say(answer["error"], **answer.get("values", {})), again=answer.get("again", False))
    text, pages, empty = "", [], []
    for number, page in enumerate(answer["pages"], 1):
        pages.append(len(text))
        text += f"{page.strip()}\n\n"
        if not page.strip():
            empty.append(number)
    if not text.strip():
        said = "it holds no text on its pages ({n}), only pictures: it was probably scanned. Run OCR on it first (ocrmypdf)"
        raise FormatError(say(said, n=len(pages)))
    notes = [say("no text on page {pages}", pages=", ".join(map(str, empty[:10])))] if empty else []
    if scanned := [str(number) for number, kind, _ in answer["unseen"] if kind == "ocr"]:
        notes.append(say("the text of page {pages} is an OCR layer, or nobody sees it", pages=", ".join(scanned[:10])))
    if answer["tables"] < len(pages):
        said = "tables were looked for on the first {n} pages only, which took long: cells of later ones stand beside one another"
        notes.append(say(said, n=answer["tables"]))
    unseen = [item for item in answer["unseen"] if item[1] in UNSEEN]
    notes += [say(UNSEEN[kind], page=number, text=repr(text[:80])) for number, kind, text in unseen[:5]]
    text = text.rstrip() + "\n"
    return Part(text, answer["title"], tuple(pages), notes=notes + about_hidden(text))


class PdfReader:
    """Asks a worker process for the text of one PDF file after another; a new worker where one died."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.Queue[bytes] = queue.Queue()

    def read(self, path: Path) -> Part:
        """The text of a file, page after page.

        Raises
        ------
        FormatError
            With the reason: encrypted, damaged, only pictures, too large, too slow.
        """
        return part(self._ask(path))

    def _ask(self, path: Path) -> dict[str, Any]:
        process = self._worker()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(str(path)).encode() + b"\n")
            process.stdin.flush()
            line = self._lines.get(timeout=self._seconds)
        except queue.Empty:
            self.close()
            said = say("it was not read after {seconds:g} s, so it was given up", seconds=self._seconds)
            raise FormatError(said, again=True) from None  # a machine that had much to do may be faster next time
        except OSError:
            line = b""
        try:
            answer: dict[str, Any] = json.loads(line)
            return answer
        except ValueError:
            self.close()
            raise FormatError(say("reading it broke the reader: it wants too much memory, or is damaged on purpose")) from None

    def _worker(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            command = [sys.executable, "-E", "-P", str(Path(__file__).with_name("_pdf_worker.py"))]
            none = subprocess.DEVNULL
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=none)
            self._lines = queue.Queue()
            threading.Thread(target=_pump, args=(self._process, self._lines), daemon=True).start()
        return self._process

    def close(self) -> None:
        """End the worker."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()


def _pump(process: subprocess.Popen[bytes], lines: queue.Queue[bytes]) -> None:
    """Lines of the worker, each into the queue; an empty one when it ended."""
    assert process.stdout is not None
    try:
        for line in process.stdout:
            lines.put(line)
    except (OSError, ValueError):  # closed meanwhile
        pass
    lines.put(b"")
