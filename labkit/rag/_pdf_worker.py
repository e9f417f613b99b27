"""The process that reads PDF files: a line of JSON in (a path), a line of JSON out. It imports nothing of labkit."""

from __future__ import annotations

import json
import logging
import math
import sys
import warnings
from dataclasses import dataclass, replace
from typing import Any

MEMORY = 1_500_000_000  # bytes of address space
PAGES = 5_000
CHARACTERS = 10_000_000
SMALLEST = 1.0  # points that text must have to be read
_SHOWS = (b"Tj", b"TJ", b"'", b'"')
_GREYS = ("/DeviceGray", "/G", "/CalGray")


def _text(piece: Any) -> str:
    """A string of a page's commands; the numbers between strings are distances."""
    return piece if isinstance(piece, str) else piece.decode("latin-1") if isinstance(piece, bytes) else ""


@dataclass
class Look:
    """How text is drawn: the colour that fills it, whether that is in a space of one number that is a shade, the mode, the size."""

    fill: tuple[float, ...] = (0.0,)
    grey: bool = True
    mode: int = 0
    size: float = 12.0


class Unseen:
    """Collects text that a reader may not see: white, not drawn at all, or smaller than a point."""

    def __init__(self) -> None:
        self.look = Look()
        self.stack: list[Look] = []
        self.drawn = False  # any text that is
        self.found: dict[str, list[str]] = {"white": [], "hidden": []}

    def __call__(self, operator: bytes, operands: Any, cm: Any, tm: Any) -> None:
        try:
            if operator in (b"g", b"rg", b"k"):
                self.look.fill, self.look.grey = tuple(float(value) for value in operands), True
            elif operator == b"cs":  # a new space begins with black
                self.look.fill, self.look.grey = (0.0,), str(operands[0]) in _GREYS
            elif operator in (b"sc", b"scn"):  # a pattern has a name for its last operand
                self.look.fill = tuple(0.0 if isinstance(value, str) else float(value) for value in operands)
            elif operator == b"Tr":
                self.look.mode = int(operands[0])
            elif operator == b"Tf":
                self.look.size = float(operands[1])
            elif operator == b"q":
                self.stack.append(replace(self.look))
            elif operator == b"Q" and self.stack:
                self.look = self.stack.pop()
            elif operator in _SHOWS:
                last = operands[-1]
                self._shown("".join(map(_text, last if isinstance(last, list) else [last])), abs(self.look.size) * _scale(cm) * _scale(tm))
        except (TypeError, ValueError, IndexError):
            pass

    def _shown(self, text: str, size: float) -> None:
        self.drawn = self.drawn or (self.look.mode != 3 and bool(text.strip()))
        if self.look.mode == 3 or size < SMALLEST:
            self.found["hidden"].append(text)
        elif self._white():
            self.found["white"].append(text)

    def _white(self) -> bool:
        fill = self.look.fill
        if len(fill) == 4:  # inks
            return not any(fill)
        return min(fill) > 0.98 and (len(fill) == 3 or self.look.grey)  # one number that is no shade is an ink

    def kinds(self) -> list[tuple[str, str]]:
        """'white', 'hidden' or, where nothing of the page's text is drawn, 'ocr'; each with the text."""
        kinds = [(kind, " ".join(texts)) for kind, texts in self.found.items() if "".join(texts).strip()]
        return kinds if self.drawn else [("ocr", text) for kind, text in kinds]


def _scale(matrix: Any) -> float:
    a, b, c, d = (float(value) for value in matrix[:4])
    return math.sqrt(abs(a * d - b * c))


def read(path: str) -> dict[str, Any]:
    """`{"pages", "title", "unseen"}`, or `{"error", "values", "again"}`: a text for `wording.say`, and what is filled in."""
    try:
        from pypdf import PdfReader
        from pypdf.errors import DependencyError, PyPdfError
    except ImportError:
        return {"error": "reading PDF files needs the package pypdf: pip install pypdf", "again": True}

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
            unseen += [(number, kind, text[:200].encode("utf-8", "replace").decode()) for kind, text in watch.kinds()]
        title = str(reader.metadata.title or "") if reader.metadata else ""
        return {"pages": pages, "title": title.encode("utf-8", "replace").decode(), "unseen": unseen}
    except DependencyError:
        needs = "it is encrypted in a way that needs another package: pip install 'pypdf[crypto]', or save it without a password"
        return {"error": needs, "again": True}
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
