"""Typographic signs as a keyboard has them, for models that were taught those alone.

A text processor makes “Don’t…” of "Don't...". A vocabulary without these signs reads each as unknown, and an unknown token in a sentence
moves its vector further than another word would.
"""

from __future__ import annotations

_SIGNS = {
    "'": "‘’‚‛ʼ′",
    '"': "“”„‟″",
    "-": "‐‑−",
    "...": "…",
    "ff": "ﬀ",
    "fi": "ﬁ",
    "fl": "ﬂ",
    "ffi": "ﬃ",
    "ffl": "ﬄ",
}
_TYPED = str.maketrans({sign: typed for typed, signs in _SIGNS.items() for sign in signs})


def typed(text: str) -> str:
    """The text with quotes, dots, hyphens and joined letters as one types them; dashes and «» stay.

    >>> typed("“Don’t wait…”: the ﬁrst one.")
    '"Don\\'t wait...": the first one.'
    """
    return text if text.isascii() else text.translate(_TYPED)
