"""An embedding model with WordPiece means the same on an Ollama that knows no accents as in this process."""

from __future__ import annotations

import pytest

import labkit as lab
from labkit.backends.ollama_wordpiece import has_accents, normalized
from labkit.zoo import catalog

ALIKE = [
    "hola",
    "When does the library open?",
    "Cuándo abre la biblioteca los sábados?",
    "El niño pregunta por la pingüina que está allá, en el jardín.",
    "a | b | c = 5+3 and $4, 10 €",
]
NEARLY = ["¿Cuándo abre la biblioteca los sábados?", "¡Hola, señora!", "La «Garza» es un muelle."]  # their first mark cannot be said there


@pytest.fixture(scope="module")
def vectors(ollama_server):
    lab.OllamaServer(ollama_server.url).create("mini-embed", from_=catalog.path("mini-embed"))
    with lab.load("mini-embed") as here, lab.load(f"ollama:mini-embed@{ollama_server.url}") as there:
        yield here.embed(ALIKE + NEARLY), there.embed(ALIKE + NEARLY)


def test_accents_and_symbols_embed_as_in_this_process(vectors):
    cosines = (vectors[0] * vectors[1]).sum(axis=1)
    assert (cosines[: len(ALIKE)] > 0.999).all(), cosines
    assert (cosines[len(ALIKE) :] > 0.9).all(), cosines


@pytest.mark.parametrize(
    ("text", "accents", "read"),
    [
        ("¿Qué día?", False, "? Que dia?"),
        ("¿Qué día?", True, "? Qué día?"),
        ("x«y»…", False, 'x "y" ...'),
        ("x — y。", False, "x   y "),
        ("3+4=7", True, "3 + 4 = 7"),
        ("snake_case (a.b)", False, "snake_case (a.b)"),
        ("", False, ""),
    ],
)
def test_text_is_what_berts_normalizer_makes_of_it(text, accents, read):
    assert normalized(text, accents) == read


def test_vocabulary_with_accents_keeps_them():
    assert has_accents(["[UNK]", "▁día"])
    assert not has_accents(["[UNK]", "▁dia", "ß", "€", None, 7])
