from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

import labkit as lab
from labkit import settings
from labkit.errors import OptionError


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("  127.0.0.1:5000 ", "http://127.0.0.1:5000"),
        ('"localhost"', "http://localhost:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("http://example.org", "http://example.org:80"),
        ("https://example.org/ollama/", "https://example.org:443/ollama"),
        ("[::1]:7000", "http://[::1]:7000"),
        ("::1", "http://[::1]:11434"),
        ("[::]", "http://127.0.0.1:11434"),
    ],
)
def test_server_address_is_read_as_ollama_reads_it(value, url):
    assert settings.server_url(value, 11434) == url


@pytest.mark.parametrize("value", ["myhost:abc", "0.0.0.0:99999", "http://[::1"])
def test_address_that_is_none_stops_ollama_alone(value, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", value)
    assert settings.read().ollama_host == value and len(lab.models()) > 3
    with lab.load("mini-s") as model:
        assert model.chat("Hi", max_tokens=1).text
    with pytest.raises(OptionError, match=r"OLLAMA_HOST=.* is no address\. Set it like"):
        lab.load("ollama:llama3.2")
    with pytest.raises(OptionError, match="is not the address of a server"):
        lab.load(f"ollama:llama3.2@{value}")


def test_environment_is_read_when_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    monkeypatch.setenv("LABKIT_SERVERS", "http://127.0.0.1:8000/v1, http://127.0.0.1:1234/v1")
    now = settings.read()
    assert now.cache == tmp_path and now.ollama == "http://127.0.0.1:1"
    assert now.openai == ("http://127.0.0.1:8000/v1", "http://127.0.0.1:1234/v1")
    monkeypatch.delenv("LABKIT_CACHE")
    assert settings.read().cache.name == "labkit" and settings.read().cache.is_relative_to(Path.home())


def test_a_store_that_cannot_be_looked_into_is_left_alone(monkeypatch):
    # The system refuses a name of this length to root as well, who may look into any folder.
    monkeypatch.setattr(settings, "SERVICE_STORE", Path("/", "x" * 300, "models"))
    assert settings.read().ollama_store == Path.home() / ".ollama" / "models"


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LANG": "es_ES.UTF-8"}, "es"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "es_MX.UTF-8"}, "es"),
        ({"LC_MESSAGES": "es_AR"}, "es"),
        ({"LANG": "es_ES.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "et_EE.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "es_ES.UTF-8", "LABKIT_LANG": "en"}, "en"),
        ({"LANG": "C", "LABKIT_LANG": " ES"}, "es"),
    ],
)
def test_the_language_is_ours_else_the_systems(variables, language, monkeypatch):
    for name in ("LABKIT_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert settings.language() == language


def test_an_extra_is_installed_from_this_folder_for_this_python():
    command = settings.command_for("train,onnx")
    assert shlex.split(command) == [sys.executable, "-m", "pip", "install", "-e", f"{Path(__file__).parents[1]}[train,onnx]"]
