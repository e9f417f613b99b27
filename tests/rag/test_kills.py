"""kill -9 while indexing and while saving: the knowledge base opens, and nothing that was there is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import labkit as lab
from labkit.rag import documents

WRITER = """
import sys
import labkit as lab
from labkit.rag import documents
path, embedder = sys.argv[1], lab.load(sys.argv[2])
kb = lab.KnowledgeBase.open(path, embedder)
print("ready", flush=True)
for number in range(10_000):
    text = " ".join(f"Sentence {part} of note {number} says {part * number}." for part in range(30))
    kb.add(documents.from_string(text, source=f"note-{number}"))
    print(number, flush=True)
"""
SAVER = """
import sys
import labkit as lab
from labkit.rag import documents
kb = lab.KnowledgeBase(None)
kb.add([documents.from_string("word " * 800 + str(n), source=f"big-{n}") for n in range(60)])
print("ready", flush=True)
for number in range(10_000):
    kb.archive.save(sys.argv[1])
    print(number, flush=True)
"""


@pytest.fixture
def there(tmp_path, embedder):
    """A knowledge base with three documents, and what a search in it finds."""
    path = tmp_path / "school.kb"
    with lab.KnowledgeBase(embedder, path=path) as kb:
        kb.add([documents.from_string(f"The otter number {n} is called Quillon {n}.", source=f"otter-{n}") for n in range(3)])
    return path


def killed(script: str, arguments: list[str], after: int, delay: float) -> None:
    """Run a script, wait until it has done so many steps and a little longer, then kill -9."""
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            for _ in range(after):
                assert process.stdout.readline()
            time.sleep(delay)
        finally:
            process.send_signal(signal.SIGKILL) if os.name == "posix" else process.kill()


@pytest.mark.parametrize(("after", "delay"), [(0, 0.0), (1, 0.003), (4, 0.02)])
def test_killed_while_indexing(there, embedder, embedding_file, after, delay):
    killed(WRITER, [str(there), str(embedding_file)], after, delay)
    with lab.KnowledgeBase.open(there, embedder) as kb:
        sources = {document.source for document in kb.documents}
        assert {"otter-0", "otter-1", "otter-2"} <= sources and {f"note-{n}" for n in range(after)} <= sources
        by_source: dict[str, str] = {}
        for passage in kb.passages.values():
            by_source[passage.source] = by_source.get(passage.source, "") + passage.text.strip() + " "
        for document in kb.documents:  # each document is there whole, with a vector for every passage, or not at all
            assert by_source[document.source].split() == document.text.split()
        assert set(kb.archive.vectors_of()) == set(kb.passages)
        assert kb.search("otter 1 Quillon", k=1, how="lexical")[0].source == "otter-1"
        assert len(kb.search("otter Quillon", how="vector")) >= 3
        assert kb.add(documents.from_string("Sentence after the kill.", source="after")).added == ["after"]  # no lock was left


@pytest.mark.parametrize(("after", "delay"), [(0, 0.01), (2, 0.005)])
def test_killed_while_saving(there, embedder, after, delay):
    before = there.read_bytes()
    killed(SAVER, [str(there)], after, delay)
    with lab.KnowledgeBase.open(there, None) as kb:
        sources = {document.source for document in kb.documents}
        old, new = {f"otter-{n}" for n in range(3)}, {f"big-{n}" for n in range(60)}
        assert sources in (old, new) and (after == 0 or sources == new)  # one or the other, whole
        assert len({passage.source for passage in kb.passages.values()}) == len(sources)
    assert after or there.read_bytes() == before or sources == new
    kb = lab.KnowledgeBase(None)
    kb.add(documents.from_string("The next save works.", source="next"))
    kb.save(there)
    assert [document.source for document in lab.KnowledgeBase.open(there, None).documents] == ["next"]


def test_killed_while_reading_a_folder_goes_on_where_it_was(tmp_path, embedder, embedding_file):
    folder, path = tmp_path / "notes", tmp_path / "notes.kb"
    folder.mkdir()
    for n in range(60):
        text = " ".join(f"Sentence {part} of file {n} says {part * n}." for part in range(20))
        (folder / f"{n:02}.txt").write_text(text, encoding="utf-8")
    script = (
        "import sys, labkit as lab\n"
        "kb = lab.KnowledgeBase(lab.load(sys.argv[2]), path=sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "kb.add(sys.argv[3], progress=lambda source, done, total: print(done, flush=True))\n"
    )
    killed(script, [str(path), str(embedding_file), str(folder)], after=5, delay=0.005)
    with lab.KnowledgeBase.open(path, embedder) as kb:
        done = len(kb.documents)
        assert 5 <= done < 60
        grown = kb.add(folder)
        assert len(grown.unchanged) == done and len(grown.added) == 60 - done  # what was done is not done again
        assert len(kb.documents) == 60 and kb.store.ids() == set(kb.passages)
