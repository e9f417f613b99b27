"""The measures, against values computed by hand and against trec_eval; and what a run over the course's questions says."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import labkit as lab
from labkit.errors import OptionError
from labkit.rag import evaluate, metrics
from labkit.rag.chunks import Passage

DATA = Path(__file__).parents[2] / "data"


def test_measures_by_hand():
    ranking, relevant = ["c", "a", "x", "b", "y"], {"a", "b", "d"}
    assert metrics.recall(ranking, relevant, 1) == 0
    assert metrics.recall(ranking, relevant, 2) == pytest.approx(1 / 3)
    assert metrics.recall(ranking, relevant, 4) == pytest.approx(2 / 3)
    assert metrics.precision(ranking, relevant, 4) == 0.5
    assert metrics.precision(ranking, relevant, 10) == 0.2  # five places are empty
    assert metrics.reciprocal_rank(ranking, relevant) == 0.5
    # gains at ranks 2 and 4: 1/log2(3) + 1/log2(5) = 0.63093 + 0.43068; best, ranks 1 to 3: 1 + 0.63093 + 0.5
    assert metrics.ndcg(ranking, relevant) == pytest.approx((0.6309298 + 0.4306766) / 2.1309298, abs=1e-6)
    # grades 3 and 1 at ranks 1 and 2, where 1 and 3 stand: (1 + 3 * 0.63093) / (3 + 0.63093)
    assert metrics.ndcg(["low", "high"], {"high": 3, "low": 1}) == pytest.approx(2.8927893 / 3.6309298, abs=1e-6)
    assert metrics.ndcg(["low", "high"], {"high": 3, "low": 1}, k=1) == pytest.approx(1 / 3)
    assert metrics.recall([], relevant, 3) == metrics.ndcg([], relevant) == metrics.reciprocal_rank([], relevant) == 0
    assert metrics.recall(ranking, set(), 3) == metrics.ndcg(ranking, {}) == 0


def test_measures_agree_with_trec_eval():
    pytrec_eval = pytest.importorskip("pytrec_eval")
    draw = random.Random(5)
    names = [f"d{n}" for n in range(40)]
    grades, runs = {}, {}
    for q in range(200):
        grades[f"q{q}"] = {name: draw.choice((1, 1, 2, 3)) for name in draw.sample(names, draw.randint(1, 8))}
        ranking = draw.sample(names, draw.randint(1, 30))
        runs[f"q{q}"] = {name: float(100 - rank) for rank, name in enumerate(ranking)}
    wanted = {"recall.1,4,10", "P.1,4,10", "recip_rank", "ndcg", "ndcg_cut.4,10"}
    theirs = pytrec_eval.RelevanceEvaluator(grades, wanted).evaluate(runs)
    for q, found in runs.items():
        ranking, relevant = list(found), grades[q]
        for k in (1, 4, 10):
            assert metrics.recall(ranking, relevant, k) == pytest.approx(theirs[q][f"recall_{k}"])
            assert metrics.precision(ranking, relevant, k) == pytest.approx(theirs[q][f"P_{k}"])
        for k in (4, 10):
            assert metrics.ndcg(ranking, relevant, k) == pytest.approx(theirs[q][f"ndcg_cut_{k}"])
        assert metrics.ndcg(ranking, relevant) == pytest.approx(theirs[q]["ndcg"])
        assert metrics.reciprocal_rank(ranking, relevant) == pytest.approx(theirs[q]["recip_rank"])


QUESTION = evaluate.Question(
    "When does it open?", ("9:30", "half past nine"), "rules.txt", "The library opens at 9:30 on every day of the week."
)


@pytest.mark.parametrize(
    ("source", "text", "held"),
    [
        ("rules.txt", "Cats sleep. The library opens at 9:30\non every  day of the week. It is warm.", True),
        ("sub/rules.txt", "The library opens at 9:30 on every day of the week.", True),
        ("rules.txt#3", "the LIBRARY opens at 9:30 on every day of the week.", True),
        ("other.txt", "The library opens at 9:30 on every day of the week.", False),
        ("rules.txt", "Cats sleep. The library opens at 9:30 on every", True),  # cut later, the answer is in it
        ("rules.txt", "Cats sleep. The library opens", False),
        ("rules.txt", "on every day of the week. It is warm.", False),  # more of the words, and not the answer
        ("rules.txt", "It opens at 9:30.", False),
    ],
)
def test_passage_holds_what_the_quote_says(source, text, held):
    assert evaluate.holds(Passage(source, text), QUESTION) is held


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("It opens at 9:30 [1].", True),
        ("At half past  NINE.", True),
        ("At 19:30.", False),
        ("At 9:305", False),
        ("9:30:15", False),
        ("", False),
    ],
)
def test_right_answers_hold_the_value_as_a_whole(text, good):
    assert evaluate.right(text, QUESTION.answers) is good


@pytest.mark.parametrize(
    ("text", "value"),
    [("It costs 2,300 crowns.", "300"), ("1.445 euros", "445"), ("12:30", "30"), ("I do not know [1, 3].", "3"), ("[1; 3]", "3")],
)
def test_the_end_of_a_number_and_a_citation_are_no_answer(text, value):
    assert not evaluate.right(text, [value]) and evaluate.right(f"{text} It is {value}.", [value])


def test_questions_are_lines_whatever_their_texts_hold(tmp_path):
    (tmp_path / "q.jsonl").write_bytes('{"question": "When\u2028does it open?"}\r\n{"question": "Who?"}\r\n'.encode())
    assert [one.question for one in evaluate.read(tmp_path / "q.jsonl")] == ["When\u2028does it open?", "Who?"]


@pytest.fixture(scope="module")
def words_alone(school):
    with lab.KnowledgeBase.open(school, None) as kb:
        yield kb


def own(lang="en"):
    return [q for q in evaluate.read(DATA / "questions" / f"{lang}.jsonl") if not q.file.endswith(".pdf")]


def test_run_tells_search_and_answers_apart(words_alone):
    asked = own()[::4]
    rows = evaluate.each(words_alone, asked, "mini-m", k=3, sentences=0, max_tokens=24)
    assert list(rows["id"]) == [q.id for q in asked] and set(rows["error"]) == {""}
    there = rows[rows["answerable"]]
    assert there["recall@3"].isin([0, 1]).all() and (there["recall@1"] <= there["recall@3"]).all()
    assert ((there["rank"] <= 3) == (there["recall@3"] == 1)).all()
    assert rows[~rows["answerable"]][["recall@1", "rank", "right", "cited"]].isna().all().all()
    table = evaluate.summary(rows)
    assert {"recall@1", "recall@3", "precision@3", "MRR", "nDCG@3", "right", "cited", "abstained"} <= set(table.index)
    assert (table["low"] <= table["value"] + 1e-9).all() and (table["value"] <= table["high"] + 1e-9).all()
    assert table.loc["recall@3", "value"] == pytest.approx(there["recall@3"].mean()) and table.loc["recall@3", "n"] == len(there)
    assert table.loc["abstained", "of"] == "unanswerable"
    for row in rows.itertuples():  # judged by what was said, not by which model said it
        question = next(q for q in asked if q.id == row.id)
        assert row.abstained == float(lab.rag.check.says_nothing(row.text) or not row.text)
        assert not question.answers or row.right == float(evaluate.right(row.text, question.answers))


def test_run_without_context_asks_the_model_alone(words_alone):
    asked = own()[:3]
    rows = evaluate.each(words_alone, asked, "mini-m", context=False, max_tokens=8)
    with lab.load("mini-m") as model:
        alone = [model.chat(q.question, temperature=0, seed=0, max_tokens=8).text.strip() for q in asked]
    assert len(rows) == 3 and sum(a == b for a, b in zip(rows["text"], alone, strict=True)) >= 2  # together rounding may differ
    assert rows["cited"].fillna(0).eq(0).all()


def test_larger_passages_find_and_smaller_ones_lose(words_alone):
    found = {}
    for size in (12, 120):
        with lab.KnowledgeBase(None, size=size) as kb:
            kb.add(words_alone.documents)
            found[size] = evaluate.run(kb, own()).loc["recall@4", "value"]
    assert found[120] > found[12]


@pytest.mark.parametrize(
    ("questions", "problem"),
    [([], "no questions"), ([{"answers": ["x"]}], "Question 1 has no text"), ("none.jsonl", "cannot be read"), ([3], "Question 1")],
)
def test_questions_that_cannot_be_are_refused(questions, problem):
    with pytest.raises(OptionError, match=problem):
        evaluate.read(questions)


def test_one_request_that_fails_does_not_end_the_run(words_alone):
    asked = [*own()[:2], evaluate.Question("Which boat? " * 900, ("x",), "rules.txt", "y", "long")]
    rows = evaluate.each(words_alone, asked, "mini-m", max_tokens=4)
    assert list(rows["error"] != "") == [False, False, True] and "1,024" in rows["error"][2]
