"""What BERT's own normalizer does to a text before WordPiece, and Ollama before 0.30 leaves out.

That Ollama lowers capitals and parts words at spaces and punctuation, but leaves accents on the letters, cuts a punctuation mark beyond
ASCII ("¿", "«", "…") into its bytes, and leaves "+" or "=" inside a word (tokenizer/wordpiece.go). A vocabulary without accents, as
most embedding models have, then knows no word with one, and none after "¿": a Spanish question loses what it asks for.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from ..typography import typed

_LIKE = str.maketrans({"¿": "? ", "¡": "! ", "«": ' "', "»": '" '})


def normalized(text: str, accents: bool) -> str:
    """The text as that Ollama must get it, so that it reads the tokens that llama.cpp reads.

    Parameters
    ----------
    text : str
    accents : bool
        Whether the vocabulary has letters with accents: then they stay.

    Returns
    -------
    str
        ASCII symbols stand apart. Punctuation beyond ASCII is put as its like in ASCII or, where there is none, left out, since Ollama
        has no way to read it: there alone the tokens differ.

    >>> normalized("¿Cuándo? 3+4", accents=False)
    '? Cuando? 3 + 4'
    """
    kept = []
    text = typed(text).translate(_LIKE)
    for sign in text if accents else unicodedata.normalize("NFD", text):
        kind = unicodedata.category(sign)
        if kind == "Mn" and not accents:
            continue
        if unreadable(sign):
            sign = " "
        elif kind[0] == "S" and sign.isascii():
            sign = f" {sign} "
        kept.append(sign)
    return "".join(kept)


def unreadable(sign: str) -> bool:
    """Whether a character is punctuation beyond ASCII, which that Ollama cuts into its bytes."""
    return not sign.isascii() and unicodedata.category(sign)[0] == "P"


def has_accents(tokens: Iterable[object]) -> bool:
    """Whether a vocabulary has letters with accents."""
    letters = {sign for token in tokens if isinstance(token, str) for sign in token if not sign.isascii()}
    return any(len(unicodedata.normalize("NFD", sign)) > 1 for sign in letters)
