"""What kind of thing a question asks for, and what happens to an answer that names none."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from labkit.chat import Reply
from labkit.rag import answer, evaluate, kinds
from labkit.rag.chunks import Passage
from labkit.rag.retrieve import Hit, Hits
from labkit.zoo.training import texts
from labkit.zoo.training.sample import Draw
from labkit.zoo.training.skills.entries import from_document

DATA = Path(__file__).parents[2] / "data"
LUNCH = "Lunch in the Galley costs 4.80 euros."


def prepared(question: str, *passages: str) -> answer.Prepared:
    found = [Hit(Passage(f"{n}.txt", text, 0, len(text), None, 9), 1.0, n, {}, 1.0, n) for n, text in enumerate(passages, 1)]
    return answer.prepare(question, Hits(found, question, "hybrid"), None)


@pytest.mark.parametrize(
    ("question", "kind", "names", "names_none"),
    [
        ("Until what time is the office open?", "time", ["From 8:20 to 13:10.", "Until half past twelve.", "At 9 a.m."], ["On 3 May."]),
        ("¿A qué hora suena la campana?", "time", ["A las siete y media.", "A las 7:55."], ["El lunes.", "Cuesta 4.50 euros."]),
        ("In what year was it built?", "year", ["In 1934."], ["Twenty-six years ago.", "It cost 950 euros."]),
        ("How much does a bed cost?", "price", ["95 euros a month.", "€95", "Nothing at all."], ["A bed has two blankets."]),
        ("¿Cuánto hay que pagar por aparcar?", "price", ["Tres coronas.", "Es gratis."], ["Se aparca detrás."]),
        (
            "How many pupils are there?",
            "number",
            ["31 [2]", "Nine at most.", "There are 1230 pupils."],
            ["[1] From 1978 to 1985.", "At 9:30."],
        ),
        ("¿Qué profundidad tiene el agua?", "number", ["Tres metros.", "Unos 12 m."], ["El 27 de octubre no habrá agua de 9:00 a 14:30."]),
        ("How deep is it?", "number", ["It is 4 metres deep on 3 May."], ["On 3 May it is turned off at 9:00."]),
        ("How far is it to the ferry?", "number", ["Ninety metres."], ["The ferry is behind the school."]),
        ("How much does the cargo bicycle cost?", "price", ["Ox, cargo bicycle | X4 | 7.50 | 180", "6,400 florins."], ["Ox | Mia"]),
        ("How long may I stay?", "length of time", ["Two hours.", "Until six.", "A week.", "For a term."], ["Behind the tannery."]),
        ("¿Cuánto tiempo se conserva?", "length of time", ["Medio año.", "Siempre."], ["La pomada está en un tarro."]),
        ("What colour is the hull?", "colour", ["It is dark-blue."], ["It is long."]),
        ("¿De qué color es la tapa?", "colour", ["Rojas."], ["De hierro."]),
        ("How much is a new one?", "amount", ["12 euros.", "Nothing."], ["Whoever comes often buys the year card."]),
        ("On which day is the library open?", "day", ["On Mondays.", "On 3 May at nine.", "Every day."], ["At 9:30, upstairs."]),
        ("What is the telephone number of the doctor?", "telephone number", ["4417", "555 01-23"], ["In 1996, at 9:30."]),
        ("¿Cuál es el correo electrónico?", "e-mail address", ["a@b.example"], ["Está en el piso de arriba."]),
    ],
)
def test_a_text_names_what_was_asked_for_or_not(question, kind, names, names_none):
    assert kinds.asked(question) == kind
    assert [text for text in names if not kinds.named(kind, text)] == []
    assert [text for text in names_none if kinds.named(kind, text)] == []


@pytest.mark.parametrize("question", ["Who runs the office?", "¿Qué se come los jueves?", "", "How old is it? Which year?", "Wann? 9:30!"])
def test_of_other_questions_nothing_is_said(question):
    assert kinds.asked(question) in ("", "year")


def test_an_answer_that_names_no_such_thing_is_withheld_and_shown():
    asked = prepared("At what time is breakfast served in the Galley?", LUNCH)
    said = answer.finish(asked, Reply(f"[1] {LUNCH}", "m", "stop"))
    assert (said.text, said.abstained, said.checks, said.cited) == ("The passages do not say.", True, (), ())
    assert said.withheld == f"[1] {LUNCH}" and said.trace["check"].says == "withheld: it names no time"
    assert "4.80 euros" in said._repr_html_() and "it names no time" in said._repr_html_()
    kept = answer.finish(asked, Reply("[1] It is served at 7:30.", "m", "stop"))
    assert kept.withheld == "" and not kept.abstained
    for reply in (Reply("[1] It is", "m", "length"), Reply("The passages do not say.", "m", "stop"), Reply("", "m", "stop")):
        assert answer.finish(asked, reply).withheld == ""  # cut off, so that it may yet have come; or nothing is said that could be wrong


def test_a_withheld_answer_speaks_spanish():
    said = answer.finish(prepared("¿En qué año se construyó?", "Es azul."), Reply("[1] Es azul.", "m", "stop"))
    assert said.text == "Los pasajes no lo dicen." and said.trace["check"].says == "retenida: no dice ningún año"


@pytest.mark.parametrize("lang", ["en", "es"])
def test_hardly_a_right_answer_is_withheld_and_most_others_are(lang):
    """Over every text that was written for training, each with its questions: none was written with this in mind."""
    right = wrong = withheld_right = withheld_wrong = 0
    for document in texts.all_documents():
        entry = from_document(Draw(Random(0), lang), document)
        for ask in entry.asks:
            if kind := kinds.asked(ask.question):
                right += 1
                withheld_right += not kinds.named(kind, ask.answer)
                others = [text for text in entry.text.split(". ") if ask.value not in text]
                wrong += len(others)
                withheld_wrong += sum(not kinds.named(kind, text) for text in others)
    assert right > 500 and withheld_right <= 0.01 * right
    assert withheld_wrong >= 0.6 * wrong


@pytest.mark.parametrize("lang", ["en", "es"])
def test_no_answer_of_the_course_is_withheld(lang):
    for question in evaluate.read(DATA / "questions" / f"{lang}.jsonl"):
        if question.quote and (kind := kinds.asked(question.question)):
            assert kinds.named(kind, question.quote), question
