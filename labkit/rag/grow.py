"""How a knowledge base takes documents in: file by file, each whole or not at all, and only what changed."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..errors import ContextWindowExceededError, OptionError, UnexpectedResponseError
from ..wording import say
from . import chunks, index
from .archive import FileState, key_of
from .chunks import Passage
from .documents import Document, File, Reader, Skipped, find

if TYPE_CHECKING:
    from ..backends.base import Model
    from .knowledge import KnowledgeBase
    from .stores.base import Vectors

LOOSE = ""  # the folder of documents that never were files


@dataclass
class Growth:
    """What a call of `add` or `remove` did.

    Attributes
    ----------
    added, changed, removed, unchanged : list of str
        Sources.
    skipped : list of Skipped
        What could not be read, with the reason.
    passages : int
        New ones.
    embedded : int
        Texts that were embedded; the vectors of the others were known.
    notes : list of str
        What a reader should know: kinds of files that were passed over, a folder that is no longer there.
    """

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    passages: int = 0
    embedded: int = 0
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = {name: len(getattr(self, name)) for name in ("added", "changed", "removed", "unchanged", "skipped")}
        parts = [f"{n} {say(name)}" for name, n in counts.items() if n]
        did = ", ".join(parts) or say("nothing to read")
        left = (f"  {say('left out')}: {item}" for item in self.skipped)
        return "\n".join([f"{did}; {say('{n} new passages', n=self.passages)}", *left, *(f"  {note}" for note in self.notes)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from .views import growth_html

        return growth_html(self)


def grow(
    kb: KnowledgeBase,
    path: str | Path,
    fields: Sequence[str] | None,
    only: str | Sequence[str] | None,
    progress: bool | Callable[[str, int, int], object],
) -> Growth:
    """Take in a folder or a file."""
    place = Path(path).expanduser()
    if not place.exists() and _within(place, kb.archive.places()):
        what, cause = f"{str(path)!r} is no longer there.", "What was read from it is still in this knowledge base."
        raise OptionError(what, cause, f"Take it out: kb.remove({str(path)!r}), or: labkit kb remove {path}")
    found = find(place, only)
    files, skipped = found.files, found.skipped
    root = str((place if place.is_dir() else place.parent).resolve())
    known, growth = kb.archive.files(root), Growth(skipped=list(skipped), notes=_passed_over(found.passed_over))
    tell, close = _bar(progress)
    try:
        with Reader(fields) as reader:
            for number, file in enumerate(files, 1):
                _file(kb, root, file, known, reader, growth, fields)
                tell(file.source, number, len(files))
    finally:
        close()
    if place.is_dir() and only is None:
        seen = {file.source for file in files}
        closed = [item.source for item in skipped if item.again]  # what is in there was not seen, so it may be there still
        lost = sorted(set(known) - seen)
        gone = [name for name in lost if not any(PurePosixPath(name).is_relative_to(folder) for folder in closed)]
        kb._index.remove(kb.archive.drop(root, gone))
        growth.removed += [name for name in gone if not known[name].reason]
        _note_skipped(kb, root, skipped, known)
    others = sorted({other for other, _ in kb.archive.places()} - {root, LOOSE})
    gone_folder = "{folder} is no longer there, and what was read from it still is here. To take it out: kb.remove({folder!r})"
    growth.notes += [say(gone_folder, folder=other) for other in others if not os.path.exists(other)]
    return growth


def remove(kb: KnowledgeBase, what: str | Path) -> Growth:
    """Take out what was read from a folder or a file, or a document by its source."""
    places = kb.archive.places()
    chosen = _within(Path(what), places) or [(root, path) for root, path in places if path == str(what)]
    if not chosen:
        folders = ", ".join(sorted({root or path for root, path in places})[:10])
        raise OptionError(f"This knowledge base holds nothing of {str(what)!r}.", fix=f"Name one of these, or a file in it: {folders}.")
    with kb.archive.writing():
        gone = [number for root, path in chosen for number in kb.archive.drop(root, [path])]
    kb._index.remove(gone)
    return Growth(removed=[path for _, path in chosen])


def _within(place: Path, places: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those files that are this one or lie in this folder, whether it is still there or not."""
    inside = place.expanduser().resolve()
    return [(root, path) for root, path in places if Path(root, path).is_relative_to(inside)]


def _passed_over(kinds: Counter[str]) -> list[str]:
    if not kinds:
        return []
    shown = ", ".join(f"{kind} ({n})" for kind, n in kinds.most_common(5)) + (" …" if len(kinds) > 5 else "")
    return [say("passed over: {kinds}; labkit reads PDF, TXT, Markdown, JSON and JSONL", kinds=shown)]


def _bar(progress: bool | Callable[[str, int, int], object]) -> tuple[Callable[[str, int, int], object], Callable[[], object]]:
    if callable(progress):
        return progress, lambda: None
    if not progress:
        return (lambda *_: None), lambda: None
    from tqdm.auto import tqdm

    bar = tqdm(unit="file")

    def tell(source: str, number: int, total: int) -> None:
        bar.total = total
        bar.set_postfix_str(source[-40:], refresh=False)
        bar.update(number - bar.n)

    return tell, bar.close


def _note_skipped(kb: KnowledgeBase, root: str, skipped: Iterable[Skipped], known: Mapping[str, FileState]) -> None:
    """Keep why files were left out, to be tried again; what one held before stays where another try may succeed."""
    for item in skipped:
        before = known.get(item.source)
        if not item.again or before is None or before.reason:
            gone, _ = kb.archive.replace(root, item.source, FileState(0, 0, "", item.reason), [], {})
            kb._index.remove(gone)


def _way(kb: KnowledgeBase, fields: Sequence[str] | None) -> str:
    """How files are read and cut: another way means to read them again."""
    return f"{kb.how}/{kb.size}/{kb.overlap}/{','.join(fields or ())}"


def _file(
    kb: KnowledgeBase, root: str, file: File, known: dict[str, FileState], reader: Reader, growth: Growth, fields: Sequence[str] | None
) -> None:
    before, way = known.get(file.source), _way(kb, fields)
    if before is not None and (before.size, before.changed) == (file.size, file.changed) and before.sha256.endswith(way):
        (growth.skipped.append(Skipped(file.source, before.reason)) if before.reason else growth.unchanged.append(file.source))
        return
    state = FileState(file.size, file.changed, f"{_digest(file)} {way}", "")
    if before is not None and before.sha256 == state.sha256 and not before.reason:
        kb.archive.touch(root, file.source, state)
        growth.unchanged.append(file.source)
        return
    found = reader.read(file)
    documents = [item for item in found if isinstance(item, Document)]
    skipped = [item for item in found if isinstance(item, Skipped)]
    reason = skipped[0].reason if skipped and not documents else ""
    if not any(item.again for item in skipped):
        try:
            _put(kb, root, file.source, FileState(state.size, state.changed, state.sha256, reason), documents, growth)
        except (ContextWindowExceededError, UnexpectedResponseError) as error:  # this file's fault, not the others'
            skipped.append(Skipped(file.source, str(error), again=True))
    growth.skipped += skipped
    if again := [item for item in skipped if item.again]:
        _note_skipped(kb, root, again, known)
    elif documents:
        (growth.added if before is None or before.reason else growth.changed).append(file.source)


def _digest(file: File) -> str:
    try:
        with file.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""  # reading it will say why


def put(kb: KnowledgeBase, documents: Sequence[Document]) -> Growth:
    """Take in documents that were made in the notebook; one of the same source is replaced."""
    growth = Growth()
    known = kb.archive.files(LOOSE)
    for document in documents:
        if not isinstance(document, Document):
            what = f"A knowledge base takes a folder, a file or documents, not {type(document).__name__}."
            raise OptionError(what, fix='Make one of a text: lab.rag.documents.from_string("text", source="note").')
        digest = f"{document.sha256 or hashlib.sha256(document.text.encode('utf-8', 'replace')).hexdigest()} {_way(kb, None)}"
        if document.source in known and known[document.source].sha256 == digest:
            growth.unchanged.append(document.source)
            continue
        _put(kb, LOOSE, document.source, FileState(len(document.text), 0, digest, ""), [document], growth)
        (growth.changed if document.source in known else growth.added).append(document.source)
    return growth


def _put(kb: KnowledgeBase, root: str, path: str, state: FileState, documents: Sequence[Document], growth: Growth) -> None:
    """Cut, embed, then write in one transaction, and last of all change what is in memory."""
    kb.refresh()
    model = kb.embedder
    cut = [list(chunks.cut(document, how=kb.how, size=kb.size, overlap=kb.overlap, count=kb.count)) for document in documents]
    flat = [passage for passages in cut for passage in passages]
    keys = [key_of(index.words_of(passage)) for passage in flat]
    vectors = _vectors(kb, model, flat, keys, growth) if model is not None else {}
    rest = iter(keys)
    rows = [(document, passages, [next(rest) for _ in passages]) for document, passages in zip(documents, cut, strict=True)]
    new_vectors = {key: vectors[key] for key in dict.fromkeys(keys)} if vectors else {}
    gone, new = kb.archive.replace(root, path, state, rows, new_vectors)
    growth.passages += len(new)
    kb._index.remove(gone)
    if model is None:
        kb._index.add(new)
    else:
        fill_store(kb)
        kb._index.passages.update(new)
        kb._index.put_vectors({number: vectors[key] for number, key in zip(new, keys, strict=True)})
        kb._index.forget_words()


def fill_store(kb: KnowledgeBase) -> None:
    """Make the store hold a vector for every passage and no other: also after a kill in the middle of a change."""
    model, held = kb.embedder, kb._index
    if model is None or kb._placed:
        return
    there, wanted = held.store.ids(), set(held.passages)
    if there - wanted:
        held.store.remove(there - wanted)
    if missing := sorted(wanted - there):
        known = kb.archive.vectors_of(missing)
        without = [number for number in missing if number not in known]
        if without:  # made without an embedding model, or half made
            passages = [held.passages[number] for number in without]
            vectors = index.embed(passages, model)
            kb.archive.put_vectors(without, [index.words_of(p) for p in passages], vectors)
            known.update(zip(without, vectors, strict=True))
        held.put_vectors(known)
    kb._placed = True


def _vectors(kb: KnowledgeBase, model: Model, flat: Sequence[Passage], keys: Sequence[bytes], growth: Growth) -> dict[bytes, Vectors]:
    """Key -> vector; only texts that were never embedded are."""
    import numpy as np

    known = {key: np.frombuffer(value, "<f4") for key, value in kb.archive.vectors(keys).items()}
    missing = {key: passage for key, passage in zip(keys, flat, strict=True) if key not in known}
    if missing:
        made = index.embed(list(missing.values()), model)
        known.update(zip(missing, made, strict=True))
        growth.embedded += len(missing)
    return known
