"""A chat with a model: what `model.stream` does, with a conversation kept around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ipywidgets as ipw  # type: ignore[import-untyped]

from ..backends.base import Model, Stream
from ..chat import MAX_SEED, Message, Options, Reply
from ..display import escape, sent_html
from ..errors import ContextWindowExceededError, OptionError
from ._models import Shelf, as_list, shipped_chat_models
from ._panel import Panel, error_text


@dataclass
class Turn:
    """A question, and the answer as far as it came.

    Attributes
    ----------
    question : str
    model : str
        Who answers.
    reply : Reply or None
        None until it ends, and where it never began.
    error : str
        Why it broke off.
    """

    question: str
    model: str = ""
    reply: Reply | None = None
    error: str = ""

    @property
    def answer(self) -> str:
        """The text of the answer."""
        return self.reply.text if self.reply else ""


@dataclass
class Conversation:
    """Turns with a model, and what is sent to go on.

    Attributes
    ----------
    system : str
        System prompt, put first in every request.
    options : Options
    turns : list of Turn
    """

    system: str = ""
    options: Options = field(default_factory=Options)
    turns: list[Turn] = field(default_factory=list)
    retries: int = 0

    def messages(self, question: str) -> list[Message]:
        """What a request for this question carries: the system prompt, the turns that were answered, the question."""
        out = [Message("system", self.system.strip())] if self.system.strip() else []
        for turn in self.turns:
            if turn.answer:
                out += [Message("user", turn.question), Message("assistant", turn.answer)]
        return [*out, Message("user", question)]

    def ask(self, model: Model, question: str) -> Stream:
        """Ask on: a stream of the answer; hand its reply to `answered`."""
        if not question.strip():
            raise OptionError("The message is empty.", fix="Write something first.")
        stream = model.stream(self.messages(question), options=self.options)
        self.turns.append(Turn(question, model.name))
        self.retries = 0
        return stream

    def again(self, model: Model) -> Stream:
        """Ask the last question once more; where a seed was given, from the next one, since the same would give the same text."""
        question = self.take_back()
        self.retries += 1
        seed = self.options.seed
        options = self.options if seed is None else replace(self.options, seed=(seed + self.retries) % (MAX_SEED + 1))
        try:
            return model.stream(self.messages(question), options=options)
        finally:
            self.turns.append(Turn(question, model.name))

    def take_back(self) -> str:
        """Remove the last turn and return its question, to change it."""
        if not self.turns:
            raise OptionError("There is no message to change.", fix="Send one first.")
        return self.turns.pop().question

    def answered(self, reply: Reply | None, error: str = "") -> None:
        """Put the reply, or what there is of it and why it ended, into the last turn."""
        self.turns[-1].reply, self.turns[-1].error = reply, error


class Chat(Panel):
    """See `chat`."""

    def __init__(self, models: Sequence[Model | str | Path], system: str, lang: str | None, options: Options) -> None:
        super().__init__(lang, "chat_title")
        self.shelf = Shelf(models)
        self.conversation = Conversation(system, options)
        wide = {"width": "98%"}
        label = {"description_width": "8em"}
        self.picker = ipw.Dropdown(
            options=self.shelf.names, description=self._t("model"), style=label, layout={"width": "32em", "max_width": "98%"}
        )
        self.system = ipw.Textarea(
            system, description=self._t("system"), placeholder=self._t("system_empty"), rows=2, style=label, layout=wide
        )
        self.question = ipw.Text(description=self._t("message"), placeholder=self._t("message_empty"), style=label, layout=wide)
        self._on_enter(self.question, self.ask)
        self.history, self.current = ipw.HTML(layout=wide), ipw.HTML(layout=wide)
        self.ask_button = self._button("ask", self.ask, reads=True, button_style="primary")
        self.again_button = self._button("again", self.again)
        self.edit_button = self._button("edit", self.edit)
        self.clear_button = self._button("clear", self.clear)
        self.sent_button, self._sent, self._show_sent = self._folded("sent", self._what_was_sent)
        buttons = self._row(self.ask_button, self.stop_button, self.again_button, self.edit_button, self.clear_button)
        self._build(
            (
                self.picker,
                self.system,
                self.history,
                self.current,
                self.question,
                buttons,
                self.status,
                self._row(self.sent_button),
                self._sent,
            )
        )
        self._draw()
        self._set_busy(False)

    # -- what the person does ----------------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Send what stands in the message field."""
        question = self.question.value
        if not question.strip():
            self._say(self._t("message_empty"))
        else:
            self._answer(lambda model: self.conversation.ask(model, question))

    def again(self) -> None:
        """Answer the last message again."""
        if self.conversation.turns:
            self._answer(self.conversation.again)

    def edit(self) -> None:
        """Take the last message back into the field."""
        if self.conversation.turns and not self.busy:
            self.question.value = self.conversation.take_back()
            self._settle()

    def clear(self) -> None:
        """Forget the conversation."""
        if not self.busy:
            self.conversation.turns.clear()
            self._settle()

    def _settle(self) -> None:
        self.status.value = ""
        self._draw()
        self._set_busy(False)
        self._show_sent()
        self._changed()

    # -- the answer --------------------------------------------------------------------------------------------------------------

    def _answer(self, begin: Callable[[Model], Stream]) -> None:
        name = self.picker.value
        self.conversation.system = self.system.value

        def work() -> None:
            if not self.shelf.has(name):
                self._say(self._t("loading", name=name))
            model = self.shelf.get(name)
            if not self._cancelled.is_set():
                self._say(self._t("waiting", name=name, seconds=self.conversation.options.timeout))
                self._stream(begin(model))
            else:
                self._say(self._t("stopped"))

        self._start(work)

    def _stream(self, stream: Stream) -> None:
        turn = self.conversation.turns[-1]
        if self.question.value == turn.question:
            self.question.value = ""  # only now: what could not be sent stays in the field
        self._draw()
        first = 0.0

        def show(elapsed: float, pieces: int) -> None:
            nonlocal first
            first = first or elapsed
            self.current.value = turn_html(self._t, Turn(turn.question, turn.model, stream.so_far()))
            if elapsed > first:
                self._say(self._t("figures_live", first=first, speed=(pieces - 1) / (elapsed - first), elapsed=elapsed))

        try:
            self.conversation.answered(self._follow(stream, show))
            self._say(figures(turn.reply, self._t))
        except Exception as error:
            if isinstance(error, ContextWindowExceededError) and any(earlier.answer for earlier in self.conversation.turns[:-1]):
                self.question.value = self.conversation.take_back()  # every later one would fail too: what helps is another button
                self._say(self._t("window_full", button=self._t("clear")))
            else:
                self.conversation.answered(stream.reply, error_text(error, self.lang))
                raise
        finally:
            self._draw()
            self._show_sent()

    # -- what is shown -----------------------------------------------------------------------------------------------------------

    def _set_busy(self, busy: bool) -> None:
        for control in (self.ask_button, self.picker, self.clear_button):
            control.disabled = busy
        for control in (self.again_button, self.edit_button):
            control.disabled = busy or not self.conversation.turns

    def _draw(self) -> None:
        turns = self.conversation.turns
        self.history.value = "".join(turn_html(self._t, turn) for turn in turns[:-1])
        self.current.value = turn_html(self._t, turns[-1]) if turns else f"<div class='lk-note'>{escape(self._t('no_turns'))}</div>"

    def _what_was_sent(self) -> str:
        replies = [turn.reply for turn in self.conversation.turns if turn.reply]
        sent = sent_html(replies[-1].sent, self.lang) if replies else escape(self._t("nothing_sent"))
        return f"<div class='lk-what' tabindex='0'>{sent}</div>"

    @property
    def text(self) -> str:
        """The conversation as plain text, with the figures of each answer."""
        lines = [f"{self.title}: {', '.join(self.shelf.names)}"]
        if self.conversation.system.strip():
            lines.append(f"{self._t('system')}: {self.conversation.system.strip()}")
        for turn in self.conversation.turns:
            lines += [f"{self._t('you')}: {turn.question}", f"{turn.model}: {turn.answer}"]
            lines += [f"({figures(turn.reply, self._t)})"] if turn.reply else []
            lines += [turn.error] if turn.error else []
        return "\n".join(lines if self.conversation.turns else [*lines, self._t("no_turns")])

    def snapshot(self) -> str:
        """The conversation, and what was sent last, as HTML."""
        turns = self.conversation.turns
        body = "".join(turn_html(self._t, turn) + note(figures(turn.reply, self._t)) for turn in turns) or note(self._t("no_turns"))
        sent = f"<details><summary>{escape(self._t('what_sent'))}</summary>{self._what_was_sent()}</details>" if turns else ""
        return f"<b>{escape(self.title)}: {escape(', '.join(self.shelf.names))}</b>{body}{sent}"


def note(text: str) -> str:
    """A small line."""
    return f"<div class='lk-note'>{escape(text)}</div>" if text else ""


def turn_html(t: Callable[..., str], turn: Turn) -> str:
    """A question and its answer."""
    thinking = turn.reply.thinking if turn.reply else ""
    parts = [said(t("you"), turn.question)]
    if thinking:
        body = f"<div class='lk-turn'>{escape(thinking)}</div>"
        parts.append(f"<details class='lk-note'><summary>{escape(t('thinking'))}</summary>{body}</details>")
    parts.append(said(turn.model, turn.answer, "lk-model") if turn.answer or not turn.error else "")
    return "".join(parts) + note(turn.error)


def said(who: str, text: str, kind: str = "") -> str:
    """What somebody said, with the name above it."""
    return f"<div class='lk-turn {kind}'><div class='lk-who'>{escape(who)}</div>{escape(text)}</div>"


def figures(reply: Reply | None, t: Callable[..., str]) -> str:
    """What a reply took, in one line: wait, speed, tokens as the engine counted them, why it ended."""
    if reply is None:
        return ""
    usage, timing, parts = reply.usage, reply.timing, []
    if timing.time_to_first_token is not None:
        parts.append(t("first_token", value=timing.time_to_first_token))
    if timing.tokens_per_second is not None:
        parts.append(t("speed", value=timing.tokens_per_second))
    if usage.completion_tokens is not None:
        parts.append(t("tokens", prompt=usage.prompt_tokens, completion=usage.completion_tokens))
    return " · ".join([*parts, t(f"ended_{reply.finish_reason}")])


def chat(
    model: Model | str | Path | Sequence[Model | str | Path] = "mini-m",
    *,
    system: str = "",
    lang: str | None = None,
    options: Options | None = None,
    **changes: Any,
) -> Chat:
    """Talk with a model: it streams, can be stopped, asked again, and shows what was sent.

    Parameters
    ----------
    model : Model, str or list of them
        Who answers first; the shipped chat models and the others of a list can be picked. Names are loaded when first asked.
    system : str
        System prompt to begin with.
    lang : {'en', 'es'}, optional
        Language of the widget; by default the reader's.
    options : Options
        How to generate; by default `Options()`.
    **changes
        Options by name: ``temperature=0, max_tokens=100``.

    Returns
    -------
    Chat
        A widget: show it as the last line of a cell. `.conversation` holds the turns, `.text` the conversation as plain text.
    """
    return Chat([*as_list(model), *shipped_chat_models()], system, lang, Options.of(options, **changes))
