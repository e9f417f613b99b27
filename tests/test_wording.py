"""What displays say: in the reader's language, and nothing without its Spanish."""

from __future__ import annotations

import ast
import string
from pathlib import Path

import pytest

import labkit
from labkit import wording
from labkit.errors import OptionError
from tests.cells import run_cell

PACKAGE = Path(labkit.__file__).parent
UNITS = ("passage", "sentence", "document", "page")


def trees() -> list[ast.AST]:
    """The modules that say something: the parsed files of the package that know of `wording`."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(PACKAGE.rglob("*.py"))]
    return [ast.parse(text) for text in texts if "wording import" in text or "wording.say" in text]


def test_every_text_that_is_said_has_its_spanish() -> None:
    calls = [node for tree in trees() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [call for call in calls if getattr(call.func, "id", getattr(call.func, "attr", "")) in ("say", "_note") and call.args]
    said = {call.args[0].value for call in named if isinstance(call.args[0], ast.Constant)}
    assert len(said) > 60
    assert said <= set(wording.SPANISH)


def test_no_spanish_is_left_over() -> None:
    texts = {node.value for tree in trees() for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    counted = {f"1 {unit}" for unit in UNITS} | {f"{{n}} {unit}s" for unit in UNITS}
    assert set(wording.SPANISH) - texts - counted == set()


def slots(text: str) -> set[tuple[str | None, str | None]]:
    return {(name, spec) for _, name, spec, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("english", wording.SPANISH)
def test_both_languages_fill_in_the_same(english: str) -> None:
    assert slots(english) == slots(wording.SPANISH[english])


def test_a_caller_may_say_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_LANG", "es")
    assert (wording.chosen(None), wording.chosen("en")) == ("es", "en")
    assert (wording.say("memory"), wording.say("memory", "en")) == ("memoria", "memory")
    with pytest.raises(OptionError, match="no es un idioma"):
        wording.chosen("fr")


@pytest.mark.parametrize(("cell", "said"), [("lang = 'es'", "nombre"), ("lang = 'en'", "name"), ("lang = 3", "nombre"), ("", "nombre")])
def test_a_notebook_says_the_language_first(cell: str, said: str) -> None:
    code = f"{cell}\nimport labkit as lab\nprint(str(lab.models()).split()[0])"
    done = run_cell(code, lang="es")
    assert done.stdout.split()[-1:] == [said], done.stderr


def test_counts_know_one() -> None:
    for unit in UNITS:
        for lang in ("en", "es"):
            assert wording.count(1, f"{unit}s", lang).startswith("1 ")
            assert wording.count(2, f"{unit}s", lang).startswith("2 ")
    assert wording.count(1, "documents", "es") == "1 documento"


def test_why_a_file_is_left_out_is_said_in_both_languages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "empty.txt": b"",
        "zeros.txt": b"a\0b" * 9,
        "controls.txt": bytes(range(1, 9)) * 9,
        "half.txt": b"\xff\xfea",
        "broken.json": b'{"a": ',
        "nothing.json": b"[]",
        "none.jsonl": b"no\nno\n",
        "no.pdf": b"%PDF-1.4 and no more",
        "deep.json": b"[" * 100_000,
        "old.txt": "año".encode("cp1252"),
        "hidden.txt": "a\u200bb".encode(),
        "lines.jsonl": b'{"a": "one"}\nno\n',
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    said = []
    for lang in ("en", "es"):
        monkeypatch.setenv("LABKIT_LANG", lang)
        found = labkit.rag.documents.read(tmp_path)
        said.append({item.source: item.reason for item in found.skipped} | {d.source: d.notes[0] for d in found})
    assert len(said[0]) == len(said[1]) == len(files)
    assert [name for name in said[0] if said[0][name] == said[1].get(name)] == []
