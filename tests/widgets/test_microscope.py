"""The RAG microscope: the steps of an answer as `kb.ask` makes them, shown one below the other."""

from __future__ import annotations

from pathlib import Path

import pytest

import labkit as lab
from labkit.chat import Options
from labkit.errors import OptionError

from ..servers.misbehaving import drips, sends, stalls
from .helpers import NDJSON, PAYLOAD, click, done, enter, ollama_line, shown

DATA = Path(__file__).parents[2] / "data"
QUESTION = {"en": "When does the workshop open?", "es": "¿Cuándo abre el taller?"}


@pytest.fixture(scope="module")
def model():
    with lab.load("mini-m") as model:
        yield model


@pytest.fixture(scope="module")
def kb():
    with lab.KnowledgeBase.from_folder(DATA / "en", None) as kb:
        yield kb


@pytest.fixture
def scope(kb, model):
    return lab.widgets.microscope(kb, model, QUESTION["en"], max_tokens=40)


def test_it_answers_as_the_knowledge_base_does(scope, kb, model):
    click(scope.ask_button)
    done(scope)
    direct = kb.ask(QUESTION["en"], model, max_tokens=40)
    assert scope.answer.text == direct.text and scope.answer.checks == direct.checks and scope.answer.sources == direct.sources
    assert scope.answer.trace.names() == direct.trace.names()
    for hit in direct.trace["search"].data["hits"]:
        assert f"[{hit.rank}]" in scope.found.value and lab.rag.hidden.visible(hit.text)[:40] in scope.text
    assert str(direct.trace["fit"].data["prompt_tokens"]) in scope.fitted.value
    for one in direct.checks:
        assert ("✓" if one.supported else "✗") in scope.said.value and one.sentence in scope.text


def test_enter_answers_and_search_alone_asks_nobody(scope):
    click(scope.search_button)
    assert done(scope).hits and scope.answer is None and "Passages found" in scope.status.value
    enter(scope.question, "What is forbidden in the workshop?")
    assert done(scope).answer.question == "What is forbidden in the workshop?" and "tokens" in scope.status.value
    scope.sent_button.value = True
    assert "temperature" in scope._sent.value


def test_controls_search_again(scope):
    assert scope.sentences.value == 2  # as mini-m reads best
    scope.sentences.value, scope.k.value = 0, 4
    click(scope.search_button)
    assert len(done(scope).hits) == 4
    scope.k.value = 2
    assert len(done(scope).hits) == 2 and scope.found.value.count("lk-passage-") == 2
    scope.threshold.value = 1.0
    done(scope)
    assert scope.hits.below and "below the least relevance" in scope.found.value
    assert [way for _, way in scope.how.options] == ["lexical"]  # there is no embedding model here


def test_sentences_take_the_place_of_passages(scope, kb, model):
    scope.sentences.value = 2
    click(scope.ask_button)
    direct = kb.ask(QUESTION["en"], model, sentences=2, max_tokens=40)
    assert done(scope).answer.text == direct.text and scope.answer.sources == direct.sources and len(scope.hits) == 2
    assert "words in common" in scope.found.value and scope.found.value.count("lk-passage-") == 2
    scope.sentences.value, scope.k.value = 0, 4
    assert len(done(scope).hits) == 4
    assert lab.widgets.microscope(kb, model, sentences=3).sentences.value == 3
    for wrong in (-1, 11, True, "2"):
        with pytest.raises(OptionError, match="sentences="):
            lab.widgets.microscope(kb, model, sentences=wrong)


def test_nothing_relevant_asks_no_model(scope):
    scope.threshold.value = 1.0
    enter(scope.question, "xylophone zebra quixotic")
    assert done(scope).answer.reply is None and "no model is asked" in scope.status.value and "no model is asked" in scope.text


def test_what_does_not_fit_is_named(kb):
    with lab.load("mini-m", context_window=448) as small:
        scope = lab.widgets.microscope(kb, small, QUESTION["en"], k=10, sentences=0, max_tokens=32)
        click(scope.ask_button)
        left = done(scope).answer.trace["fit"].data["left_out"]
        assert left and "does not fit" in scope.found.value and f"[{left[0].rank}]" in scope.fitted.value
        assert f"lk-passage-{left[0].rank}'" not in scope.found.value


def test_sentences_are_tied_to_passages(kb, misbehaving_server):
    lines = ollama_line("The workshop is on the moon 77 [1]. Nobody knows [9]. Something else."), ollama_line("", done=True)
    misbehaving_server.faults["/api/chat"] = sends(NDJSON, *lines, b"0\r\n\r\n")
    scope = lab.widgets.microscope(kb, f"ollama:good@{misbehaving_server.url}", QUESTION["en"])
    click(scope.ask_button)
    done(scope)
    assert "lk-cites-1" in scope.said.value and "which does not say" in scope.said.value and "77" in scope.said.value
    assert "there is no such passage" in scope.said.value and "cites no passage" in scope.said.value
    assert all(f".lk-cites-{n}:hover) .lk-passage-{n}" in scope.children[0].value for n in range(1, 11))


def test_text_arrives_and_stop_keeps_it(kb, misbehaving_server):
    misbehaving_server.faults["/api/chat"] = drips(NDJSON, ollama_line("word "), 0.02)
    scope = lab.widgets.microscope(kb, f"ollama:good@{misbehaving_server.url}", QUESTION["en"])
    seen = []
    scope.said.observe(lambda change: seen.append(change.new), "value")
    click(scope.ask_button)
    while not any("word word" in text for text in seen):
        assert not scope.wait(0.05)
    click(scope.stop_button)
    assert done(scope).answer.reply.finish_reason == "cancelled" and scope.answer.text.startswith("word word")


def test_errors_stand_in_place(kb, misbehaving_server, scope):
    dead = lab.widgets.microscope(kb, "ollama:good@http://127.0.0.1:9", QUESTION["en"])
    click(dead.ask_button)
    assert "127.0.0.1:9" in done(dead).status.value and dead.hits and not dead.ask_button.disabled  # what was found stays
    misbehaving_server.faults["/api/chat"] = stalls(NDJSON, ollama_line("half "))
    slow = lab.widgets.microscope(kb, f"ollama:good@{misbehaving_server.url}", QUESTION["en"], timeout=0.5)
    click(slow.ask_button)
    assert "not complete after 0.5 s" in done(slow).status.value and "half" in slow.said.value
    enter(scope.question, " ")
    assert "Ask about the documents" in scope.status.value
    with lab.KnowledgeBase(None) as empty:
        bare = lab.widgets.microscope(empty, "mini-m", QUESTION["en"])
        click(bare.ask_button)
        assert "knowledge base is empty" in done(bare).status.value


def test_whatever_was_said_is_escaped(misbehaving_server, tmp_path):
    (tmp_path / "evil.txt").write_text(f"The workshop {PAYLOAD} opens at nine.\n", encoding="utf-8")
    lines = ollama_line(f"It opens at nine {PAYLOAD} [1]."), ollama_line("", done=True)
    misbehaving_server.faults["/api/chat"] = sends(NDJSON, *lines, b"0\r\n\r\n")
    with lab.KnowledgeBase.from_folder(tmp_path, None) as kb:
        scope = lab.widgets.microscope(kb, f"ollama:good@{misbehaving_server.url}", f"When does the workshop open? {PAYLOAD}")
        scope.twin_button.value = scope.sent_button.value = True
        click(scope.ask_button)
        done(scope)
    markup = [scope.found.value, scope.fitted.value, scope.said.value, scope._sent.value, scope._twin.value]
    assert not any("<img" in text or "<script" in text for text in [*markup, scope._repr_mimebundle_()["text/html"]])
    assert "&lt;img" in scope.said.value and "&lt;img" in scope.found.value


def test_spanish_says_everything_in_spanish(model):
    with lab.KnowledgeBase.from_folder(DATA / "es", None) as kb:
        scope = lab.widgets.microscope(kb, model, QUESTION["es"], lang="es", max_tokens=30)
        click(scope.ask_button)
        done(scope)
        text = shown(scope) + scope.text
        assert scope.answer.lang == "es" and "Pasajes" in text and "relevancia" in text
        assert not any(word in text for word in ("Passages", "held up", "cites no passage", "Question", "kept for"))
        assert all(control.description for control in (scope.question, scope.how, scope.k, scope.threshold, scope.ask_button))


def test_arguments(kb, model):
    assert lab.widgets.microscope(str(DATA / "en"), model, options=Options(max_tokens=5)).kb.documents
    for wrong in ({"k": 0}, {"k": 11}, {"lang": "fr"}, {"temprature": 1}):
        with pytest.raises(OptionError):
            lab.widgets.microscope(kb, model, **wrong)
