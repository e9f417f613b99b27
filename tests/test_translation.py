"""Errors in Spanish: whatever the package can raise has its Spanish, and a Spanish reader reads it."""

from __future__ import annotations

import re
import string

import pytest

import labkit as lab
from labkit import errors, translation
from tests.cells import run_cell
from tests.messages import ANY, messages

PAIRS = translation.pairs()
SAID = messages()
PATTERNS = [(translation._pattern(english), english) for english in sorted(PAIRS, key=translation._words, reverse=True)]


def english_of(text: str) -> str | None:
    """The English of the table that this text takes."""
    return next((english for pattern, english in PATTERNS if pattern.fullmatch(text)), None)


def parts_of(text: str) -> dict[str, str]:
    """What stands in the places of its English, by name."""
    return translation._pattern(english_of(text)).fullmatch(text).groupdict() if english_of(text) else {}


def used(text: str) -> set[str]:
    """The English of the table for a text and for what it holds."""
    return {english_of(text)}.union(*(used(value) for value in parts_of(text).values())) if text != ANY else set()


def test_whatever_an_error_can_say_has_its_spanish():
    assert len(SAID) > 600
    assert {text.replace(ANY, "…"): place for text, place in SAID.items() if english_of(text) is None} == {}, (
        "add them to labkit/errors.es.toml"
    )


def test_no_spanish_is_left_over():
    assert set(PAIRS) - set().union(*map(used, SAID)) == set()


def test_no_english_is_left_within_the_spanish():
    """What an error puts into its text has its Spanish too, unless it is the name of something."""
    left = {}
    for text, place in SAID.items():
        for name, value in parts_of(text).items():
            if re.search(r"[a-z]{3}", value) and not value.isidentifier() and translation.spanish(value) == value:
                left[place] = (name, value)
    assert left == {}


@pytest.mark.parametrize("english", PAIRS)
def test_both_languages_name_the_same(english):
    names = [sorted(name for _, name, *_ in string.Formatter().parse(text) if name) for text in (english, PAIRS[english])]
    assert names[0] == names[1] and len(set(names[0])) == len(names[0])


def test_an_error_reads_spanish_to_a_spanish_reader(monkeypatch):
    monkeypatch.setenv("LABKIT_LANG", "es")
    with pytest.raises(errors.ModelNotFoundError) as caught:
        lab.load("mini-n")
    said = str(caught.value)
    assert said.startswith("No hay ningún modelo 'mini-n'.")
    assert caught.value.what == "There is no model 'mini-n'."  # for programs, as it was raised


def test_a_value_within_a_text_is_rendered_too(tmp_path):
    (tmp_path / "none.gguf").write_bytes(b"")
    with pytest.raises(errors.BadModelFileError) as caught:
        lab.load(str(tmp_path / "none.gguf"))
    assert caught.value.parts("en")[0] == "none.gguf cannot be read: it is empty."
    assert caught.value.parts("es") == [
        "No se puede leer none.gguf: está vacío.",
        "La descarga falló.",
        "Consíguelo de nuevo de donde vino.",
    ]


def test_a_number_within_a_text_is_written_as_in_spanish():
    assert translation.spanish("The prompt has 4,011 tokens and does not fit the context window.").count("4\u202f011") == 1
    assert translation.spanish("1,5") == "1,5"


@pytest.mark.parametrize("text", ["", "Something new.", "a: b", "{curly} {0}", "x" * 100_000, "=" * 5000, ": " * 2000, "no existe\nnada"])
def test_what_is_not_known_stays_as_it_is(text):
    assert translation.spanish(text) == text


def test_texts_of_others_pass_through_unchanged():
    error = errors.BackendError("No server answers at http://h ([Errno 111] Connection refused).", "{not} a field", "Try {0}.")
    assert error.parts("es")[1:] == ["{not} a field", "Try {0}."]


def test_a_traceback_in_a_spanish_notebook_is_spanish():
    code = "lang = 'es'\nimport labkit as lab\nlab.load('mini-m').chat('hola', temperature=-1)"
    done = run_cell(code, lang="en")
    assert "OptionError: temperature=-1 está fuera de rango. Es un número" in done.stdout + done.stderr
