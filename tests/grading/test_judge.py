"""What the judge makes of one submission: what honest mishaps cost, and what they do not."""

from __future__ import annotations

import json

import pytest

from labkit.grading.build import exercise_text
from labkit.grading.run import judged
from labkit.grading.source import KIT, read_source
from labkit.grading.verify import Variant, submission

SOURCE = read_source(KIT / "solutions/en/01_first_query.ipynb")
THIRD = read_source(KIT / "solutions/en/03_local_llm.ipynb")
ADDED = {"cell_type": "code", "id": "added", "metadata": {}, "outputs": [], "execution_count": None}


def solved(**answers: str) -> dict:
    """The solved exercise 01 with other answers: `task_2="def memory_needed ..."`."""
    made = json.loads(submission(SOURCE, Variant("solution", "")))
    for name, code in answers.items():
        cell(made, name.replace("task_", "answer-01-"))["source"] = code
    return made


def cell(book: dict, id: str) -> dict:
    return next(one for one in book["cells"] if one["metadata"].get("nbgrader", {}).get("grade_id") == id)


def grade(book: dict, **options) -> dict:
    return judged(SOURCE.path.read_text(encoding="utf-8"), json.dumps(book), SOURCE.path.name, "en", **options)


def points(result: dict) -> dict[str, float]:
    return {task["id"]: task["points"] for task in result["tasks"]}


def test_honest_answers_pass_the_fence():
    tidy = "import tempfile\nwith tempfile.TemporaryDirectory() as folder:\n    open(f'{folder}/x', 'w').close()\n"
    result = grade(solved(task_3=tidy + cell(solved(), "answer-01-3")["source"]), isolation="process")
    assert result["points"] == result["of"] and not result["errors"]


def test_an_answer_that_hangs_costs_its_own_task_alone():
    hangs = "import time\ndef is_answering(url):\n    while True:\n        time.sleep(1)\n"
    result = grade(solved(task_1=hangs), limits={"seconds": 30, "call_seconds": 20})
    assert points(result) | {"01.4": 4} == {"01.1": 0, "01.2": 3, "01.3": 3, "01.4": 4}


def test_what_hidden_tests_give_comes_back_in_no_visible_part():
    remembers = "SEEN = []\ndef memory_needed(*a):\n    SEEN.append(a)\n    return a[0] * a[1] / 8 + a[2] * a[3]\n"
    result = grade(solved(task_2=remembers, task_3="def choose(models, free):\n    return str(SEEN)\n"))
    shown = [part["got"] for task in result["tasks"] for part in task["parts"] if not part["hidden"]]
    assert points(result)["01.2"] == 3 and "500000000" not in str(shown) and "1000000" in str(shown)


FSUM = "def memory_needed(p, b, k, c):\n    return math.fsum([p * b / 8, k * c])\n"


@pytest.mark.parametrize("id", ["setup", "test-01-1"])
def test_an_import_added_to_a_locked_cell_is_part_of_the_answer(id):
    made = solved(task_2=FSUM)
    changed = cell(made, id)
    changed["source"] = "import math\n" + "".join(changed["source"])
    result = grade(made)
    assert points(result)["01.2"] == 3 and result["notes"] == ["locked_changed"]


def test_an_answer_cell_split_in_two_is_whole():
    made = solved(task_2="def half(x):\n    return x / 8\n")
    first = cell(made, "answer-01-2")
    second = first | {"id": "second", "source": "def memory_needed(p, b, k, c):\n    return half(p * b) + k * c\n"}
    made["cells"].insert(made["cells"].index(first) + 1, second)
    result = grade(made)
    assert points(result)["01.2"] == 3 and result["notes"] == ["answer_twice"]


def test_locked_cells_cannot_be_edited_and_answers_and_parameters_can():
    made = json.loads(exercise_text(SOURCE))
    fixed = {one["metadata"]["nbgrader"]["grade_id"] for one in made["cells"] if one["metadata"].get("editable") is False}
    assert fixed == {known.id for known in SOURCE.cells if known.is_locked} - {"setup-parameters"}


@pytest.mark.parametrize("line", ["%matplotlib inline", "!pip install numpy", "%pip install numpy"])
def test_a_line_that_only_a_notebook_can_run_stops_no_cell(line):
    result = grade(solved(task_2=f"{line}\nimport math\n{FSUM}"))
    assert points(result)["01.2"] == 3 and not result["errors"]


def test_a_right_value_is_never_taken_from_the_learners_side():
    """An engine that the learner changed agrees with whatever the learner says."""
    code = (
        "class LocalLLM:\n    def __init__(self, names, tries=2):\n        self.model = lab.load('mini-m')\n"
        "        self.counts = dict.fromkeys(['calls', 'answers', 'errors', 'prompt_tokens', 'completion_tokens'], 0)\n"
        "        none = {'text': '', 'usage': {'prompt_tokens': 0, 'completion_tokens': 0}}\n"
        "        type(self.model).chat = lambda *_, **__: none\n    def ask(self, prompt, context='', **options):\n        return ''\n"
    )
    text = submission(THIRD, Variant("wrong", "", "03.3", code))
    result = judged(THIRD.path.read_text(encoding="utf-8"), text, THIRD.path.name, "en")
    assert points(result)["03.3"] == 0


def test_feedback_names_the_line_and_no_broken_check():
    mistyped = "def is_answering(url):\n    return htpx.get(url)\n"
    other_keys = 'def first_answer(name, question, max_tokens):\n    return {"answer": "x"}\n'
    result = grade(solved(task_1=mistyped, task_2="memory_needed = 7.0\n", task_4=other_keys))
    parts = {task["id"]: task["parts"] for task in result["tasks"]}
    assert {part["hint"] for part in parts["01.1"]} == {"crash"}
    assert parts["01.1"][1]["got"] == "NameError: name 'htpx' is not defined ← return htpx.get(url)"
    assert "without parentheses" in parts["01.2"][0]["advice"]
    assert [part["hint"] for part in parts["01.4"]] == ["first_keys", "no_key", "no_key", "no_key"]
