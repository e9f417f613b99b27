"""Exercises that grade themselves: checked at once in the notebook, graded in isolation for a class.

How an exercise is written
--------------------------
**The notebook**, `solutions/{en,es}/NN_topic.ipynb`, is the one source; `labkit exercises build` makes `exercises/` from it. Code cells
are the same in both languages, the `parameters` cell (`lang`, `model`, `seed`) aside. Every cell that matters carries nbgrader's
metadata, with `grade_id`:

=================  =========================================  ====================================================================
cell               nbgrader metadata                          what it holds
=================  =========================================  ====================================================================
``setup...``       locked                                     imports and data that learners get; restored when grading
``answer-01-2``    solution                                   one function; the answer between ``### BEGIN SOLUTION`` and
                                                              ``### END SOLUTION``, inside its body
``test-01-2``      grade, locked, points                      see below
=================  =========================================  ====================================================================

A test cell is one line for the learner, and the hidden parts, which stay with the teacher:

>>> lab.check("01.2", memory_needed)                                                   # doctest: +SKIP
### BEGIN HIDDEN TESTS
@lab.grading.hidden("01.2", points=1)
def other_sizes(t):
    t.expect(abs(t.call(500_000_000, 4, 1000, 10) - 250_010_000) < 1, "unit")

lab.grading.points("01.2", memory_needed)
### END HIDDEN TESTS

Of the hidden block, the grader runs definitions alone; its last line gives nbgrader the points.

**The visible parts**, `labkit/grading/checks/exNN.py`, are what `lab.check` runs, offline: the task's question (`asks`), a hint to begin
with (`start`), the hints (key, language), and parts. A part is a function that takes a `Trial`; what it does not object to is right, and
it gives its points whole or not at all. Points of visible and hidden parts together are the task's. Look at `checks/ex01.py`.

- ``t.call(...)`` calls the learner's function: **plain data comes back** (None, bool, int, float, str, list, dict; a tuple is a list, a
  DataFrame a list of rows), and whatever is no data is an `Answer`: call it, ``.member("name")`` of it, iterate over it.
- ``t.error(...)`` calls and returns the `Failure` that it raised (``"ServerNotRunningError" in failure.kinds``), or None; a mistyped
  name is a wrong answer in any case.
- ``t.expect(condition, "hint key", expected)`` and ``t.expect_type(value, int, float)`` object; the first objection ends the part.
- ``t.load()`` loads the model where the learner's code runs, ``t.model`` is its name, ``t.lang``, ``t.seed``; ``t.answers`` are all
  answers given to `lab.check`.
- ``with labkit.grading.servers.server("silent") as s:`` is a server that misbehaves on purpose; ``s.url``, ``s.calls``, ``s.hung_up``.
- What a model said is judged by properties, by behaviour over seeds, by figures within a band: never by an exact text.
- Right values are computed in the check (it has the engine too), not stored, and never taken from the learner's side.
- The feedback of a hidden part is its hint alone: hints must not tell the input.

**Named wrong answers**, `solutions/wrong/01.2_forgets_the_cache.py`, at least three for each exercise, and **unusual right answers**,
`solutions/unusual/01.2_bit_shifts.py`, at least one: Python that takes the place of the task's answer cell. A wrong one says what it must
get, hidden parts included; the hint is the one of the first part that objects:

| # Leaves out the KV cache.
| # points: 1
| # hint: cache
| def memory_needed(parameters, bits, kv_bytes_per_token, context_window): ...

`labkit exercises verify` grades it all, in isolation, and prints the table: solutions 100 %, blanks 0, each wrong answer its points and
hint, each unusual one 100 %. `tests/exercises` holds every exercise to it.

How a class is graded
---------------------
`labkit grade SUBMISSIONS/ --out grades.csv` takes one folder a student, or files like STUDENT_01.ipynb. Of several files for one exercise
the newest that was begun counts, and its name is in the notes; a folder or file without a notebook is a line of its own. What a learner
added to a locked cell runs before the restored one, and both halves of a split cell run. Three processes stand apart:

1. **the grader** (`run.py`) reads files, keeps a journal, and writes grades; it runs nothing of a submission;
2. **the judge** (`judge.py`) has the hidden tests, by a pipe, and a network that holds nothing but itself and the submission;
3. **the submission** (`worker.py`) has the learner's cells, locked ones as the source has them, and answers calls with JSON. On Linux it is
   a user of its own in a file system without solutions, homes or other submissions (`enclose.py`); `texts.ISOLATION` says in plain words
   what is kept apart on this machine and what not, and the command prints it.

Only the judge decides what is right, so an object that equals everything, a patched check or a printed score gain nothing; stderr and
stdout cost nothing. An answer that hangs or ends its process costs its own task and no other. `python -m tests.grading.attacks` prints
what some sixty hostile submissions gained, read and wrote. An interrupted run goes on with the same command; a changed submission or test
is graded again. With `--model ollama:NAME` the closed network has a way to that one server. For what you trust even less, `--container
"docker run --rm -i --network none IMAGE"` puts judge and submission into a container of yours (an image in which labkit is installed).

Schools with a gradebook give `solutions/en` to nbgrader as it is (extra `nbgrader`). Engines may write to stderr, which nbgrader takes for
a failure, so its configuration needs ``c.IgnorePattern.enabled = True`` and ``c.IgnorePattern.pattern = ".*"``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .check import points as points
    from .parts import Exercise as Exercise
    from .parts import Trial as Trial
    from .parts import hidden as hidden

_HOME = {"Exercise": "parts", "Trial": "parts", "hidden": "parts", "points": "check"}

__all__ = ["Exercise", "Trial", "hidden", "points"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'labkit.grading' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
