"""Every exercise: nothing drifts, both languages are the same exercise, and every answer gets what it should."""

from __future__ import annotations

import ast
import json
import sys

import pytest

from labkit.grading.build import build, exercise_text
from labkit.grading.parts import exercise
from labkit.grading.source import HIDDEN, KIT, SOLUTION, hidden_definitions, sources
from labkit.grading.verify import variants

SOURCES = sources(KIT / "solutions")
every_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: f"{source.lang}-{source.path.stem}")


def test_exercises_are_what_the_solutions_say():
    stale = [str(path.relative_to(KIT)) for path, state in build(KIT / "solutions", check=True) if state != "unchanged"]
    assert not stale, "run `labkit exercises build`"


def test_both_languages_have_the_same_exercises():
    names = [{source.path.name for source in SOURCES if source.lang == lang} for lang in ("en", "es")]
    assert names[0] == names[1] and names[0]


@pytest.mark.parametrize("source", [s for s in SOURCES if s.lang == "en"], ids=lambda source: source.path.stem)
def test_both_languages_hold_the_same_code(source):
    twin = next(other for other in SOURCES if other.lang == "es" and other.path.name == source.path.name)
    assert [cell.kind for cell in twin.cells] == [cell.kind for cell in source.cells]
    for ours, theirs in zip(source.cells, twin.cells, strict=True):
        if ours.kind == "code" and "parameters" not in ours.tags:
            assert (ours.source, ours.id, ours.grader) == (theirs.source, theirs.id, theirs.grader)


@every_source
def test_nothing_of_the_teachers_is_in_the_exercise(source):
    text = exercise_text(source)
    assert not any(mark in text for mark in (*SOLUTION, *HIDDEN))
    for check in source.checks():
        for line in check.hidden.splitlines():
            assert not line.strip() or len(line) < 25 or json.dumps(line)[1:-1] not in text


@every_source
def test_points_agree(source):
    book = exercise(source.number)
    space = {"lab": __import__("labkit")}
    for check in source.checks():
        exec(hidden_definitions(check), space)
        task = book.tasks[check.id]
        assert task.points == check.points == sum(part.points for part in task.parts), check.id
    assert [check.id for check in source.checks()] == list(book.tasks)


@every_source
def test_hints_are_in_both_languages_and_do_not_answer(source):
    book = exercise(source.number)
    texts = [*book.hints.values(), *(task.asks for task in book.tasks.values()), *(task.start for task in book.tasks.values())]
    assert all(set(text) == {"en", "es"} and all(text.values()) for text in texts)


@every_source
def test_wrong_and_unusual_answers_are_there(source):
    kinds = [variant.kind for variant in variants(source)]
    assert kinds.count("wrong") >= 3 and kinds.count("unusual") >= 1


@every_source
def test_hidden_tests_take_no_name_of_the_notebook(source):
    """Under nbgrader both run in one kernel, and a name that a hidden test imports would replace the student's."""
    hidden = "\n".join(check.hidden for check in source.checks())
    book = json.loads(exercise_text(source))
    seen = [bound("".join(cell["source"])) for cell in book["cells"] if cell["cell_type"] == "code"]
    assert not (bound(hidden) & set().union(*seen)) - set(sys.stdlib_module_names)


def bound(code):
    """Names that a cell gives a value to."""
    found = set()
    for node in ast.parse(code).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {name.asname or name.name for name in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        else:
            found |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}
    return found
