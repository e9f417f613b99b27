"""Grading a folder: one process a submission, resumable, the same grades however it is run, and reports that nobody can inject into."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from labkit.cli import main
from labkit.errors import ExerciseError, MissingDependencyError
from labkit.grading import report
from labkit.grading.run import grade_all, handed_in, journal
from labkit.grading.source import KIT, sources
from labkit.grading.texts import ISOLATION

from .attacks import ATTACKS, blank_book, small_source

NASTY = "=cmd()<script>alert(1)</script>"
RIGHT = "def memory_needed(p, b, k, c):\n    import sys\n    print('noise', file=sys.stderr)\n    return p * b / 8 + k * c\n"
HALF = "def memory_needed(p, b, k, c):\n    return p * b / 8\n"
LOUD = "print('<img src=x onerror=alert(1)>\\x1b[31m')\ndef memory_needed(*a):\n    raise ValueError('<script>alert(2)</script>')\n"


def book(code: str) -> str:
    made = blank_book()
    for cell in made["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "answer-01-2":
            cell["source"] = code
    return json.dumps(made)


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """A folder of solutions with the small exercise, and one of submissions."""
    base = tmp_path_factory.mktemp("class")
    source = base / "solutions/en/01_first_query.ipynb"
    source.parent.mkdir(parents=True)
    source.write_text(small_source(), encoding="utf-8")
    for student, code in {"ana": RIGHT, "ben": HALF, NASTY.replace("/", "_"): LOUD}.items():
        path = base / "in" / student / "01_first_query.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(book(code), encoding="utf-8")
    (base / "in" / "eve_01.ipynb").write_text("no notebook", encoding="utf-8")
    (base / "in" / "ana" / "link.ipynb").symlink_to(source)
    return base


def grades(results):
    return {result["student"]: sum(task["points"] for task in result["tasks"]) for result in results}


@pytest.fixture(scope="module")
def graded(ground):
    return grade_all(ground / "in", ground / "out/grades.csv", ground / "solutions")


def test_grades_are_what_the_answers_deserve(graded):
    assert grades(graded) == {"ana": 3, "ben": 1, NASTY.replace("/", "_"): 0, "eve": 0}


def test_a_finished_run_is_not_done_again_and_a_torn_line_is(ground, graded):
    path, said = ground / "out/grades.journal", []
    lines = [line for line in path.read_text().splitlines() if line]
    path.write_text("\n".join([*lines[:2], lines[2][:-40]]))
    again = grade_all(ground / "in", ground / "out/grades.csv", ground / "solutions", say=said.append)
    assert said[0].endswith("2 of them graded before") and grades(again) == grades(graded)


def test_a_changed_submission_or_test_is_graded_again(ground, graded):
    source = ground / "solutions/en/01_first_query.ipynb"
    before = source.read_text(encoding="utf-8")
    source.write_text(before.replace("500_000_000", "500_000_001"), encoding="utf-8")
    try:
        said = []
        again = grade_all(ground / "in", ground / "out/grades.csv", ground / "solutions", say=said.append)
    finally:
        source.write_text(before, encoding="utf-8")
    assert said[0].endswith(" 0 of them graded before") and grades(again) == grades(graded)


def test_reports_escape_what_students_wrote(ground, graded):
    written = report.write(graded, ground / "out/grades.csv", "es")
    rows = list(csv.reader(io.StringIO((ground / "out/grades.csv").read_text(encoding="utf-8-sig"))))
    assert (ground / "out/grades.csv").read_bytes().startswith(b"\xef\xbb\xbf"), "or a spreadsheet takes it for another encoding"
    assert "no se pudo leer: eve_01.ipynb" in str(rows)
    assert len(rows) == 5 and rows[0][:3] == ["student", "exercise", "points"]
    assert all(not cell.startswith(("=", "+", "@")) for row in rows for cell in row)
    for path in written:
        if path.suffix == ".html":
            text = path.read_text(encoding="utf-8")
            assert "<script>" not in text and "<img src=x" not in text and "\x1b" not in text
            assert "500000000" not in text, "the input of a hidden test"
    assert len(json.loads((ground / "out/grades.json").read_text(encoding="utf-8"))) == 4


def test_mistakes_are_counted_once_for_each_submission(graded):
    found = report.mistakes(graded)
    assert found and all(1 <= count <= len(graded) for *_, count in found)
    assert report.mistakes_figure(graded).png.startswith(b"\x89PNG")


def test_files_that_are_no_notebooks_are_in_the_list(ground):
    handed = {one.student: one for one in handed_in(ground / "in")}
    assert handed["eve"].note.startswith("unreadable: eve_01.ipynb is no notebook") and "link" not in str(
        [one.path for one in handed.values()]
    )


@pytest.mark.parametrize(
    ("name", "student"),
    {
        "20231101_01": "20231101",
        "a01234567_01_first_query": "a01234567",
        "student07_01": "student07",
        "group-01-ana_01_first_query": "group-01-ana",
        "garciaana_12345_678901_01_first_query": "garciaana_12345_678901",
        "ana - 01 first query (1)": "ana",
        "Garci\u0301a_01": "Garc\u00eda",
        "01_first_query": "01_first_query",
        "student02": "student02",
    }.items(),
)
def test_a_students_name_may_hold_digits(name, student, tmp_path):
    (tmp_path / f"{name}.ipynb").write_text(book(RIGHT), encoding="utf-8")
    assert [(one.student, one.exercise, one.note) for one in handed_in(tmp_path)] == [(student, "01", "")]


def test_reports_come_whatever_a_submission_says_or_is_called(ground, tmp_path):
    codes = {attack.name: attack.code for attack in ATTACKS}
    folders = {"ana": RIGHT, "half": codes["raises half a sign"], "forger": codes["says of its cells what no report can show"]}
    folders |= {} if sys.platform in ("win32", "darwin") else {os.fsdecode(b"Garc\xeda"): RIGHT}  # names are Unicode there
    for student, code in folders.items():
        (tmp_path / "in" / student).mkdir(parents=True)
        (tmp_path / "in" / student / "01_first_query.ipynb").write_text(book(code), encoding="utf-8")
    results = grade_all(tmp_path / "in", tmp_path / "grades.csv", ground / "solutions")
    report.write(results, tmp_path / "grades.csv")
    assert len(json.loads((tmp_path / "grades.json").read_text(encoding="utf-8"))) == len(folders)
    assert sorted(grades(results).values()) == [0, 0, *[3] * (len(folders) - 2)]


def handed(folder, **files):
    """What is handed in, by student: exercise, file and note; later files are newer."""
    for number, (name, text) in enumerate(files.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        os.utime(path, (1e9 + number, 1e9 + number))
    return [(one.student, one.exercise, one.path.name, one.note) for one in handed_in(folder, sources(KIT / "solutions"))]


def test_of_several_files_the_one_that_was_begun_is_graded(tmp_path):
    blank = (KIT / "exercises/es/01_first_query.ipynb").read_text(encoding="utf-8")
    found = handed(tmp_path, **{"ana/en/01_first_query.ipynb": book(HALF), "ana/es/01_first_query.ipynb": blank})
    assert found == [("ana", "01", "01_first_query.ipynb", "duplicate: ana/en/01_first_query.ipynb")]


def test_a_lesson_beside_the_exercise_is_not_taken_for_it(tmp_path):
    lesson = (KIT / "notebooks/en/01_first_answer.ipynb").read_text(encoding="utf-8")
    found = handed(tmp_path, **{"ana/01_first_query.ipynb": book(RIGHT), "ana/01_first_answer.ipynb": lesson})
    assert sorted(found) == [
        ("ana", "", "01_first_answer.ipynb", "no_exercise"),
        ("ana", "01", "01_first_query.ipynb", ""),
    ]


def test_an_answer_without_any_metadata_is_known_by_its_names(tmp_path):
    names = ["is_answering", "memory_needed", "choose", "first_answer"]
    bare = {"cells": [{"cell_type": "code", "source": f"def {name}(*a):\n    return 1\n", "metadata": {}} for name in names]}
    assert handed(tmp_path, **{"ana/01_first_query.ipynb": json.dumps(bare)}) == [("ana", "01", "01_first_query.ipynb", "")]


def test_whoever_handed_in_no_notebook_is_in_the_list(tmp_path):
    files = {"ana/01_first_query.IPYNB": book(RIGHT), "ben/01.zip": b"PK", "cy_01.ipynb.txt": book(RIGHT), "ana/.ipynb_checkpoints/x": b""}
    (tmp_path / "dan").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    assert handed(tmp_path, **files) == [
        ("ana", "01", "01_first_query.IPYNB", ""),
        ("ben", "", "ben", "nothing_found: 01.zip"),
        ("cy_01.ipynb.txt", "", "cy_01.ipynb.txt", "nothing_found: cy_01.ipynb.txt"),
        ("dan", "", "dan", "nothing_found: 0"),
    ]


def test_why_a_file_cannot_be_graded_is_told(tmp_path):
    found = handed(
        tmp_path,
        **{
            "ana/01_first_query.ipynb": b"\xef\xbb\xbf" + book(RIGHT).encode(),
            "ben/01_first_query.ipynb": book(RIGHT).encode("utf-16"),
            "cy/01_first_query.ipynb": book(RIGHT)[:500],
            "dan/01_first_query.ipynb": '{"worksheets": []}',
        },
    )
    assert [note.partition(".ipynb ")[2].partition(".")[0] for *_, note in found] == [
        "",
        "is not UTF-8 text",
        "is no notebook: it holds no JSON",
        "is no notebook: it has no cells",
    ]


def test_a_judge_that_fails_is_explained_to_the_teacher_alone():
    result = {"student": "ana", "exercise": "01", "points": 0.0, "of": 0.0, "tasks": [], "notes": ["judge_failed"], "problem": "x < y"}
    assert "no se pudo calificar automáticamente; lo mirará el profesor; x &lt; y" in report.overview_page([result], "es")
    assert "x &lt; y" not in report.feedback_page("ana", [result], "es") and "lo mirará" in report.feedback_page("ana", [result], "es")


@pytest.mark.parametrize("name", ["grades.json", "folder", "grades.journal"])
def test_what_cannot_be_written_is_refused_before_anything_is_graded(name, ground, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    assert main(["grade", str(ground / "in"), "--out", str(tmp_path / name), "--solutions", str(ground / "solutions")]) == 1
    said = capsys.readouterr()
    assert "is no name for a CSV file" in said.err and not said.out


def test_a_report_that_cannot_be_written_says_what_to_do(graded, tmp_path):
    (tmp_path / "grades.json").mkdir()
    with pytest.raises(ExerciseError, match="nothing is graded twice"):
        report.ready(tmp_path / "grades.csv")
    with pytest.raises(ExerciseError, match="nothing is graded twice"):
        report.write(graded, tmp_path / "grades.csv")


def test_an_empty_folder_is_an_error(tmp_path, ground):
    with pytest.raises(ExerciseError, match="no notebook"):
        grade_all(tmp_path, tmp_path / "x.csv", ground / "solutions")


def test_a_killed_run_goes_on_where_it_was(ground, graded, tmp_path):
    out = tmp_path / "killed.csv"
    command = [sys.executable, "-m", "labkit.cli", "grade", str(ground / "in"), "--out", str(out), "--jobs", "1"]
    process = subprocess.Popen([*command, "--solutions", str(ground / "solutions")], stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 200
    while len(journal(out.with_suffix(".journal"))) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert grades(grade_all(ground / "in", out, ground / "solutions")) == grades(graded)


def test_dask_workers_give_the_same_grades(ground, graded, tmp_path):
    distributed = pytest.importorskip("distributed")
    here = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "local_directory": str(tmp_path)}
    with distributed.LocalCluster(**here) as cluster:
        results = grade_all(ground / "in", tmp_path / "dask.csv", ground / "solutions", scheduler=cluster.scheduler_address)
    assert grades(results) == grades(graded)


def test_without_a_scheduler_the_error_says_how_to_start_one(ground, tmp_path):
    with pytest.raises((ExerciseError, MissingDependencyError), match="dask"):
        grade_all(ground / "in", tmp_path / "x.csv", ground / "solutions", scheduler="tcp://127.0.0.1:9")


def test_a_container_command_comes_before_the_judge(ground, graded, tmp_path):
    """`env -i` stands for a container here: it starts the judge with nothing of ours around it."""
    folder = os.path.dirname(sys.executable)
    results = grade_all(ground / "in", tmp_path / "c.csv", ground / "solutions", container=f"env -i PATH={folder}:/usr/bin:/bin")
    assert grades(results) == grades(graded)


def test_what_is_not_kept_apart_is_said_before_anything_runs(ground, tmp_path, capsys):
    (tmp_path / "ana_01.ipynb").write_text(book(RIGHT), encoding="utf-8")
    rest = ["--solutions", str(ground / "solutions"), "--isolation", "process", "--lang", "es"]
    assert main(["grade", str(tmp_path), "--out", str(tmp_path / "out/grades.csv"), *rest]) == 0
    said = capsys.readouterr().out
    assert said.startswith(ISOLATION["process"]["es"]) and said.count(ISOLATION["process"]["es"]) == 1
    assert "ana · 01: 3 / 14" in said
