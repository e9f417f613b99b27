"""Sentences in the place of passages, and the threshold that is chosen from questions with known answers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import labkit as lab
from labkit.cli import main
from labkit.errors import OptionError
from labkit.rag import compress, documents, evaluate, index

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def kb():
    with lab.KnowledgeBase.from_folder(DATA / "en", "mini-embed", fields=["text"], size=100) as kb:
        yield kb


def found(text: str) -> list[tuple[str, str]]:
    return [(text[one.start : one.end], one.before) for one in compress.sentences(text)]


def test_headings_are_no_sentences_but_stand_before_them():
    text = "# Tern Fund\nIt was left by Bertil Roan. It pays four fees.\n\nThe workshop test\n\nWhoever has 65 points passes."
    assert found(text) == [
        ("It was left by Bertil Roan.", "# Tern Fund"),
        ("It pays four fees.", "It was left by Bertil Roan."),
        ("Whoever has 65 points passes.", "The workshop test"),
    ]


def test_rows_of_a_table_are_sentences_and_lines_of_prose_are_not():
    table = "Code Course Teacher Weeks Fee\nV-27 Steam Bending Rosa Quillen 5 310 euros\nV-31 Sail Sewing Amadou Ferrol 8 445 euros"
    assert [text for text, _ in found(table)] == table.splitlines()[1:]
    prose = "The Petrel leaves Brann at 7:05 and lands at the fish\nsteps below the school."
    assert [text for text, _ in found(prose)] == [prose]


@pytest.mark.parametrize("text", ["", " \n ", "#", "# Only a heading", "x" * 5000, "\n".join("abc" for _ in range(500))])
def test_what_has_no_sentences_gives_none_or_itself(text):
    for one in compress.sentences(text):
        assert text[one.start : one.end].strip() == text[one.start : one.end] != ""


def test_sentences_come_from_where_they_say(kb):
    texts = {document.source: document.text for document in kb.documents}
    hits = kb.search("Who left the Tern Fund to the school?", sentences=3)
    assert len(hits) == 3 and [hit.rank for hit in hits] == [1, 2, 3]
    assert any("Bertil Roan" in hit.text for hit in hits)
    for hit in hits:
        passage = hit.passage
        assert passage.text == texts[passage.source][passage.start : passage.end]
        assert passage.text in kb.passages[hit.id].text and passage.source == kb.passages[hit.id].source
        assert 0 < passage.tokens < kb.size
        assert set(hit.parts) == set(compress.WEIGHTS)
        mean = sum(compress.WEIGHTS[name] * part for name, part in hit.parts.items()) / sum(compress.WEIGHTS.values())
        assert hit.relevance == hit.score == pytest.approx(mean)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert "with what comes before" in hits._repr_html_()


@pytest.mark.parametrize(("how", "names"), [("lexical", {"words", "passage"}), ("vector", {"vector", "vector_before", "passage"})])
def test_sentences_are_ranked_by_what_the_search_was_by(kb, how, names):
    assert all(set(hit.parts) == names for hit in kb.search("When does the ferry Petrel leave Brann?", how=how, sentences=2))


def test_sentences_are_embedded_once(kb):
    asked = []

    class Counting:  # the real model, which notes what it is asked
        name = "counting"

        def embed(self, texts):
            asked.extend(texts)
            return kb.embedder.embed(texts)

    kb.search("the glue room")
    counted = index.Index(kb.embedder)
    counted.passages, counted.model = kb.passages, Counting()
    first, again = (counted.embed(["It opens at nine.", "Ask Bertil.", "It opens at nine."]) for _ in range(2))
    assert asked == ["It opens at nine.", "Ask Bertil."] and (first == again).all() and (first[0] == first[2]).all()
    direct = index.embed(["It opens at nine.", "Ask Bertil."], kb.embedder)
    assert abs(first[:2] - direct).max() < 1e-5


def test_old_vectors_of_sentences_make_room(kb, monkeypatch):
    kb.search("the glue room")
    small = index.Index(kb.embedder)
    monkeypatch.setattr(index, "KNOWN", 2)
    assert small.embed(["one", "two", "three"]).shape[0] == 3 and len(small._known) == 2
    assert small.embed(["one", "two"]).shape[0] == 2 and len(small._known) == 2


def test_the_same_sentence_is_given_once():
    with lab.KnowledgeBase(None) as kb:
        kb.add([documents.from_string(f"The gate closes at nine. {who} stay outside.", source=f"{who}.txt") for who in ("Dogs", "Cats")])
        hits = kb.search("When does the gate close?", sentences=5)
    assert [hit.text for hit in hits].count("The gate closes at nine.") == 1 and hits.repeats == 1


def test_threshold_is_compared_with_the_best_sentence(kb):
    question = "When does the ferry Petrel leave Brann?"
    best = kb.search(question, sentences=3)[0].relevance
    assert len(kb.search(question, sentences=3, threshold=best - 0.01)) == 3
    none = kb.search(question, sentences=3, threshold=best + 0.01)
    assert not none and none.below > 3
    with lab.load("mini-m") as model:
        answer = kb.ask(question, model, sentences=3, threshold=best + 0.01)
        assert answer.abstained and answer.reply is None
        answer = kb.ask(question, model, sentences=3)
        assert len(answer.sources) == 3 and all(" ".join(source.text.split()) in answer.sent.prompt for source in answer.sources)


@pytest.mark.parametrize("count", [-1, 1.5, True, "3", 1001])
def test_wrong_number_of_sentences_is_refused(kb, count):
    with pytest.raises(OptionError, match="sentences="):
        kb.search("When?", sentences=count)


def test_a_model_gets_what_it_reads_best_where_nothing_else_is_said(kb):
    with lab.load("mini-m") as model:
        asked = {count: kb.ask("When does the ferry Petrel leave Brann?", model, sentences=count) for count in (None, 2, 0)}
    assert len(asked[None].sources) == 2 and asked[None].text == asked[2].text
    assert [source.passage.end - source.passage.start for source in asked[0].sources] != [] and len(asked[0].sources) == 4
    table = evaluate.each(kb, [{"question": "When does the ferry Petrel leave Brann?", "answers": ["7:05"]}], "mini-s")
    assert "recall@3" in table.columns


def test_sentences_hold_more_answers_than_the_first_passages(kb):
    """Three sentences against three passages of about that length, over the course's questions."""
    three = evaluate.run(kb, DATA / "questions" / "en.jsonl", sentences=3).value
    with lab.KnowledgeBase.from_folder(DATA / "en", "mini-embed", fields=["text"], size=20) as short:
        passages = evaluate.run(short, DATA / "questions" / "en.jsonl", k=3).value
    assert three["recall@3"] >= 0.9 > passages["recall@3"]


def test_command_line_asks_for_sentences(tmp_path, capsys):
    (tmp_path / "rules.txt").write_text("The library opens at nine. Cats may not come in. The garden is behind it.")
    kept = ["--kb", str(tmp_path / "k.kb")]
    main(["kb", "add", str(tmp_path / "rules.txt"), *kept])
    main(["kb", "ask", "When does the library open?", "--sentences", "1", "--trace", *kept])
    assert "1 sentence (hybrid)" in capsys.readouterr().out


def rows(there: list[float], not_there: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"answerable": [True] * len(there) + [False] * len(not_there), "relevance": there + not_there})


def test_threshold_by_hand():
    chosen = evaluate.calibrate(rows([0.9, 0.8, 0.5, 0.3], [0.6, 0.2, 0.1]))
    # 0.25: keeps 4 of 4 and refuses 2 of 3; 0.7: keeps 2 of 4 and refuses 3 of 3.
    assert chosen.threshold == pytest.approx(0.25) and (chosen.kept, chosen.refused) == (1.0, pytest.approx(2 / 3))
    assert chosen.refused_interval.low < 2 / 3 < chosen.refused_interval.high and "keeps 100%" in str(chosen)


def test_threshold_parts_what_can_be_parted_and_says_where_nothing_can():
    chosen = evaluate.calibrate(rows([0.9, 0.8], [0.2]))
    assert 0.2 < chosen.threshold < 0.8 and chosen.kept == chosen.refused == 1
    same = evaluate.calibrate(rows([0.5, 0.5], [0.5]))
    assert same.kept + same.refused == 1
    zero = evaluate.calibrate(rows([0.0], [0.0]))
    assert zero.kept + zero.refused == 1
    for there, not_there in (([0.5], []), ([], [0.5])):
        with pytest.raises(OptionError, match="both kinds"):
            evaluate.calibrate(rows(there, not_there))


def answered(*told: tuple[bool, float, bool]) -> pd.DataFrame:
    """Rows of questions: whether they have an answer, their relevance, and whether the model did right."""
    rows = [
        {"answerable": there, "relevance": relevance, "text": "…", "right": float(good) if there else float("nan")}
        | {"abstained": float(good and not there), "cited": float(good) if there else float("nan"), "supported": 1.0}
        for there, relevance, good in told
    ]
    return pd.DataFrame(rows)


def test_threshold_counts_what_the_model_makes_of_the_questions():
    rows = answered((True, 0.9, True), (True, 0.7, True), (True, 0.6, False), (False, 0.8, True), (False, 0.5, False))
    # The search alone would have to choose between 0.8 and 0.5; the model refuses the first by itself and errs at 0.6 in any case.
    chosen = evaluate.calibrate(rows)
    assert 0.5 < chosen.threshold < 0.7 and (chosen.kept, chosen.refused) == (pytest.approx(2 / 3), 1.0)
    assert "are answered rightly" in str(chosen)


def test_threshold_does_not_buy_one_kind_with_the_other():
    # Refusing everything refuses 3 of 3 and keeps 1 of 4: a greater sum than at any other threshold but one, which is fairer.
    chosen = evaluate.calibrate(rows([0.95, 0.4, 0.3, 0.2], [0.9, 0.35, 0.1]))
    assert min(chosen.kept, chosen.refused) == 0.5 and 0.2 < chosen.threshold < 0.4


def test_cross_validated_threshold_does_not_know_its_question():
    rows = answered(*[(True, 0.6 + n / 100, True) for n in range(10)], *[(False, 0.3 + n / 100, False) for n in range(10)])
    crossed = evaluate.cross_validate(rows, folds=5)
    assert crossed["threshold"].between(0.35, 0.61).all() and list(crossed["relevance"]) == list(rows["relevance"])
    assert evaluate.summary(crossed).value[["right", "abstained"]].tolist() == [1.0, 1.0]
    # One answerable question lies low: the others' threshold refuses it, which a threshold that has seen it need not.
    odd = answered((True, 0.36, True), *[(True, 0.6, True)] * 3, *[(False, 0.35, False)] * 4)
    assert evaluate.calibrate(odd).kept == 1.0
    crossed = evaluate.cross_validate(odd, folds=4)
    assert list(crossed[crossed["answerable"]]["right"]) == [0.0, 1.0, 1.0, 1.0]
    assert crossed.loc[0, "abstained"] == 1.0 and crossed.loc[0, "cited"] == 0.0 and pd.isna(crossed.loc[0, "supported"])
    assert crossed.equals(evaluate.cross_validate(odd, folds=4)) and "threshold" not in odd.columns


def test_cross_validation_refuses_what_it_cannot_part():
    with pytest.raises(OptionError, match="No model was asked"):
        evaluate.cross_validate(rows([0.5, 0.6], [0.1, 0.2]))
    two = answered((True, 0.6, True), (True, 0.7, True), (False, 0.1, False), (False, 0.2, False))
    for folds in (1, 3, True, 2.0):
        with pytest.raises(OptionError, match="folds="):
            evaluate.cross_validate(two, folds=folds)
    assert len(evaluate.cross_validate(two, folds=2)) == 4


def test_threshold_of_one_language_serves_the_other(kb):
    with lab.KnowledgeBase.from_folder(DATA / "es", "mini-embed", fields=["text"], size=100) as spanish:
        chosen = evaluate.calibrate(evaluate.each(spanish, DATA / "questions" / "es.jsonl", sentences=3))
    found = evaluate.each(kb, DATA / "questions" / "en.jsonl", sentences=3, threshold=chosen.threshold)
    nothing = found[~found["answerable"]]["relevance"] == 0
    assert nothing.mean() >= 0.8 and (found[found["answerable"]]["relevance"] > 0).mean() >= 0.6
