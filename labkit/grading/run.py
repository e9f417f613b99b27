"""`labkit grade`: grade a folder of submissions, many at once, and go on where a run was interrupted."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from .. import settings
from ..errors import ExerciseError, LabError, MissingDependencyError
from .judges import Judges
from .source import KIT, Source, read_text, sources
from .submission import begun, language_of, number_of


@dataclass(frozen=True)
class Handed:
    """One file that was handed in.

    Attributes
    ----------
    student : str
        The folder below SUBMISSIONS, or the file name without the exercise's number.
    exercise : str
        '01'; '' where it belongs to none.
    lang : str
    path : Path
    text : str
        Its content; '' where it cannot be read.
    note : str
        As `texts.note` takes it, where something is the matter with it.
    begun : bool
        Whether the learner wrote anything in it.
    """

    student: str
    exercise: str
    lang: str
    path: Path
    text: str
    note: str = ""
    begun: bool = False


def handed_in(folder: Path, books: Sequence[Source] = (), skip: Sequence[Path] = ()) -> list[Handed]:
    """The submissions in a folder: `STUDENT/.../01_topic.ipynb` or `STUDENT_01.ipynb`. Links are not followed.

    Of several files for one exercise the one counts that was begun, and of those the newest; who handed in no notebook is in the list.

    Parameters
    ----------
    folder : Path
    books : sequence of Source
        The exercises.
    skip : sequence of Path
        What lies there and is no submission.

    Raises
    ------
    ExerciseError
        When the folder holds no notebook.
    """
    found: dict[tuple[str, str], Handed] = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        parts = path.relative_to(folder).parts
        if path.suffix.casefold() != ".ipynb" or _aside(path, parts) or not path.is_file():
            continue
        one = _read(path, parts, books)
        key = (one.student, one.exercise or path.name)
        other = found.get(key)
        if other is not None:
            best = max(one, other, key=lambda handed: (handed.begun, handed.path.stat().st_mtime_ns))
            one = replace(best, note=best.note or f"duplicate: {written(best.path.relative_to(folder).as_posix())}")
        found[key] = one
    if not found:
        raise ExerciseError(f"There is no notebook in {folder}.", fix="It holds one folder a student, or files like STUDENT_01.ipynb.")
    with_notebook = {handed.path.relative_to(folder).parts[0] for handed in found.values()}
    without = [path for path in folder.iterdir() if path.name not in with_notebook and not _aside(path, (path.name,))]
    empty = [_nothing(path) for path in without if not any(other.is_relative_to(path.resolve()) for other in skip)]
    return sorted([*found.values(), *empty], key=lambda handed: (handed.student, handed.exercise))


def _aside(path: Path, parts: Sequence[str]) -> bool:
    """Whether it is a link, or of what systems and Jupyter put beside a learner's files."""
    hidden = any(part.startswith((".", "__")) for part in parts)
    return hidden or any(link.is_symlink() for link in (path, *path.parents[: len(parts) - 1]))


def _nothing(top: Path) -> Handed:
    """A folder or file of the first level that gave no notebook."""
    files = [top] if top.is_file() else [path for path in sorted(top.rglob("*")) if path.is_file()]
    names = ", ".join(written(path.name) for path in files[:10])
    return Handed(written(top.name), "", "", top, "", f"nothing_found: {names or 0}")


def _read(path: Path, parts: Sequence[str], books: Sequence[Source]) -> Handed:
    number = _number(path.name)
    try:
        text = read_text(path)
        number, lang = number_of(text, path.name), language_of(text, path.name)
        student = _student(parts, number)
        book = _book(books, number, lang)
        wrote = book is not None and begun(text, path.name, book)
        if not wrote and not number_of(text, ""):  # by its name alone
            return Handed(student, "", lang, path, text, "no_exercise")
        return Handed(student, number, lang, path, text, "", wrote)
    except LabError as error:
        return Handed(_student(parts, number), number, "", path, "", f"unreadable: {error}")


def _book(books: Sequence[Source], number: str, lang: str) -> Source | None:
    """The exercise of that number, in that language where there is one."""
    by_language = {book.lang: book for book in books if book.number == number}
    return by_language.get(lang) or by_language.get("en")


def _student(parts: Sequence[str], number: str) -> str:
    """Whose it is. A name may hold digits of its own: only the exercise's number, standing alone, and what follows it are left out."""
    name = parts[0]
    if len(parts) == 1:
        name = Path(name).stem
        match = re.fullmatch(rf"(.+)[_\- ]{number}([_\- ].*)?", name) if number else None
        name = (match[1].rstrip("_- ") if match else "") or name
    return written(name)


def written(name: str) -> str:
    """A file's name as text that any file can hold; the same name is the same text, whichever system packed it."""
    return unicodedata.normalize("NFC", name).encode("utf-8", "backslashreplace").decode()


def _number(name: str) -> str:
    match = re.search(r"(?:^|[_\- ])(\d\d)[_\- .]", name)
    return match[1] if match else ""


def judged(source: str, submission: str, name: str, lang: str, **options: Any) -> dict[str, Any]:
    """Grade one submission with a judge of its own; see `Judges.judged`."""
    with Judges() as judges:
        return judges.judged(source, submission, name, lang, **options)


@dataclass(frozen=True)
class Work:
    """One submission as a job that can go to any machine: plain data alone."""

    key: str
    student: str
    exercise: str
    note: str
    job: Mapping[str, Any]


def do(work: Mapping[str, Any], judges: Judges | None = None) -> dict[str, Any]:
    """Grade one piece of work; whatever goes wrong is in the result. Without judges, a cluster's worker has its own."""
    head = {name: work[name] for name in ("key", "student", "exercise")}
    note = [work["note"]] if work["note"] else []
    if not work["job"]:
        return {**head, "points": 0.0, "of": 0.0, "tasks": [], "notes": note}
    try:
        result = (judges or _own_judges()).judged(**work["job"])
    except Exception as error:
        return {**head, "points": 0.0, "of": 0.0, "tasks": [], "notes": [*note, "judge_failed"], "problem": str(error)[:500]}
    return {**head, **result, "notes": [*note, *result.get("notes", ())]}


@cache
def _own_judges() -> Judges:
    judges = Judges()
    atexit.register(judges.__exit__, None, None, None)
    return judges


def plan(handed: Sequence[Handed], books: Sequence[Source], options: Mapping[str, Any]) -> list[Work]:
    """What is to be done. The key is a hash of all that a grade depends on, so that an old grade is never taken for a new one."""
    texts = {book.path: book.path.read_text(encoding="utf-8") for book in books}
    made = []
    for one in handed:
        book = _book(books, one.exercise, one.lang)
        job = {}
        if book is not None and one.text:
            job = {"source": texts[book.path], "submission": one.text, "name": book.path.name, "lang": book.lang, **options}
        note = one.note or ("" if book is not None else "no_exercise")
        whole = json.dumps([one.student, one.exercise, note, job, book.fingerprint() if book else "", str(one.path.name)], sort_keys=True)
        exercise = one.exercise or (written(one.path.stem) if one.text else "")
        made.append(Work(hashlib.sha256(whole.encode()).hexdigest(), one.student, exercise, note, job))
    return made


def journal(path: Path) -> dict[str, dict[str, Any]]:
    """What an earlier run has finished; a line that was cut off does not count."""
    done = {}
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                result = json.loads(line)
                if "problem" not in result:  # what could not be graded is tried again
                    done[result["key"]] = result
            except (ValueError, KeyError, TypeError):
                continue
    return done


def grade_all(
    submissions: Path,
    out: Path,
    solutions: Path | None = None,
    jobs: int = 2,
    scheduler: str = "",
    say: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Grade every submission of a folder.

    Parameters
    ----------
    submissions : Path
    out : Path
        The CSV file to come; beside it, `NAME.journal` keeps what is finished, so the same call goes on after an interruption.
    solutions : Path
        Default: ./solutions.
    jobs : int
        At once, on this machine.
    scheduler : str
        Address of a Dask scheduler; its workers need labkit, and no files.
    say : callable
        Told each result as it comes.
    **options
        params, limits, isolation, container: see `judged`.

    Returns
    -------
    list of dict
        In the order of students and exercises.
    """
    books = sources(solutions)
    private = [str(books[0].path.parents[1].resolve()), str(submissions.resolve()), str(KIT / "solutions")]
    ours = [out, *(out.with_suffix(suffix) for suffix in (".json", ".journal", ".feedback"))]
    work = plan(handed_in(submissions, books, [path.resolve() for path in ours]), books, {"private": private, **options})
    path = out.with_suffix(".journal")
    path.parent.mkdir(parents=True, exist_ok=True)
    done = journal(path)
    todo = [one for one in work if one.key not in done]
    say(f"{len(work)} submissions, {len(work) - len(todo)} of them graded before")
    with path.open("a", encoding="utf-8") as stream:
        stream.write("\n")  # after a line that was cut off
        for result in _results(todo, jobs, scheduler):
            done[result["key"]] = result
            stream.write(json.dumps(result) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
            say(f"{result['student']} · {result['exercise']}: {result['points']:g} / {result['of']:g}")
    return [done[one.key] for one in work]


def _results(work: Sequence[Work], jobs: int, scheduler: str) -> Iterator[dict[str, Any]]:
    if not scheduler:
        with Judges() as judges, ThreadPoolExecutor(max(1, jobs)) as pool:
            waiting = [pool.submit(do, asdict(one), judges) for one in work]
            try:
                for future in as_completed(waiting):
                    yield future.result()
            finally:
                for future in waiting:
                    future.cancel()
        return
    try:
        from distributed import Client
        from distributed import as_completed as completed
    except ImportError:
        raise MissingDependencyError("--scheduler needs Dask, which is not installed.", fix=settings.command_for("dask")) from None
    try:
        client = Client(scheduler, timeout=10)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError) as error:
        what = f"No Dask scheduler answers at {scheduler}: {error}"
        raise ExerciseError(what, fix="Start one: `dask scheduler`, then `dask worker ADDRESS`.") from None
    with client:
        sent = [client.submit(do, asdict(one), key=f"grade-{one.key}", pure=False, retries=2) for one in work]
        for future in completed(sent):  # type: ignore[no-untyped-call]
            yield future.result()
