"""`load` and `models`: from names to models."""

from __future__ import annotations

import json
import shutil

import pytest

import labkit as lab
from labkit.backends import listing
from labkit.backends.listing import Models
from labkit.zoo import catalog

from ..servers.misbehaving import SHOW, response, sends

NOBODY = "http://127.0.0.1:9"


def test_a_near_miss_names_the_model_meant():
    with pytest.raises(lab.errors.ModelNotFoundError, match="Did you mean 'mini-m'"):
        lab.load("mni-m")


@pytest.mark.parametrize("name", ["", "   "])
def test_an_empty_name_shows_the_forms(name):
    with pytest.raises(lab.errors.OptionError, match="openai:NAME@"):
        lab.load(name)


@pytest.mark.parametrize("address", ["http://h:abc/v1", "h:99999", "http://[::1"])
def test_an_address_that_is_none_is_said_and_hides_no_other_model(address, monkeypatch):
    with pytest.raises(lab.errors.OptionError, match="is not the address of a server"):
        lab.load(f"openai:m@{address}")
    monkeypatch.setenv("LABKIT_SERVERS", address)
    notes = {info.name: info.note for info in lab.models()}
    assert "mini-m" in notes and "is not the address" in notes[f"openai:@{address}"]


@pytest.mark.parametrize("name", ["nowhere/model.gguf", "a" * 300, "~nobody-here/model.gguf", "a\0b"])
def test_a_file_that_is_not_there_is_not_found(name):
    with pytest.raises(lab.errors.ModelNotFoundError):
        lab.load(name)


@pytest.mark.parametrize(
    ("option", "fix"),
    [
        ({"n_ctx": 512}, "Did you mean 'context_window'?"),
        ({"thread": 2}, "Did you mean 'threads'?"),
        ({"temperature": 0}, "Give it to chat(): chat(..., temperature=0)."),
    ],
)
def test_an_option_that_is_none_of_loading_says_what_to_write(option, fix):
    with pytest.raises(lab.errors.OptionError) as caught:
        lab.load("mini-s", **option)
    assert caught.value.fix == fix


@pytest.mark.parametrize("limit", ["1GB", float("nan"), -1])
def test_a_memory_limit_that_is_none_is_refused(limit):
    with pytest.raises(lab.errors.OptionError, match="memory_limit"):
        lab.load("mini-s", memory_limit=limit)


def test_no_memory_limit_can_be_said():
    lab.load("mini-s", memory_limit=float("inf")).close()


def test_the_key_goes_to_servers_that_the_user_named_only(monkeypatch, misbehaving_server):
    monkeypatch.setenv("LABKIT_API_KEY", "sk-geheim")
    monkeypatch.setattr(listing, "WELL_KNOWN", (f"{misbehaving_server.url}/v1",))
    assert any(info.name == f"openai:good@{misbehaving_server.url}/v1" for info in lab.models())
    assert "authorization" not in misbehaving_server.calls[-1].headers
    monkeypatch.setenv("LABKIT_SERVERS", f"{misbehaving_server.url}/v1")
    lab.models()
    assert misbehaving_server.calls[-1].headers["authorization"] == "Bearer sk-geheim"


def test_an_address_with_a_password_is_a_line_of_the_list_without_it(monkeypatch):
    monkeypatch.setenv("LABKIT_SERVERS", "http://user:geheim@127.0.0.1:9/v1")
    found = {info.name: info.note for info in lab.models()}
    assert "password" in found["openai:@127.0.0.1:9/v1"] and "geheim" not in str(found)


def test_a_path_loads_as_well_as_a_name(tmp_path):
    copy = tmp_path / "ñandú model.gguf"
    shutil.copy(catalog.path("mini-m"), copy)
    with lab.load("mini-m") as named, lab.load(copy) as by_path:
        assert named.chat("Hello", temperature=0).text == by_path.chat("Hello", temperature=0).text
        assert named.name == "mini-m"


def test_a_changed_shipped_file_is_refused(monkeypatch, tmp_path):
    content = catalog.path("mini-m").read_bytes()
    (tmp_path / "mini-m.gguf").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    monkeypatch.setattr(catalog, "WEIGHTS", tmp_path)
    with pytest.raises(lab.errors.BadModelFileError):
        lab.load("mini-m")


def test_models_lists_shipped_files_and_servers(monkeypatch, tmp_path, ollama_server):
    shutil.copy(catalog.path("mini-m"), tmp_path / "own.gguf")
    (tmp_path / "broken.gguf").write_bytes(b"GGUF but no more")
    monkeypatch.setenv("LABKIT_MODELS", str(tmp_path))
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url)
    monkeypatch.setenv("LABKIT_SERVERS", f"{ollama_server.url}/v1,{NOBODY}/v1")
    found = {info.name: info for info in lab.models()}
    shipped = found["mini-m"]
    assert shipped.fits and shipped.memory > shipped.size > 1_000_000 and shipped.context_window and shipped.kind == "chat"
    assert found[str(tmp_path / "own.gguf")].parameters == shipped.parameters
    assert found[str(tmp_path / "broken.gguf")].note
    assert found["ollama:mini-m"].engine == "Ollama"
    assert f"openai:mini-m:latest@{ollama_server.url}/v1" in found
    assert "9" in found[f"openai:@{NOBODY}/v1"].note, "a server that was asked for and is silent is named"


def test_ollama_model_that_cannot_be_described_hides_no_other(misbehaving_server, monkeypatch):
    answers = iter([response('{"error": "blob is damaged"}', 500), response(json.dumps(SHOW))])
    tags = {"models": [{"name": name, "size": 1} for name in ("bad:latest", "good:latest")]}
    misbehaving_server.faults |= {
        "/api/tags": sends(response(json.dumps(tags))),
        "/api/show": lambda connection, over: connection.sendall(next(answers)),
    }
    monkeypatch.setenv("OLLAMA_HOST", misbehaving_server.url)
    notes = {info.name: info.note for info in lab.models() if info.engine == "Ollama"}
    assert list(notes) == ["ollama:bad", "ollama:good"] and "blob is damaged" in notes["ollama:bad"] and not notes["ollama:good"]


def test_models_shows_itself_as_table_text_and_frame(monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", NOBODY)
    found = lab.models()
    assert isinstance(found, Models)
    assert "<table" in found._repr_html_() and "mini-m" in str(found)
    assert list(found.frame().name) == [info.name for info in found]
