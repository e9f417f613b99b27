"""The chat: a conversation without a widget, and the widget as a person uses it."""

from __future__ import annotations

import pytest

import labkit as lab
from labkit.chat import Options
from labkit.errors import ModelNotFoundError, OptionError, ServerNotRunningError
from labkit.widgets._chat import Conversation

from ..servers.misbehaving import drips, sends, stalls
from .helpers import NDJSON, PAYLOAD, SECONDS, click, done, enter, ollama_line, shown


@pytest.fixture(scope="module")
def model():
    with lab.load("mini-m") as model:
        yield model


@pytest.fixture
def widget(model):
    return lab.widgets.chat(model, temperature=0, max_tokens=30)


def test_conversation_carries_what_was_said(model):
    talk = Conversation("Be short.", Options(temperature=0, max_tokens=10))
    talk.answered(talk.ask(model, "Hello!").finish())
    assert [m.role for m in talk.messages("Next?")] == ["system", "user", "assistant", "user"]
    direct = model.chat("Hello!", system="Be short.", temperature=0, max_tokens=10)
    assert talk.turns[0].answer == direct.text
    second = talk.ask(model, "And now?")
    assert second.finish().sent.prompt.count("user") == 2
    talk.answered(second.reply)
    assert talk.take_back() == "And now?" and len(talk.turns) == 1


def test_conversation_asks_again_from_another_seed(model):
    talk = Conversation(options=Options(seed=7, max_tokens=10))
    seeds = []
    talk.answered(talk.ask(model, "Tell a story.").finish())
    for _ in range(2):
        seeds.append(talk.turns[-1].reply.sent.request["seed"])
        talk.answered(talk.again(model).finish())
    assert [*seeds, talk.turns[-1].reply.sent.request["seed"]] == [7, 8, 9] and len(talk.turns) == 1


def test_conversation_leaves_out_what_was_never_answered():
    talk = Conversation()
    with pytest.raises(OptionError):
        talk.again(None)
    with pytest.raises(OptionError):
        talk.ask(None, "  ")
    assert not talk.turns and [m.content for m in talk.messages("x")] == ["x"]


def test_enter_sends_and_the_answer_stays(widget, model):
    enter(widget.question, "What is a GGUF file?")
    done(widget)
    answer = model.chat("What is a GGUF file?", temperature=0, max_tokens=30).text
    assert widget.conversation.turns[0].answer == answer
    assert lab.display.escape(answer) in widget.current.value and widget.question.value == ""
    assert "tokens/s" in widget.status.value and "tokens" in widget.text and answer in widget.text
    assert widget.stop_button.disabled and not widget.again_button.disabled


def test_regenerate_edit_and_new_chat(widget):
    assert widget.again_button.disabled and widget.edit_button.disabled
    enter(widget.question, "Hello!")
    click(done(widget).again_button)
    assert len(done(widget).conversation.turns) == 1
    enter(widget.question, "And?")
    click(done(widget).edit_button)
    assert widget.question.value == "And?" and len(widget.conversation.turns) == 1
    click(widget.clear_button)
    assert not widget.conversation.turns and "No messages yet" in widget.text and widget.edit_button.disabled


def test_system_prompt_and_what_was_sent(widget):
    widget.system.value = "Answer in one word."
    widget.sent_button.value = True
    assert "Nothing was sent" in widget._sent.value
    enter(widget.question, "Hello!")
    done(widget)
    assert "Answer in one word." in widget._sent.value and "temperature" in widget._sent.value and widget._sent.layout.display is None
    widget.sent_button.value = False
    assert widget._sent.layout.display == "none" and widget._sent.value == ""


def test_text_twin_follows(widget):
    widget.twin_button.value = True
    enter(widget.question, "Hello!")
    done(widget)
    assert lab.display.escape(widget.conversation.turns[0].answer) in widget._twin.value
    widget.twin_button.value = False
    assert widget._twin.value == ""


def test_empty_message_asks_for_one(widget):
    click(widget.ask_button)
    assert not widget.busy and "Ask something" in widget.status.value


def test_whatever_was_said_is_escaped(misbehaving_server):
    misbehaving_server.faults["/api/chat"] = sends(
        NDJSON, ollama_line(PAYLOAD), ollama_line("", done=True, done_reason="stop", prompt_eval_count=3, eval_count=2), b"0\r\n\r\n"
    )
    widget = lab.widgets.chat(f"ollama:good@{misbehaving_server.url}", system=PAYLOAD)
    widget.sent_button.value = widget.twin_button.value = True
    enter(widget.question, PAYLOAD)
    done(widget)
    assert widget.conversation.turns[0].answer == PAYLOAD
    bundle = widget._repr_mimebundle_()
    markup = [part.value for part in (widget.history, widget.current, widget.status, widget._sent, widget._twin)]
    for text in [*markup, bundle["text/html"]]:
        assert "<img" not in text and "<script" not in text and "</script" not in text
    assert "&lt;img" in widget.current.value and PAYLOAD in bundle["text/plain"]


def test_stop_keeps_what_had_arrived(misbehaving_server):
    misbehaving_server.faults["/api/chat"] = drips(NDJSON, ollama_line("word "), 0.02)
    widget = lab.widgets.chat(f"ollama:good@{misbehaving_server.url}")
    seen = []
    widget.current.observe(lambda change: seen.append(change.new), "value")
    enter(widget.question, "Go on for ever.")
    while not any("word word" in text for text in seen):  # it arrives while it streams
        assert widget.busy and not widget.wait(0.05)
    click(widget.stop_button)
    turn = done(widget).conversation.turns[0]
    assert turn.reply.finish_reason == "cancelled" and turn.answer.startswith("word word") and "stopped" in widget.status.value


def test_a_silent_server_can_be_stopped(misbehaving_server):
    misbehaving_server.faults["/api/chat"] = stalls(NDJSON)
    widget = lab.widgets.chat(f"ollama:good@{misbehaving_server.url}")
    enter(widget.question, "Hello?")
    while "Waiting" not in widget.status.value:
        assert not widget.wait(0.05)
    click(widget.stop_button)
    assert done(widget).conversation.turns[0].reply.finish_reason == "cancelled"


def test_a_slow_server_ends_at_the_deadline_and_says_so(misbehaving_server):
    misbehaving_server.faults["/api/chat"] = stalls(NDJSON, ollama_line("half "))
    widget = lab.widgets.chat(f"ollama:good@{misbehaving_server.url}", timeout=0.5)
    enter(widget.question, "Hello?")
    done(widget)
    assert "not complete after 0.5 s" in widget.status.value and "half" in widget.current.value and not widget.ask_button.disabled
    assert "not complete after 0.5 s" in widget.text and "role='alert'" in widget.status.value


def test_a_dead_server_shows_its_error_in_place_and_the_next_model_answers(model):
    widget = lab.widgets.chat(["ollama:good@http://127.0.0.1:9", model], max_tokens=5)
    enter(widget.question, "Hello?")
    done(widget)
    assert "127.0.0.1:9" in widget.status.value and "lk-error" in widget.status.value
    assert widget.question.value == "Hello?" and not widget.conversation.turns  # nothing was lost
    widget.picker.value = model.name
    click(widget.ask_button)
    assert done(widget).conversation.turns[0].model == model.name and "lk-error" not in widget.status.value
    with pytest.raises(ServerNotRunningError):
        lab.load("ollama:good@http://127.0.0.1:9").chat("Hello?")


def test_what_does_not_fit_is_said_and_can_be_edited(widget):
    enter(widget.question, "word " * 3000)
    done(widget)
    assert "context window" in widget.status.value and widget.conversation.turns[0].error
    click(widget.edit_button)
    assert widget.question.value.startswith("word") and not widget.conversation.turns


@pytest.mark.parametrize(("lang", "button"), [("en", "New chat"), ("es", "Nueva conversación")])
def test_a_full_window_gives_the_message_back_and_names_the_way_on(lang, button):
    with lab.load("mini-m", context_window=128) as small:
        widget = lab.widgets.chat(small, lang=lang, max_tokens=5)
        for _ in range(5):
            enter(done(widget).question, "word " * 40)
        assert done(widget).question.value == "word " * 40 and all(turn.answer for turn in widget.conversation.turns)
        assert f" {button} " in widget.status.value and "truncate" not in widget.status.value
        click(widget.clear_button)
        click(widget.ask_button)
        assert done(widget).conversation.turns[0].answer and not widget.question.value


def test_wrong_arguments_fail_at_once(model):
    for call in (
        lambda: lab.widgets.chat(model, lang="fr"),
        lambda: lab.widgets.chat(model, temprature=1),
    ):
        with pytest.raises(OptionError):
            call()
    widget = lab.widgets.chat("mini-x")
    enter(widget.question, "Hello!")
    assert "mini-x" in done(widget).status.value
    with pytest.raises(ModelNotFoundError):
        lab.load("mini-x")


def test_spanish_says_everything_in_spanish(model):
    widget = lab.widgets.chat(model, lang="es", max_tokens=5)
    enter(widget.question, "¡Hola!")
    done(widget).sent_button.value = True
    text = shown(widget) + widget.text
    assert "Enviar" in text and "Tú" in text and "primer token" in text and "enviado</th>" in text
    assert not any(word in text for word in ("Send", "Message", "You:", "first token"))


def test_every_control_is_labelled_and_focus_follows_the_page(widget):
    controls = [widget.picker, widget.system, widget.question, widget.ask_button, widget.stop_button, widget.again_button]
    assert all(control.description for control in controls)
    order = []

    def walk(part):
        if part in controls:
            order.append(part)
        for child in getattr(part, "children", ()):
            walk(child)

    walk(widget)
    assert order == controls


def test_snapshot_stands_beside_the_view(widget):
    bundle = widget._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
    enter(widget.question, "Hello!")
    done(widget)
    later = widget._repr_mimebundle_()
    answer = widget.conversation.turns[0].answer
    assert answer in later["text/plain"] and lab.display.escape(answer) in later["text/html"]
    assert widget.wait(SECONDS) and repr(widget) == widget.text
