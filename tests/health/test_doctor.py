"""The doctor, on this machine as it is and as it is made to be."""

from __future__ import annotations

import json

import pytest

import labkit as lab
from labkit.backends.ollama_words import SAFE_VERSION, older_than
from labkit.health import Check, Report
from labkit.health.checks import CHECKS, environment
from labkit.health.texts import HEADINGS, NAMES, TEXTS, UNREAD
from labkit.zoo import catalog

NOBODY = "http://127.0.0.1:9"


def named(report: Report, name: str) -> Check:
    return next(check for check in report.checks if check.name == NAMES[report.lang][name])


@pytest.mark.parametrize("lang", ["en", "es"])
def test_a_machine_that_passes_the_tests_is_healthy(lang, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", NOBODY)
    report = lab.doctor(lang)
    assert report.ok, str(report)
    assert named(report, "answer").status == "ok" and "tokens" in named(report, "answer").found
    assert named(report, "server").status == "note" and NOBODY in named(report, "server").found


@pytest.mark.parametrize(
    ("lang", "found"), [("en", "OLLAMA_HOST=myhost:abc is no address."), ("es", "OLLAMA_HOST=myhost:abc no es una dirección.")]
)
def test_an_address_that_is_none_is_one_problem(lang, found, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "myhost:abc")
    (problem,) = [check for check in lab.doctor(lang).checks if check.status == "problem"]
    assert problem.name == NAMES[lang]["server"] and problem.found == found and "127.0.0.1:11434" in problem.advice


def test_a_running_server_is_seen_with_its_version(monkeypatch, ollama_server):
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url)
    server = named(lab.doctor(), "server")
    assert server.status == "ok" and lab.OllamaServer().version() in server.found and "models: " in server.found


def test_variables_that_no_server_reads_are_named(monkeypatch):
    monkeypatch.setenv("OLLAMA_GPU", "1")
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0")
    monkeypatch.setenv("HTTP_PROXY", "http://user:geheim@proxy.example:3128")
    found = " ".join(f"{c.found} {c.advice}" for c in environment("en"))
    assert "OLLAMA_GPU " in found and "without a password" in found
    assert "proxy.example" in found and "geheim" not in found


def test_a_changed_weight_file_is_a_problem(monkeypatch, tmp_path):
    for file in catalog.WEIGHTS.glob("*.gguf"):
        (tmp_path / file.name).write_bytes(file.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(catalog, "WEIGHTS", tmp_path)
    report = lab.doctor()
    assert not report.ok and named(report, "models").status == "problem"


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def broken(lang):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("labkit.health.checks.CHECKS", (broken, *CHECKS[:1]))
    report = lab.doctor()
    assert [check.status for check in report.checks] == ["problem", "ok"] and "ZeroDivisionError: oh" in report.checks[0].found


def test_report_as_json_text_and_table():
    report = Report((Check("<b>", "note", "<script>", "`fix`"),))
    assert json.loads(report.json()) == [{"name": "<b>", "status": "note", "found": "<script>", "advice": "`fix`"}]
    assert "<script>" not in report._repr_html_() and "&lt;script&gt;" in report._repr_html_()
    assert "→ `fix`" in str(report)


def test_both_languages_say_everything():
    for texts in (HEADINGS, NAMES, TEXTS):
        assert texts["en"].keys() == texts["es"].keys()
    assert all(set(advice) == {"en", "es"} for advice in UNREAD.values())


def test_versions_are_compared_as_numbers():
    assert older_than("0.9.0", SAFE_VERSION) and older_than("0.17.1-rc0", (0, 24, 0))
    assert not any(older_than(version, SAFE_VERSION) for version in ("0.17.1-rc0", "0.24.0", "unknown"))
    assert not older_than("unknown", (999, 0, 0))


def test_another_language_is_refused():
    with pytest.raises(lab.LabError, match="'fr'"):
        lab.doctor("fr")
