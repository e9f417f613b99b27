"""A knowledge base from files to answers, with the course's own documents and a small embedding model of random weights."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import shutil
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

import labkit as lab
from labkit.cli import main
from labkit.errors import LabError, OptionError
from labkit.rag import documents

from ..backends.synthetic import bert

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def chat():
    with lab.load("mini-m") as model:
        yield model


@pytest.fixture(scope="module")
def kb(embedder):
    with lab.KnowledgeBase.from_folder(DATA / "en", embedder) as kb:
        yield kb


@pytest.fixture
def saved(kb, embedder, tmp_path):
    """A copy of it in a file."""
    path = tmp_path / "school.kb"
    kb.archive.save(path)
    with lab.KnowledgeBase.open(path, embedder) as copy:
        yield copy


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(DATA / "en", tmp_path / "school")


def test_folder_becomes_passages_with_pages_and_places(kb):
    assert {document.kind for document in kb.documents} == {"pdf", "txt", "md", "json", "jsonl"}
    texts = {document.source: document.text for document in kb.documents}
    for passage in kb.passages.values():
        assert passage.text == texts[passage.source][passage.start : passage.end]
        assert (passage.page is None) == (not passage.source.endswith(".pdf"))
        assert 0 < passage.tokens <= kb.size
    assert kb.skipped == []


@pytest.mark.parametrize("how", ["hybrid", "vector", "lexical"])
def test_search_ranks_and_explains(kb, how):
    hits = kb.search("When does the ferry Petrel leave Brann?", k=4, how=how)
    assert [hit.rank for hit in hits] == [1, 2, 3, 4] and len({hit.id for hit in hits}) == 4
    assert all(a.score >= b.score for a, b in itertools.pairwise(hits))
    assert all(0 <= hit.relevance <= 1 for hit in hits)
    if how == "lexical":
        assert "Petrel" in hits[0].text
    wanted = {"hybrid": {"vector", "lexical"}, "vector": {"vector"}, "lexical": {"lexical"}}[how]
    assert {name for hit in hits for name in hit.parts if not name.endswith("rank")} == wanted
    assert list(hits.frame()["rank"]) == [1, 2, 3, 4]


def test_filter_and_threshold_leave_out(kb):
    hits = kb.search("boat", k=10, where={"file": "boats.json"})
    assert hits and all(hit.source.startswith("boats.json#") for hit in hits)
    assert all(hit.passage.page == 2 for hit in kb.search("course", where={"file": "handbook.pdf", "page": [2]}))
    assert kb.search("boat", where={"source": "none.pdf"}) == []
    found = kb.search("xylophone quasar", how="lexical", threshold=0.1)
    assert found == [] and "Nothing relevant" in found._repr_html_()
    strict = kb.search("When does the ferry Petrel leave Brann?", how="lexical", threshold=0.99)
    assert strict == [] and strict.below > 0


def test_filters_take_what_a_record_says(tmp_path):
    boats = [
        {"text": "alpha boat", "kind": "workboat", "open": True, "tags": ["x", "y"]},
        {"text": "beta boat", "kind": "gig", "open": False},
    ]
    (tmp_path / "boats.json").write_text(json.dumps(boats), encoding="utf-8")
    (tmp_path / "boat.txt").write_text("A boat.", encoding="utf-8")
    with lab.KnowledgeBase.from_folder(tmp_path, None) as kb:
        for where, source in (
            ({"kind": "workboat"}, "boats.json#1"),
            ({"open": True}, "boats.json#1"),
            ({"open": False}, "boats.json#2"),
            ({"tags": "y"}, "boats.json#1"),
            ({"kind": "txt"}, "boat.txt"),
        ):
            assert [hit.source for hit in kb.search("boat", where=where)] == [source], where
        assert "open: yes\ntags: x, y" in next(iter(kb.search("alpha"))).text


def test_nothing_relevant_is_an_answer_and_no_model_is_asked(kb, chat):
    before = chat.last_reply
    answer = kb.ask("xylophone quasar zebu", chat, how="lexical", threshold=0.2)
    assert answer.abstained and answer.text == lab.prompts.NO_ANSWER["en"]
    assert answer.sources == () and answer.sent is None and answer.reply is None and chat.last_reply is before
    assert "no model is asked" in answer.trace["search"].says and "reply" not in answer.trace.names()
    assert kb.ask("¿xylophone quasar zebu?", chat, how="lexical", threshold=0.2).text == lab.prompts.NO_ANSWER["es"]


def test_answer_shows_every_step_and_what_was_sent(kb, chat):
    question = "When does the ferry Petrel leave Brann?"
    answer = kb.ask(question, chat, k=3, sentences=0)
    assert answer.trace.names() == ["question", "search", "clean", "fit", "prompt", "reply", "check"]
    assert answer.trace["search"].seconds == answer.trace["search"].data["hits"].seconds > 0
    messages = answer.trace["prompt"].data["messages"]
    assert list(messages) == lab.prompts.with_passages(question, [source.text for source in answer.sources], "en")
    assert messages[0].content in answer.sent.prompt
    assert answer.trace["fit"].data["prompt_tokens"] == answer.reply.usage.prompt_tokens == chat.count_tokens(list(messages))
    assert [source.number for source in answer.sources] == [1, 2, 3] and answer.reply.text.strip() == answer.text


def test_only_what_changed_is_read_again(folder, embedder):
    (folder / "handbook.pdf").unlink()
    kb = lab.KnowledgeBase.from_folder(folder, embedder)
    count = len(kb)
    again = kb.add(folder)
    assert (again.added, again.changed, again.removed, again.passages, again.embedded) == ([], [], [], 0, 0)
    assert len(again.unchanged) == len(list(folder.iterdir()))
    (folder / "new.txt").write_text("The otter of the school is called Quillon.", encoding="utf-8")
    (folder / "history.md").unlink()
    rules = folder / "workshop_rules.txt"
    rules.write_text(rules.read_text(encoding="utf-8").replace("16:45", "16:50"), encoding="utf-8")
    grown = kb.add(folder)
    assert (grown.added, grown.changed, grown.removed) == (["new.txt"], ["workshop_rules.txt"], ["history.md"])
    assert grown.embedded == 2  # the new passage, and the one that changed
    assert kb.search("What is the otter called?", k=1, how="lexical")[0].source == "new.txt"
    assert not any(passage.source == "history.md" for passage in kb.passages.values()) and len(kb) < count
    assert kb.store.ids() == set(kb.passages)


def test_what_is_no_longer_there_is_told_and_can_be_taken_out(tmp_path):
    old, new = tmp_path / "2023", tmp_path / "2024"
    for folder, price in ((old, 5), (new, 7)):
        (folder / "more").mkdir(parents=True)
        (folder / "prices.txt").write_text(f"The entrance ticket costs {price} euros.", encoding="utf-8")
        (folder / "more" / "soup.txt").write_text(f"The soup costs {price} euros.", encoding="utf-8")
    with lab.KnowledgeBase.from_folder(old, None) as kb:
        kb.add(documents.from_string("The otter is called Quillon.", source="note"))
        kb.search("ticket")
        shutil.rmtree(old)
        with pytest.raises(OptionError, match=r"2023' is no longer there.*labkit kb remove"):
            kb.add(old)
        (note,) = kb.add(new).notes
        assert "2023 is no longer there" in note and note in str(kb.add(new)) and "no longer there" in kb.add(new)._repr_html_()
        assert sorted(kb.remove(old).removed) == ["more/soup.txt", "prices.txt"]
        assert [hit.text for hit in kb.search("entrance ticket")] == ["The entrance ticket costs 7 euros."] and kb.add(new).notes == []
        assert kb.remove(new / "more").removed == ["more/soup.txt"] and kb.remove("note").removed == ["note"]
        assert [document.source for document in kb.documents] == ["prices.txt"]
        with pytest.raises(OptionError, match=r"nothing of 'note'.*2024"):
            kb.remove("note")


def test_documents_of_the_notebook_are_taken_and_replaced(embedder):
    kb = lab.KnowledgeBase(embedder)
    with pytest.raises(OptionError, match="empty"):
        kb.ask("What?", "mini-m")
    kb.add(documents.from_string("The otter is called Quillon.", source="note"))
    kb.add(documents.from_string("The otter is called Brisk.", source="note"))
    assert [passage.text for passage in kb.passages.values()] == ["The otter is called Brisk."]
    with pytest.raises(OptionError, match="not int"):
        kb.add([3])  # type: ignore[list-item]


def test_saved_knowledge_opens_and_finds_the_same(kb, saved, embedder):
    question = "Who teaches Steam Bending?"
    path = saved.archive.path
    with lab.KnowledgeBase.open(path, embedder) as other:
        assert [(h.text, round(h.score, 9)) for h in other.search(question)] == [(h.text, round(h.score, 9)) for h in kb.search(question)]
        saved.add(documents.from_string("The otter is called Quillon.", source="note"))  # the one that was saved goes on in the file
        assert other.search("otter Quillon", how="lexical")[0].source == "note"  # and the other one sees it
        assert other.search("otter Quillon", how="vector", k=100) is not None and other.store.ids() == saved.store.ids()
    assert lab.KnowledgeBase.open(path)._embedder == embedder.name  # by its own name, loaded when it is needed


def test_what_another_process_wrote_is_seen_also_after_a_write_of_our_own(tmp_path):
    one = lab.KnowledgeBase(None, path=tmp_path / "k.kb")
    one.add(documents.from_string("Alpha opens at nine.", source="a"))
    one.search("alpha")
    with lab.KnowledgeBase.open(tmp_path / "k.kb") as two:
        two.add(documents.from_string("Beta closes at ten.", source="b"))
    one.archive.drop("", ["a"])
    assert [hit.source for hit in one.search("beta closes")] == ["b"]
    one.close()


def test_a_first_try_that_embeds_nothing_keeps_the_embedding_model(tmp_path, embedding_file, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(embedding_file, "small.gguf")
    assert main(["kb", "add", "typo", "--embedder", "small.gguf"]) == 1
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "otter.txt").write_text("The otter of the school is called Quillon.", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "notes")  # it is found from there too
    assert main(["kb", "add", ".", "--kb", "../knowledge.kb"]) == 0
    with lab.KnowledgeBase.open(tmp_path / "knowledge.kb") as kb:
        assert kb.embedder.name == str(tmp_path / "small.gguf") and "vector" in kb.search("What is the otter called?")[0].parts


def test_another_embedding_model_is_refused(saved, tmp_path):
    path = saved.archive.path
    with lab.load(bert(tmp_path / "wide.gguf", width=32)) as wide, pytest.raises(OptionError, match=r"64 numbers.*gives 32"):
        lab.KnowledgeBase.open(path, wide)
    with lab.load(bert(tmp_path / "other.gguf", seed=7)) as other, pytest.raises(OptionError, match="other vectors for the same text"):
        lab.KnowledgeBase.open(path, other)
    with lab.KnowledgeBase.open(path, None) as words_alone:
        assert words_alone.search("ferry Petrel")[0].parts.keys() == {"lexical", "lexical_rank"}
        with pytest.raises(OptionError, match="no embedding model"):
            words_alone.search("ferry", how="vector")


def test_files_that_are_none_of_ours_are_refused_and_left_alone(tmp_path, kb):
    other = tmp_path / "thesis.docx"
    other.write_bytes(b"PK not a database")
    for act in (lambda: kb.save(other), lambda: lab.KnowledgeBase.open(other)):
        with pytest.raises(LabError, match="not the file of a knowledge base"):
            act()
    assert other.read_bytes() == b"PK not a database"
    foreign = tmp_path / "customers.sqlite3"
    with contextlib.closing(sqlite3.connect(foreign)) as connection:
        connection.executescript("CREATE TABLE meta (name TEXT, value TEXT); INSERT INTO meta VALUES ('version', '1');")
    before = foreign.read_bytes()
    for act in (lambda: kb.save(foreign), lambda: lab.KnowledgeBase.open(foreign), lambda: lab.KnowledgeBase(None, path=foreign)):
        with pytest.raises(LabError, match="not the file of a knowledge base"):
            act()
    assert foreign.read_bytes() == before
    with pytest.raises(OptionError, match="There is no knowledge base"):
        lab.KnowledgeBase.open(tmp_path / "none.kb")
    with pytest.raises(OptionError, match="is a folder"):
        kb.save(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"question": "  "}, "question is empty"),
        ({"question": "\u200b"}, "question is empty"),
        ({"how": "magic"}, "no way to search"),
        ({"k": 0}, "out of range"),
        ({"threshold": 3}, "out of range"),
        ({"where": "pdf"}, "no filter"),
        ({"where": {"page": {"x": 1}}}, "compares texts"),
    ],
)
def test_searches_that_cannot_be_are_refused(kb, arguments, problem):
    with pytest.raises(OptionError, match=problem):
        kb.search(**{"question": "boat"} | arguments)


def test_without_the_shipped_embedding_model_a_notice_says_so():
    with lab.KnowledgeBase.from_folder(DATA / "en") as kb:
        shipped = "mini-embed" in lab.zoo.catalog.names()
        assert bool(kb.notice) != shipped
        assert kb.notice == "" or ("words alone" in kb.notice and kb.notice.split(",")[0][:20] in kb._repr_html_().replace("&#x27;", "'"))
        assert kb.search("ferry Petrel")[0].text


def test_command_line_measures_answers_to_own_questions(tmp_path, capsys):
    animals = ("otter", "heron", "seal", "crab", "swan")
    text = " ".join(f"The {animal} of the school is called {animal[::-1].title()}." for animal in animals)
    (tmp_path / "notes.txt").write_text(text, encoding="utf-8")
    asked = [{"question": f"What is the {a} called?", "answers": [a[::-1]], "file": "notes.txt", "quote": f"The {a} of"} for a in animals]
    asked += [{"question": question} for question in ("Where is the moon?", "Who painted the ceiling?", "Which bus goes to Mars?")]
    (tmp_path / "asked.jsonl").write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    kept = ["--kb", str(tmp_path / "a.kb")]
    assert main(["kb", "add", str(tmp_path / "notes.txt"), *kept, "--embedder", "none"]) == 0
    capsys.readouterr()
    assert main(["kb", "evaluate", str(tmp_path / "asked.jsonl"), *kept, "--csv", str(tmp_path / "rows.csv")]) == 0
    out = capsys.readouterr().out
    found = re.search(r"chosen with other questions, .* use it: --threshold (0\.\d\d)", out)
    assert "recall@2" in out and "are answered rightly" in out and found
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert list(rows["question"]) == [q["question"] for q in asked] and rows["right"].notna().sum() == 5
    assert main(["kb", "evaluate", str(tmp_path / "asked.jsonl"), *kept, "--threshold", found[1]]) == 0
    assert "chosen with" not in capsys.readouterr().out
    assert main(["kb", "ask", "Where is the moon?", *kept, "--threshold", found[1]]) == 0
    assert "The passages do not say." in capsys.readouterr().out
    assert main(["kb", "evaluate", str(tmp_path / "none.jsonl"), *kept]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_command_line_adds_asks_and_shows_where_it_is_from(tmp_path, capsys):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "otter.txt").write_text("The otter of the school is called Quillon.", encoding="utf-8")
    (tmp_path / "notes" / "broken.pdf").write_bytes(b"no pdf")
    file = str(tmp_path / "notes.kb")
    assert main(["kb", "add", str(tmp_path / "notes"), "--kb", file, "--embedder", "none"]) == 0
    out = capsys.readouterr().out
    assert "1 added, 1 skipped" in out and "left out: broken.pdf" in out
    assert main(["kb", "ask", "What is the otter called?", "--kb", file, "--trace"]) == 0
    out = capsys.readouterr().out
    assert "[1] otter.txt" in out and "of 1,024" in out.replace("1024", "1,024")
    (tmp_path / "notes" / "otter.txt").write_text(
        "The otter is Quillon. The heron is Ash. The seal is Brine. The crab is Nip.", encoding="utf-8"
    )
    assert main(["kb", "add", str(tmp_path / "notes"), "--kb", file]) == 0
    for more, read in (([], "2 sentences ("), (["--sentences", "1"], "1 sentence ("), (["--sentences", "0"], "1 passage (")):
        capsys.readouterr()
        assert main(["kb", "ask", "What is the otter called?", "--kb", file, "--trace", *more]) == 0
        assert read in capsys.readouterr().out
    assert main(["kb", "remove", str(tmp_path / "notes" / "otter.txt"), "--kb", file]) == 0
    out = capsys.readouterr().out
    assert "1 removed" in out and "0 documents" in out
    assert main(["kb", "ask", "What?", "--kb", str(tmp_path / "none.kb")]) == 1
    assert "labkit kb add" in capsys.readouterr().err
