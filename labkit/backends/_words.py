"""Between text and tokens: what an engine's vocabulary is asked, while nobody may take it away."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Iterator
from typing import Any

from ..errors import ModelClosedError
from ._aside import run_aside

LONG_TEXT = 1024  # characters from which a text is tokenized on a large stack
SLICE = 200_000  # characters that go through the tokenizer at once, so that even that stack is enough
UNKNOWN, CONTROL = 1 << 0, 1 << 3  # LLAMA_TOKEN_ATTR_...
MARKS = ("<think>", "</think>", "<tool_call>", "</tool_call>")  # control tokens whose text is part of the reply's form


class Words:
    """The vocabulary of a loaded model. Many threads may read it at once with others that compute; closing waits for them.

    Attributes
    ----------
    vocab : pointer
        llama.cpp's own.
    vocabulary : int
        How many tokens there are.
    """

    lib: Any
    vocab: Any
    vocabulary: int

    def __init__(self) -> None:
        self.pieces: dict[int, bytes | None] = {}
        self._longest = 0
        self._lock = threading.RLock()

    @property
    def closed(self) -> bool:
        """Whether the model was given back."""
        raise NotImplementedError

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Keep the model from being given back meanwhile."""
        with self._lock:
            if self.closed:
                raise ModelClosedError("The model was closed meanwhile.", fix="Load it again.")
            yield

    def tokenize(self, text: str, special: bool, add: bool = False) -> list[int]:
        """Ids of a text. `special`: read the names of control tokens as such; `add`: put in front and behind what the model wants."""
        if len(text) > SLICE:
            first, *rest = slices(text, SLICE)
            return self.tokenize(first, special, add) + [token for part in rest for token in self.tokenize(part, special)]
        with self.reading():
            if len(text) > LONG_TEXT:
                return run_aside(lambda: self._tokenize(text, special, add))
            return self._tokenize(text, special, add)

    def count(self, text: str) -> int:
        """About how many tokens a text of any length has: counted in slices, since some tokenizers take time with the square of it."""
        return sum(len(self.tokenize(part, special=False)) for part in slices(text, 16_000))

    def _tokenize(self, text: str, special: bool, add: bool) -> list[int]:
        data = text.encode("utf-8")
        size = len(data) + 8
        while True:
            ids = (ctypes.c_int32 * size)()
            count = self.lib.llama_tokenize(self.vocab, data, len(data), ids, size, add, special)
            if count >= 0:
                return ids[:count]
            size = -count

    def piece(self, token: int) -> bytes | None:
        """The bytes of a token; None for one that ends the reply."""
        if token in self.pieces:
            return self.pieces[token]
        lib, vocab = self.lib, self.vocab
        found: bytes | None = None
        with self.reading():
            if not lib.llama_vocab_is_eog(vocab, token):
                shown = not lib.llama_vocab_get_attr(vocab, token) & CONTROL or self.name_of(token) in MARKS
                found = self._piece(token, True) if shown else b""
        self.pieces[token] = found
        return found

    def _piece(self, token: int, special: bool) -> bytes:
        size = 64
        while True:
            out = ctypes.create_string_buffer(size)
            count = self.lib.llama_token_to_piece(self.vocab, token, out, size, 0, special)
            if count >= 0:
                return out.raw[:count]
            size = -count

    def name_of(self, token: int) -> str:
        """What a token is called in the vocabulary; '' for none."""
        with self.reading():
            return self._piece(token, True).decode("utf-8", "replace") if 0 <= token < self.vocabulary else ""

    def special(self, name: str) -> str:
        """The text of the token that templates call 'bos_token' or 'eos_token'; '' where there is none."""
        with self.reading():
            token = {"bos_token": self.lib.llama_vocab_bos, "eos_token": self.lib.llama_vocab_eos}[name](self.vocab)
            return self.name_of(token)

    @property
    def adds_bos(self) -> bool:
        """Whether the tokenizer itself puts the first token in front."""
        with self.reading():
            return bool(self.lib.llama_vocab_get_add_bos(self.vocab))

    @property
    def longest(self) -> int:
        """Bytes of the longest token."""
        if not self._longest:
            text, vocab = self.lib.llama_vocab_get_text, self.vocab
            with self.reading():
                self._longest = max((len(text(vocab, token) or b"") for token in range(self.vocabulary)), default=1)
        return self._longest

    def is_control(self, token: int) -> bool:
        """Whether a token steers the model and is no text."""
        with self.reading():
            return bool(self.lib.llama_vocab_get_attr(self.vocab, token) & (CONTROL | UNKNOWN))

    def steering(self, text: str) -> set[str]:
        """Names of control tokens that stand in a text and would be read as such; one character is no name."""
        special = self.tokenize(text, special=True)
        if special == self.tokenize(text, special=False):
            return set()
        return {name for name in map(self.name_of, set(filter(self.is_control, special))) if len(name) > 1}


def slices(text: str, size: int) -> Iterator[str]:
    """A text in pieces of about that many characters, cut before a space where there is one."""
    start = 0
    while len(text) - start > size:
        end = text.rfind(" ", start + size // 2, start + size)
        end = end if end > 0 else start + size
        yield text[start:end]
        start = end
    yield text[start:]
