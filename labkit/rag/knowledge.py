"""`KnowledgeBase`: documents that can be asked, and looked into."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..backends.base import Model
from ..backends.registry import load
from ..errors import OptionError
from ..wording import count, say
from ..zoo import catalog
from . import answer, compress, index, retrieve
from .answer import Answer
from .archive import Archive
from .chunks import SIZE, Count, Passage, counter
from .documents import Document
from .grow import Growth, fill_store, grow, put, remove
from .retrieve import Hits
from .stores.base import VectorStore, Where

DEFAULT = "mini-embed"


@lru_cache(maxsize=1)
def _counter() -> Count:
    """For models without a tokenizer at hand: mini-embed's, once for all knowledge bases; an estimate where it is not shipped."""
    return counter(load(DEFAULT) if DEFAULT in catalog.names() else None)


class KnowledgeBase:
    """Documents, cut into passages and made findable by words and by meaning.

    Parameters
    ----------
    embedder : str, Model or None
        The embedding model. None finds by words alone. By default 'mini-embed', where it is shipped.
    size, overlap : int
        Tokens of a passage, and how many of them the next one repeats.
    how : {'sentences', 'recursive', 'tokens'}
        How documents are cut.
    store : VectorStore
        Where vectors are compared: by default numpy in this process; `lab.rag.stores` has Qdrant and PostgreSQL.
    path : str or Path
        A file that keeps everything from the start; by default memory, until `save`.

    Attributes
    ----------
    notice : str
        What a user should know about this knowledge base, such as that it searches by words alone; else empty.
    """

    def __init__(
        self,
        embedder: str | Model | None = DEFAULT,
        *,
        size: int = SIZE,
        overlap: int = 0,
        how: str = "sentences",
        store: VectorStore | None = None,
        path: str | Path | None = None,
        _archive: Archive | None = None,
    ) -> None:
        self._lock = threading.RLock()
        self.archive = _archive or Archive(path or ":memory:")
        self.size, self.overlap, self.how = size, overlap, how
        self.notice = ""
        self._embedder, self._checked = self._chosen(embedder), False
        self._model: Model | None = embedder if isinstance(embedder, Model) else None
        self._count: Count | None = None
        self._index = index.Index(None, store)
        self._loaded = self._placed = False

    def _chosen(self, embedder: str | Model | None) -> str | None:
        name = embedder.name if isinstance(embedder, Model) else embedder
        if name and name not in catalog.names() and Path(name).expanduser().is_file():
            return str(Path(name).expanduser().absolute())  # found again from any other folder
        if embedder == DEFAULT and DEFAULT not in catalog.names():
            self.notice = f"The embedding model {DEFAULT!r} is not shipped with this labkit, so the search goes by words alone."
            return None
        return name

    # -- making -----------------------------------------------------------------------------------------------------------------

    @classmethod
    def from_folder(cls, folder: str | Path, embedder: str | Model | None = DEFAULT, **options: Any) -> KnowledgeBase:
        """Read a folder of PDF, TXT, Markdown, JSON and JSONL files.

        Parameters
        ----------
        folder : str or Path
        embedder : str, Model or None
        **options
            As of `KnowledgeBase`; and `fields`, `only` and `progress` as of `add`.

        Examples
        --------
        >>> kb = KnowledgeBase.from_folder("data/en")  # doctest: +SKIP
        >>> kb.ask("When does the library open?", model="mini-m").text  # doctest: +SKIP
        """
        adding = {name: options.pop(name) for name in ("fields", "only", "progress") if name in options}
        kb = cls(embedder, **options)
        try:
            kb.add(folder, **adding)
        except BaseException:
            kb.close()
            raise
        return kb

    @classmethod
    def open(cls, path: str | Path, embedder: str | Model | None = "", store: VectorStore | None = None) -> KnowledgeBase:
        """Open a knowledge base that was saved; several processes may.

        Parameters
        ----------
        path : str or Path
        embedder : str, Model or None
            By default the one that it was made with; loaded when it is first needed.
        store : VectorStore
            As of `KnowledgeBase`; what is missing there is put in.

        Raises
        ------
        OptionError
            When there is no such file, it is none of labkit's, or it was made with another embedding model.
        """
        archive = Archive(path, make=False)
        known = archive.meta("embedder") or archive.meta("wanted")
        kb = cls(
            known if embedder == "" else embedder,
            size=int(archive.meta("size") or SIZE),
            overlap=int(archive.meta("overlap") or 0),
            how=archive.meta("how") or "sentences",
            store=store,
            _archive=archive,
        )
        if isinstance(embedder, Model) or (embedder and embedder != known):
            kb.embedder  # noqa: B018 - compares it with the one that made the vectors
        return kb

    def save(self, path: str | Path) -> Path:
        """Write everything to one file, and keep it up to date from now on.

        The file is written whole beside the old one and then put in its place: a kill in between leaves the old one.
        """
        target = Path(path).expanduser()
        with self._lock:
            if self.archive.path is not None and target.exists() and target.resolve() == self.archive.path.resolve():
                return target  # every change is in it already
            self._note()
            self.archive.save(target)
            self.archive.reopen(target)
        return target

    def _note(self) -> None:
        for name in ("size", "overlap", "how"):
            self.archive.put_meta(name, str(getattr(self, name)))
        if self._embedder:  # before anything is embedded, which may never come to pass
            self.archive.put_meta("wanted", self._embedder)

    def add(
        self,
        what: str | Path | Document | Iterable[Document],
        *,
        fields: Sequence[str] | None = None,
        only: str | Sequence[str] | None = None,
        progress: bool | Callable[[str, int, int], object] = False,
    ) -> Growth:
        """Add a folder, a file or documents; only what changed is read again, and what is gone from a folder is taken out.

        Parameters
        ----------
        what : str, Path, Document or iterable of Document
        fields, only
            As of `rag.documents.read`.
        progress : bool or callable
            True shows a bar; a callable gets (source, number done, total).

        Returns
        -------
        Growth
            What was added, changed, removed, unchanged and left out, with reasons.
        """
        with self._lock:
            self._note()
            if isinstance(what, Document):
                return put(self, [what])
            if not isinstance(what, str | Path):
                return put(self, list(what))
            return grow(self, what, fields, only, progress)

    def remove(self, what: str | Path) -> Growth:
        """Take out what was read from a folder or a file, also when that is no longer there; or a document by its source.

        Raises
        ------
        OptionError
            When nothing of it is here.
        """
        with self._lock:
            return remove(self, what)

    # -- asking -----------------------------------------------------------------------------------------------------------------

    def search(
        self,
        question: str,
        k: int | None = None,
        how: str = "",
        where: Where | None = None,
        threshold: float | None = None,
        sentences: int | None = None,
    ) -> Hits:
        """Find passages; see `rag.retrieve.search`. By default hybrid, or lexical where there is no embedding model.

        With `sentences`, the k passages (by default 10) are searched for at most so many sentences, which are returned instead, and
        `threshold` is compared with the best of them; see `rag.compress.compress`. Without, or with 0, whole passages are, by default 4.
        """
        k = compress.passages(k, sentences)
        how = how or ("hybrid" if self._embedder else "lexical")
        retrieve.check(question, k, how, threshold)
        if sentences is not None:
            compress.check(sentences)
        start = time.perf_counter()
        with self._lock:
            self.refresh()
            if how in ("hybrid", "vector"):
                fill_store(self)
            hits = retrieve.search(self._index, question, k, how, where, None if sentences else threshold)
            if sentences:
                hits = compress.compress(self._index, hits, sentences, threshold)
        hits.seconds = time.perf_counter() - start
        return hits

    def ask(
        self,
        question: str,
        model: str | Model,
        k: int | None = None,
        lang: str | None = None,
        *,
        how: str = "",
        where: Where | None = None,
        threshold: float | None = None,
        sentences: int | None = None,
        **options: Any,
    ) -> Answer:
        """Answer a question from the passages; where nothing relevant is found, the answer says so and no model is asked.

        Parameters
        ----------
        question : str
        model : str or Model
            A name is loaded for this one answer.
        k, how, where, threshold
            As of `search`.
        sentences : int
            Give the model so many sentences of the passages, 0 for whole passages; by default as it reads best: two or three sentences
            for the shipped models (`rag.compress.BEST`), whole passages for all others.
        lang : {'en', 'es'}
            None guesses from the question.
        **options
            As of `Model.chat`.

        Raises
        ------
        OptionError
            When the knowledge base is empty.
        """
        if not self.passages:
            raise OptionError("This knowledge base is empty.", fix='Add documents: kb.add("data/en").')
        if sentences is None:
            sentences = compress.best_for(model)
        hits = self.search(question, k, how, where, threshold, sentences)
        if isinstance(model, Model):
            return answer.ask(question, hits, model, lang, **options)
        with load(model) as loaded:
            return answer.ask(question, hits, loaded, lang, **options)

    # -- what is in it ------------------------------------------------------------------------------------------------------------

    @property
    def embedder(self) -> Model | None:
        """The embedding model, loaded when it is first needed and compared with the one that made the vectors."""
        with self._lock:
            if self._embedder is None:
                return None
            if self._model is None or self._model._closed:
                self._model = load(self._embedder)
            if not self._checked:
                self._compare(self._model)
            self._index.model = self._model
            return self._model

    def _compare(self, model: Model) -> None:
        import numpy as np

        name, known = self.archive.meta("embedder"), self.archive.meta("probe")
        if name is None:
            with self.archive.writing():
                self.archive.put_meta("embedder", self._embedder or model.name)
                self.archive.put_meta("probe", index.probe(model).astype("<f4").tobytes())
        elif (error := index.same_model(model, name, np.frombuffer(known, np.float32))) is not None:
            raise error
        self._checked = True

    @property
    def count(self) -> Count:
        """Counts the tokens of a text: as the embedding model does, else as mini-embed does, else by an estimate."""
        if self._count is None:
            model = self.embedder
            if model is not None and model.counts_fast:
                self._count = counter(model)
            else:
                self._count = _counter()
        return self._count

    @property
    def passages(self) -> dict[int, Passage]:
        """All passages, by number."""
        with self._lock:
            self.refresh()
            return self._index.passages

    @property
    def documents(self) -> list[Document]:
        """All documents, in the order of their sources."""
        return self.archive.documents()

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """Files that were left out, each with its reason."""
        return self.archive.skipped()

    @property
    def store(self) -> VectorStore:
        """Where the vectors are compared."""
        return self._index.store

    def refresh(self) -> None:
        """Take in what another process has written since; `search` does so by itself."""
        with self._lock:
            if self._loaded and not self.archive.changed_elsewhere():
                return
            self.archive.changed_elsewhere()
            now = self.archive.passages()
            gone = set(self._index.passages) - set(now)
            self._index.passages.update(now)
            if gone:
                self._index.remove(gone)
            self._index.forget_words()
            self._loaded, self._placed = True, False

    def close(self) -> None:
        """Close the file and the store; the models stay as they are."""
        with self._lock:
            self._index.store.close()
            self.archive.close()

    def __enter__(self) -> KnowledgeBase:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.passages)

    def __repr__(self) -> str:
        _, documents, passages = self.archive.counts()
        how, where = self._embedder or say("words alone"), self.archive.path or say("in memory")
        return f"<KnowledgeBase: {count(documents, 'documents')}, {count(passages, 'passages')}, {how}, {where}>"

    def _repr_html_(self) -> str:
        from .views import knowledge_html

        return knowledge_html(self)


def at(path: Path, embedder: str | None = None) -> KnowledgeBase:
    """The knowledge base that is kept in a file, made where there is none; 'none' as embedder searches by words alone."""
    wanted = None if embedder == "none" else embedder
    if path.exists():
        return KnowledgeBase.open(path, "" if embedder is None else wanted)
    return KnowledgeBase(DEFAULT if embedder is None else wanted, path=path)
