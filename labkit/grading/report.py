"""Grades as CSV and JSON for a gradebook, a feedback page for each student, and an overview of the class.

Names and whatever a submission said are escaped; of hidden parts a page shows the hint alone.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

from ..display import Figure, escape, table_html
from ..errors import ExerciseError
from .check import part_rows
from .parts import PartResult
from .texts import ISOLATION, REPORT, WORDS, note

Results = Sequence[Mapping[str, Any]]
STYLE = (
    "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color-scheme:light dark}"
    "table{border-collapse:collapse;margin:.5em 0}td,th{border:1px solid #8886;padding:.2em .6em;vertical-align:top}"
    "pre{white-space:pre-wrap;border-left:3px solid #888;padding-left:.8em}img{max-width:100%}</style>"
)


def write(results: Results, out: Path, lang: str = "en") -> list[Path]:
    """Write everything beside `out`: NAME.csv, NAME.json, and the folder NAME.feedback with the pages.

    Returns
    -------
    list of Path
        What was written, the overview last.
    """
    folder = out.with_suffix(".feedback")
    folder.mkdir(parents=True, exist_ok=True)
    written = [
        _write(out, "\ufeff" + csv_text(results, lang)),
        _write(out.with_suffix(".json"), json.dumps(list(results), indent=1, ensure_ascii=False)),
    ]
    by_student: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        by_student.setdefault(result["student"], []).append(result)
    written += [_write(folder / page_name(student), feedback_page(student, theirs, lang)) for student, theirs in by_student.items()]
    return [*written, _write(folder / "index.html", overview_page(results, lang))]


def _write(path: Path, text: str) -> Path:
    """Whole or not at all."""
    half = path.with_name(f".{path.name}.half")
    try:
        half.write_bytes(text.encode("utf-8", "backslashreplace"))  # half a sign, as a submission may hold, stops no report
        os.replace(half, path)
    except OSError as error:
        raise _unwritable(path, error) from None
    return path


def ready(out: Path) -> None:
    """Refuse, before anything is graded, what could not be written afterwards.

    Raises
    ------
    ExerciseError
        When `out` is no name for a CSV file, or what has its name cannot be written.
    """
    if out.is_dir() or out.suffix.casefold() in (".json", ".journal", ".feedback"):
        raise ExerciseError(f"--out {out} is no name for a CSV file.", fix="Give one: --out grades.csv")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for path in (out, out.with_suffix(".json")):
            if path.exists():
                path.open("ab").close()
    except OSError as error:
        raise _unwritable(out, error) from None


def _unwritable(path: Path, error: OSError) -> ExerciseError:
    return ExerciseError(
        f"{path} cannot be written: {error.strerror}.",
        fix="Close it in the spreadsheet, then run the same command: nothing is graded twice.",
    )


def page_name(student: str) -> str:
    """A file name for a student, whatever the student is called."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", student)[:60]
    return (
        f"{plain or 'student'}.html"
        if plain == student and plain != "index"
        else f"{plain}-{sha256(student.encode()).hexdigest()[:8]}.html"
    )


def csv_text(results: Results, lang: str = "en") -> str:
    """One line for each submission: student, exercise, points, of, percent, notes, and the points of each task."""
    tasks = sorted({task["id"] for result in results for task in result["tasks"]})
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(["student", "exercise", "points", "of", "percent", "notes", *tasks])
    for result in results:
        percent = f"{100 * result['points'] / result['of']:.1f}" if result["of"] else ""
        got = {task["id"]: f"{task['points']:g}" for task in result["tasks"]}
        row = [result["student"], result["exercise"], f"{result['points']:g}", f"{result['of']:g}", percent, _notes(result, lang)]
        writer.writerow([_cell(value) for value in [*row, *(got.get(task, "") for task in tasks)]])
    return stream.getvalue()


def _notes(result: Mapping[str, Any], lang: str, problem: str = "") -> str:
    return "; ".join([*(note(said, lang) for said in result["notes"]), *([problem] if problem else [])])


def _cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def feedback_page(student: str, results: Iterable[Mapping[str, Any]], lang: str = "en") -> str:
    """What a student sees: points, and for each part that is not right what came and a hint."""
    words, body = REPORT[lang], []
    for result in results:
        body.append(f"<h2>{escape(words['exercise'])} {escape(result['exercise'])}: {result['points']:g} / {result['of']:g}</h2>")
        body += [f"<p>{escape(note(said, lang))}</p>" for said in result["notes"]]
        for task in result["tasks"]:
            body.append(f"<h3>{escape(words['task'])} {escape(task['id'])}: {task['points']:g} / {task['of']:g}</h3>")
            wrong = [PartResult(**part) for part in task["parts"] if part["hint"]]
            body += [] if wrong else [f"<p>✓ {escape(words['right'])}</p>"]
            for part in wrong:
                name = WORDS[lang]["hidden_part"] if part.hidden else part.name
                body.append(table_html((f"✗ {name}", f"0 / {part.of:g}"), part_rows(part, lang)))
        if result.get("errors"):
            rows = [(error["cell"], f"{error['kinds'][0]}: {error['text']}") for error in result["errors"][:20]]
            body.append(f"<h3>{escape(words['errors'])}</h3>{table_html(('', ''), rows)}")
        if result.get("output"):
            body.append(
                f"<details><summary>{escape(words['output'])}</summary><pre>{escape(_readable(result['output'][:5000]))}</pre></details>"
            )
    return _page(words["feedback"].format(student=student), "".join(body), lang)


def _readable(text: str) -> str:
    """Without the control characters that a terminal obeys."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]", "", text)


def mistakes(results: Results, lang: str = "en") -> list[tuple[str, str, int]]:
    """(task, hint, number of submissions), the commonest first; each submission counts once for each hint of a task."""
    counts = Counter[tuple[str, str]]()
    for result in results:
        counts.update({(task["id"], part["advice"] or part["hint"]) for task in result["tasks"] for part in task["parts"] if part["hint"]})
    return [(task, hint, count) for (task, hint), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def mistakes_figure(results: Results, lang: str = "en", most: int = 12) -> Figure:
    """The commonest mistakes as bars."""
    from matplotlib.figure import Figure as Canvas
    from matplotlib.ticker import MaxNLocator

    found = mistakes(results, lang)[:most][::-1]
    canvas = Canvas(figsize=(7, 0.6 + 0.45 * max(1, len(found))))
    axes = canvas.add_subplot()
    names = [f"{task} · {hint[:60].replace('$', '')}{'…' if len(hint) > 60 else ''}" for task, hint, _ in found]
    axes.barh(range(len(found)), [count for *_, count in found], color="#0072b2")
    axes.set_yticks(range(len(found)), names, fontsize=8, parse_math=False)
    axes.set_xlabel(f"{REPORT[lang]['share']} (n = {len(results)})")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    alt = "; ".join(f"{task}: {hint} ({count})" for task, hint, count in reversed(found)) or REPORT[lang]["none"]
    return Figure(canvas, alt)


def overview_page(results: Results, lang: str = "en") -> str:
    """The class: points of each exercise, the commonest mistakes, what a person should look at, and how far it was isolated."""
    words, body = REPORT[lang], []
    exercises = sorted({result["exercise"] for result in results if result["of"]})
    rows = []
    for number in exercises:
        shares = [100 * result["points"] / result["of"] for result in results if result["exercise"] == number and result["of"]]
        rows.append((number, len(shares), f"{median(shares):.0f}", f"{min(shares):.0f}", f"{max(shares):.0f}"))
    body.append(table_html([words[key] for key in ("exercise", "students", "median", "lowest", "highest")], rows))
    figure = mistakes_figure(results, lang)
    picture = base64.b64encode(figure.png).decode()
    body.append(f'<h2>{escape(words["mistakes"])}</h2><img alt="{escape(figure.alt)}" src="data:image/png;base64,{picture}">')
    look = [(r["student"], r["exercise"], _notes(r, lang, r.get("problem", ""))) for r in results if r["notes"]]
    body.append(f"<h2>{escape(words['to_look_at'])}</h2>")
    body.append(table_html(("", words["exercise"], words["notes"]), look) if look else f"<p>{escape(words['none'])}</p>")
    ways = sorted({str(result.get("isolation")) for result in results} & set(ISOLATION))
    body.append(f"<h2>{escape(words['how'])}</h2>" + "".join(f"<p>{escape(ISOLATION[way][lang])}</p>" for way in ways))
    table = [(result["student"], result["exercise"], f"{result['points']:g} / {result['of']:g}") for result in results]
    body.append(table_html(("", words["exercise"], words["points"]), table))
    return _page(words["overview"], "".join(body), lang)


def _page(title: str, body: str, lang: str) -> str:
    # No script runs and nothing is fetched, whatever a submission wrote.
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}"><title>{escape(title)}</title>{STYLE}'
    return f'<!doctype html><html lang="{lang}"><head>{head}</head><body><h1>{escape(title)}</h1>{body}</body></html>\n'
