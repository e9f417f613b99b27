"""Vectors in numpy, Qdrant and a real PostgreSQL: the same questions get the same passages from all of them, also after a kill."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

import numpy as np
import psutil
import pytest

import labkit as lab
from labkit.errors import OptionError, ServerNotRunningError
from labkit.rag import documents
from labkit.rag.stores import Entry, NumpyStore, PostgresStore, QdrantStore

from ..conftest import REAL
from ..servers.programs import absent

STORES = ("numpy", "qdrant-memory", "qdrant-folder", "qdrant-server", "postgres")
QUESTIONS = ("Where do people gather when the building burns?", "Who empties the red crate?", "the library opens at nine", "zzz 7")


def make(name, tmp_path, request, table="vectors"):
    if name == "numpy":
        return NumpyStore()
    if name == "postgres":
        return PostgresStore(request.getfixturevalue("postgres").get_uri(), table)
    if name == "qdrant-server":
        url = REAL.get("LABKIT_QDRANT")
        if not url:
            absent("qdrant", "no Qdrant server: LABKIT_QDRANT names none")
        return QdrantStore(url, f"labkit-test-{os.getpid()}-{table}")
    return QdrantStore(":memory:" if name == "qdrant-memory" else tmp_path / "qdrant")


def entries(count=300, width=24, seed=0, first=1):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((count, width), dtype=np.float32)
    vectors[count // 2 : count // 2 + 20] = vectors[0]  # twenty that are the same: ties
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    facts = [
        {"source": f"{n % 7}.txt", "page": n % 5, "draft": n % 3 == 0, "weight": n / 4, "tags": ["x", n % 4, n % 2 == 0], "zeros": ["\0"]}
        for n in range(count)
    ]
    return [Entry(first + n, vectors[n], facts[n]) for n in range(count)]


@pytest.fixture(params=STORES)
def store(request, tmp_path):
    store = make(request.param, tmp_path, request, f"t{abs(hash(request.node.name)) % 10**8}")
    yield store
    if request.param == "qdrant-server":
        store._client.delete_collection(store.collection)
    store.close()


FILTERS = (
    None,
    {"page": 2},
    {"page": [0, 3.0], "source": "1.txt"},
    {"draft": True},
    {"draft": 1},
    {"weight": 2.5},
    {"source": "none"},
    {"x": "y"},
    {"tags": 3},
    {"tags": [1.0, "none"]},
    {"tags": True},
    {"tags": "x"},
)


def test_all_stores_find_what_numpy_finds(store):
    items, reference = entries(), NumpyStore()
    for one in (store, reference):
        one.add(items[:150])
        one.add(items[150:])
    rng = np.random.default_rng(1)
    questions = [items[0].vector, items[7].vector, *(v / np.linalg.norm(v) for v in rng.standard_normal((6, 24)).astype(np.float32))]
    for where in FILTERS:
        for vector in questions:
            expected = reference.search(vector, 12, where)
            assert store.search(vector, 12, where) == expected, where
    assert len(reference.search(items[0].vector, 12)) == 12 and reference.search(items[0].vector, 1)[0][0] == 1  # ties by number
    assert reference.search(items[0].vector, 12, {"draft": 1}) == []


def test_vectors_are_replaced_and_taken_out(store):
    items = entries(40)
    assert store.ids() == set() and store.search(items[0].vector, 3) == []
    store.add(items)
    store.add([Entry(5, items[30].vector, {"page": 9})])
    assert {number for number, _ in store.search(items[30].vector, 2)} >= {5}
    assert store.search(items[30].vector, 3, {"page": 9}) == [(5, pytest.approx(1, abs=1e-6))]
    store.remove([5, 31, 1000])
    store.remove([])
    assert store.ids() == set(range(1, 41)) - {5, 31}
    assert 5 not in [number for number, _ in store.search(items[30].vector, 40)]


def test_vectors_of_another_length_are_refused(store):
    store.add(entries(3))
    if isinstance(store, NumpyStore):
        pytest.skip("the knowledge base compares the embedding models before it comes to that")
    with pytest.raises(OptionError, match="24 numbers, and this one has 8"):
        store.add(entries(3, width=8))
    with pytest.raises(OptionError, match="24 numbers"):
        store.search(np.ones(8, np.float32), 2)
    assert store.ids() == {1, 2, 3}


@pytest.mark.parametrize("name", STORES[1:])
def test_same_passages_from_every_store(name, request, tmp_path, school, embedder):
    store = make(name, tmp_path, request, "school")
    with lab.KnowledgeBase.open(school, embedder) as plain, lab.KnowledgeBase.open(school, embedder, store=store) as other:
        for question in QUESTIONS:
            for how in ("vector", "hybrid"):
                for where in (None, {"kind": ["txt", "md"]}):
                    expected = [(hit.id, hit.score) for hit in plain.search(question, 6, how, where)]
                    assert [(hit.id, hit.score) for hit in other.search(question, 6, how, where)] == expected
        assert other.store.ids() == set(other.passages)
        if name == "qdrant-server":
            store._client.delete_collection(store.collection)


def test_a_store_that_holds_vectors_of_an_older_file_takes_the_new_ones(tmp_path, embedder):
    notes = [documents.from_string(text, source=text[:4]) for text in ("Fire: meet at the weighbridge.", "Soup is served on Thursdays.")]
    for name, order in (("old", notes), ("new", notes[::-1])):
        with lab.KnowledgeBase(embedder, path=tmp_path / f"{name}.kb", store=QdrantStore(tmp_path / "qdrant")) as kb:
            kb.add(order)
            best = {note.source: kb.search(note.text, how="vector")[0] for note in notes}
            assert {source: hit.source for source, hit in best.items()} == {"Fire": "Fire", "Soup": "Soup"}
            assert len(kb.store.ids()) == 2
    with lab.KnowledgeBase.open(tmp_path / "old.kb", embedder, QdrantStore(tmp_path / "qdrant")) as kb:
        assert [kb.search(note.text, how="vector")[0].source for note in notes] == ["Fire", "Soup"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the one that is refused leaves a file open
def test_qdrant_folder_stays_and_serves_one_process(tmp_path):
    items = entries(30)
    first = QdrantStore(tmp_path / "q")
    first.add(items)
    with pytest.raises(OptionError, match="open in another process"):
        QdrantStore(tmp_path / "q")
    first.close()
    again = QdrantStore(tmp_path / "q")
    assert again.ids() == set(range(1, 31)) and again.search(items[3].vector, 1)[0][0] == 4
    again.close()


def test_servers_that_are_not_there_are_named_without_their_password():
    with pytest.raises(ServerNotRunningError, match=r"127\.0\.0\.1:9"):
        QdrantStore("http://127.0.0.1:9")
    with pytest.raises(ServerNotRunningError, match="does not answer") as caught:
        PostgresStore("postgresql://me:secret@127.0.0.1:9/x")
    assert "secret" not in str(caught.value)


def test_a_table_is_a_name():
    with pytest.raises(OptionError, match="no name for a table"):
        PostgresStore("postgresql://127.0.0.1:9/x", 'x"; DROP TABLE y; --')


def test_postgres_killed_in_mid_write_loses_nothing_that_was_there(postgres, school, embedder):
    store = PostgresStore(postgres.get_uri(), "killed")
    store.add(entries(50))
    with lab.KnowledgeBase.open(school, embedder, store=PostgresStore(postgres.get_uri(), "asked")) as kb:
        before = [(hit.id, hit.score) for hit in kb.search(QUESTIONS[0], how="vector")]
        errors = []

        def write():
            try:
                store.add(entries(30_000, seed=2, first=1000))
            except Exception as error:
                errors.append(error)

        writer = threading.Thread(target=write)
        writer.start()
        _wait_for_insert(postgres)
        server = psutil.Process(postgres.get_pid())
        for process in [server, *server.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        writer.join(60)
        assert len(errors) == 1 and isinstance(errors[0], ServerNotRunningError)
        with pytest.raises(ServerNotRunningError):
            kb.search(QUESTIONS[0], how="vector")
        assert kb.search(QUESTIONS[0], how="lexical")  # words need no server
        _start_again(postgres)
        assert store.ids() == set(range(1, 51))  # the batch that was cut off is not there, not even a part of it
        assert [(hit.id, hit.score) for hit in kb.search(QUESTIONS[0], how="vector")] == before
        store.add(entries(10, seed=2, first=1000))
        assert len(store.ids()) == 60
    store.close()


def _wait_for_insert(postgres):
    """Until the server is in the middle of the transaction."""
    import psycopg

    deadline = time.monotonic() + 60
    with psycopg.connect(postgres.get_uri(), autocommit=True) as watch:
        while time.monotonic() < deadline:
            found = watch.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO killed%' AND xact_start IS NOT NULL")
            if found.fetchone()[0]:
                return
            time.sleep(0.01)
    raise AssertionError("the write was not seen")


def _start_again(postgres):
    """Start it, and once more where it was still dying or took longer than the ten seconds that pgserver waits."""
    import psycopg

    deadline = time.monotonic() + 90
    while True:
        try:
            postgres.ensure_postgres_running()
            psycopg.connect(postgres.get_uri()).close()
            return
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
