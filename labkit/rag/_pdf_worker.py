"""The process that reads PDF files: a line of JSON in (a path), a line of JSON out. It imports nothing of labkit."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from typing import Any

MEMORY = 1_500_000_000  # bytes of address space
PAGES = 5_000
CHARACTERS = 10_000_000
_SHOWS = (b"Tj", b"TJ", b"'", b'"')


def _text(piece: Any) -> str:
    """A string of a page's commands; the numbers between strings are distances."""
    return piece if isinstance(piece, str) else piece.decode("latin-1") if isinstance(piece, bytes) else ""


class Unseen:
    """Collects text that is drawn in white or not drawn at all."""

    def __init__(self) -> None:
        self.fill: tuple[float, ...] = (0.0,)
        self.mode = 0
        self.stack: list[tuple[tuple[float, ...], int]] = []
        self.found: list[str] = []

    def __call__(self, operator: bytes, operands: Any, *_: Any) -> None:
        try:
            if operator in (b"g", b"rg", b"k"):
                values = tuple(float(value) for value in operands)
                self.fill = (1.0,) if operator == b"k" and not any(values) else (0.0,) if operator == b"k" else values
            elif operator == b"Tr":
                self.mode = int(operands[0])
            elif operator == b"q":
                self.stack.append((self.fill, self.mode))
            elif operator == b"Q" and self.stack:
                self.fill, self.mode = self.stack.pop()
            elif operator in _SHOWS and (self.mode == 3 or min(self.fill) > 0.98):
                last = operands[-1]
                pieces = last if isinstance(last, list) else [last]
                self.found.append("".join(_text(piece) for piece in pieces))
        except (TypeError, ValueError, IndexError):
            pass


def read(path: str) -> dict[str, Any]:
    """`{"pages", "title", "unseen"}`, or `{"error", "values"}`: a text for `wording.say`, and what is filled in."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            return {"error": "it is encrypted and wants a password: save it without one"}
        count = len(reader.pages)
        if count > PAGES:
            return {"error": "it has {n:,} pages, more than {most:,}", "values": {"n": count, "most": PAGES}}
        pages, unseen, size = [], [], 0
        for number, page in enumerate(reader.pages, 1):
            watch = Unseen()
            text = page.extract_text(visitor_operand_before=watch)
            pages.append(text.encode("utf-8", "replace").decode())
            size += len(text)
            if size > CHARACTERS:
                return {"error": "its text has more than {most:,} characters", "values": {"most": CHARACTERS}}
            if "".join(watch.found).strip():
                unseen.append((number, " ".join(watch.found)[:200].encode("utf-8", "replace").decode()))
        title = str(reader.metadata.title or "") if reader.metadata else ""
        return {"pages": pages, "title": title.encode("utf-8", "replace").decode(), "unseen": unseen}
    except DependencyError:
        return {"error": "it is encrypted in a way that needs another package: pip install 'pypdf[crypto]', or save it without a password"}
    except RecursionError:
        return {"error": "its parts are nested too deeply"}
    except MemoryError:
        return {"error": "it unpacks to more than memory holds"}
    except PyPdfError as error:
        return {"error": "it is damaged or no PDF: {reason}", "values": {"reason": str(error)[:200]}}
    except Exception as error:  # whatever a file does to the parser, the next file is read
        return {"error": "it is damaged: {reason}", "values": {"reason": f"{type(error).__name__}: {str(error)[:200]}"}}


def main() -> None:
    """Serve until the input ends."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    except (ImportError, ValueError, OSError):
        pass  # Windows, or a system that does not allow it: time stays limited
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(json.dumps(read(json.loads(line))).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
