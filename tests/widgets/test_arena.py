"""The arena: rounds and votes without a widget, answers at once, blind until the vote."""

from __future__ import annotations

import pytest

import labkit as lab
from labkit.chat import Reply
from labkit.errors import OptionError
from labkit.experiments.votes import tally
from labkit.widgets._arena import Round, results

from ..servers.misbehaving import Misbehaving, drips, sends
from .helpers import NDJSON, PAYLOAD, click, done, enter, ollama_line, shown

PROMPT = "What is a token?"


@pytest.fixture(scope="module")
def models():
    with lab.load("mini-m") as one, lab.load("mini-m", context_window=512) as two:
        two.name = "mini-m-small"
        yield one, two


@pytest.fixture
def arena(models):
    return lab.widgets.arena(models, seed=1, temperature=0, max_tokens=15)


def round_of(*models: str, vote: int | None) -> Round:
    return Round("p", models, {name: Reply(f"text of {name}", name, "stop") for name in models}, vote=vote)


def test_votes_of_rounds_are_tallied_whatever_the_order():
    rounds = [round_of("a", "b", vote=0), round_of("b", "a", vote=1), round_of("a", "b", vote=-1), round_of("a", "b", vote=None)]
    (row,) = results(rounds).to_dict("records")
    assert (row["first"], row["wins"], row["losses"], row["ties"]) == ("a", 2, 0, 1) and row["low"] < row["share"] == 1.0
    pairs = [pair for one in rounds for pair in one.pairs()]
    assert results(rounds).equals(tally([p for p, _ in pairs], [v for _, v in pairs]))
    assert results([]).empty


def test_the_best_of_three_wins_against_both():
    rows = results([round_of("a", "b", "c", vote=2)]).to_dict("records")
    assert [(r["first"], r["second"], r["wins"], r["losses"]) for r in rows] == [("a", "c", 0, 1), ("b", "c", 0, 1)]


def test_many_votes_become_clear():
    few, many = (results([round_of("a", "b", vote=0)] * n) for n in (4, 6))
    assert not few["clear"][0] and many["clear"][0]


def test_answers_are_blind_until_the_vote(arena, models):
    assert all(button.disabled for button in arena.vote_buttons) and "No votes yet" in arena.text
    enter(arena.prompt, PROMPT)
    (one,) = done(arena).rounds
    expected = models[0].chat(PROMPT, temperature=0, max_tokens=15).text
    assert one.complete and {reply.text for reply in one.replies.values()} == {expected}
    for column in arena.columns:
        assert lab.display.escape(expected) in column.value and "mini-m" not in column.value and "tokens/s" not in column.value
    assert "mini-m" not in arena.text.split("\n", 1)[1] and "mini-m" not in arena.snapshot().partition("</b>")[2]
    click(arena.vote_buttons[0])
    assert one.vote == 0 and one.models[0] in arena.columns[0].value and "your vote" in arena.columns[0].value
    assert "A = " in arena.status.value and "no clear difference" in arena.table.value and all(b.disabled for b in arena.vote_buttons)


def test_votes_add_up_and_the_text_says_so(arena):
    for vote in (1, 2):
        enter(arena.prompt, PROMPT)
        click(done(arena).vote_buttons[vote])
    row = results(arena.rounds).to_dict("records")[0]
    assert row["wins"] + row["losses"] == 1 and row["ties"] == 1
    bundle = arena._repr_mimebundle_()
    assert "\t1\t" in arena.text and bundle["text/plain"] == arena.text and "Your votes" in bundle["text/html"]
    assert "%" in arena.table.value


def test_open_rounds_show_names_where_not_blind(arena):
    arena.blind.value = False
    enter(arena.prompt, PROMPT)
    assert all("mini-m" in column.value and "tokens" in column.value for column in done(arena).columns)


def test_stop_and_a_dead_server_leave_nothing_to_vote_on(models, misbehaving_server):
    misbehaving_server.faults["/api/chat"] = drips(NDJSON, ollama_line("word "), 0.02)
    arena = lab.widgets.arena([models[0], f"ollama:good@{misbehaving_server.url}"], max_tokens=10)
    seen = []
    for column in arena.columns:
        column.observe(lambda change: seen.append(change.new), "value")
    enter(arena.prompt, PROMPT)
    while not any("word word" in text for text in seen):
        assert not arena.wait(0.05)
    click(arena.stop_button)
    assert {"cancelled"} <= {reply.finish_reason for reply in done(arena).rounds[0].replies.values()}
    assert all(button.disabled for button in arena.vote_buttons)
    dead = lab.widgets.arena([models[0], "ollama:good@http://127.0.0.1:9"], max_tokens=10)
    enter(dead.prompt, PROMPT)
    done(dead)
    assert sum("127.0.0.1:9" in column.value and "lk-error" in column.value for column in dead.columns) == 1
    assert len(dead.rounds[0].replies) == 1 and all(b.disabled for b in dead.vote_buttons) and "nothing to vote on" in dead.status.value


def test_whatever_was_said_is_escaped(misbehaving_server):
    lines = ollama_line(PAYLOAD), ollama_line("", done=True), b"0\r\n\r\n"
    misbehaving_server.faults["/api/chat"] = sends(NDJSON, *lines)
    with Misbehaving() as second:
        second.faults["/api/chat"] = sends(NDJSON, *lines)
        arena = lab.widgets.arena([f"ollama:good@{misbehaving_server.url}", f"ollama:good@{second.url}"])
        arena.twin_button.value = True
        enter(arena.prompt, PAYLOAD)
        click(done(arena).vote_buttons[0])
    markup = [
        *(column.value for column in arena.columns),
        arena.table.value,
        arena.status.value,
        arena._twin.value,
        arena._frozen()["text/html"],
    ]
    assert not any("<img" in text or "<script" in text for text in markup) and "&lt;img" in arena.columns[0].value


def test_languages_labels_and_arguments(models):
    arena = lab.widgets.arena(models, lang="es", max_tokens=3)
    enter(arena.prompt, "¿Qué es un token?")
    click(done(arena).vote_buttons[2])
    text = shown(arena) + arena.text
    assert "Mejor A" in text and "Empate" in text and not any(word in text for word in ("is better", "Your votes", "Blind"))
    assert all(control.description for control in (arena.prompt, arena.blind, arena.ask_button, *arena.vote_buttons))
    for wrong in (["mini-m"], ["mini-m", "mini-m"], list("abcde")):
        with pytest.raises(OptionError):
            lab.widgets.arena(wrong)
    with pytest.raises(OptionError):
        lab.widgets.arena(models, temprature=1)
