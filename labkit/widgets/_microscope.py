"""The RAG microscope: question → passages by similarity → what fits → answer, each sentence tied to the passages that it cites."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw  # type: ignore[import-untyped]

from ..backends.base import Model
from ..chat import Options
from ..display import escape, sent_html
from ..errors import ContextWindowExceededError, OptionError
from ..rag import answer as rag_answer
from ..rag import compress, retrieve
from ..rag.answer import Answer, Prepared
from ..rag.check import Check
from ..rag.retrieve import Hit, Hits
from ..rag.views import safe, withheld_html
from ._chat import figures, note
from ._models import Shelf
from ._panel import Panel

if TYPE_CHECKING:
    from ..rag.knowledge import KnowledgeBase

MOST_PASSAGES = 10


class Microscope(Panel):
    """See `microscope`.

    Attributes
    ----------
    hits : Hits or None
        What the last search found.
    answer : Answer or None
        The last answer; None while it is not whole.
    """

    hits: Hits | None = None
    answer: Answer | None = None

    def __init__(
        self, kb: KnowledgeBase, model: Model | str | Path, question: str, k: int, sentences: int, lang: str | None, options: Options
    ) -> None:
        super().__init__(lang, "microscope_title")
        self.kb, self.shelf, self._options = kb, Shelf([model]), options
        self._prepared: Prepared | None = None
        self._asked: tuple[str, str, int, int, float] | None = None
        self._arriving = ""
        style, wide = {"description_width": "10em"}, {"width": "98%"}
        narrow = {"width": "26em", "max_width": "98%"}
        self.question = ipw.Text(question, description=self._t("question"), placeholder=self._t("question_empty"), style=style, layout=wide)
        self._on_enter(self.question, self.ask)
        ways = [(self._t(f"how_{way}"), way) for way in retrieve.WAYS if way == "lexical" or kb._embedder is not None]
        self.how = ipw.Dropdown(options=ways, description=self._t("how"), style=style, layout=narrow)
        self.k = ipw.IntSlider(
            k, min=1, max=MOST_PASSAGES, description=self._t("passages"), tooltip=self._t("passages_hint"), style=style, layout=narrow
        )
        self.sentences = ipw.IntSlider(
            sentences,
            min=0,
            max=MOST_PASSAGES,
            description=self._t("sentences"),
            tooltip=self._t("sentences_hint"),
            style=style,
            layout=narrow,
        )
        self.threshold = ipw.FloatSlider(
            0.0,
            min=0.0,
            max=1.0,
            step=0.05,
            description=self._t("threshold"),
            tooltip=self._t("threshold_hint"),
            style=style,
            layout=narrow,
        )
        for control in (self.how, self.k, self.sentences, self.threshold):
            control.observe(self._search_again, "value")
        self.ask_button = self._button("ask_kb", self.ask, reads=True, button_style="primary")
        self.search_button = self._button("search", self.search, reads=True)
        self.found, self.fitted, self.said = ipw.HTML(layout=wide), ipw.HTML(layout=wide), ipw.HTML(layout=wide)
        self.sent_button, self._sent, self._show_sent = self._folded("sent", self._what_was_sent)
        controls = self._row(self.how, self.k, self.sentences, self.threshold)
        buttons = self._row(self.ask_button, self.search_button, self.stop_button)
        parts = (self.found, self.fitted, self.said, self._row(self.sent_button), self._sent)
        self._build((self.question, controls, buttons, self.status, *parts))
        self._draw()

    # -- what the person does ----------------------------------------------------------------------------------------------------

    def _settings(self) -> tuple[str, str, int, int, float]:
        return self.question.value, self.how.value, self.k.value, self.sentences.value, self.threshold.value

    def search(self) -> None:
        """Find passages; no model is asked."""
        if self._has_question():
            self._start(self._search)

    def ask(self) -> None:
        """Find passages and have the model answer from them."""
        if self._has_question():
            self._start(self._answer)

    def _has_question(self) -> bool:
        if self.question.value.strip():
            return True
        self._say(self._t("question_empty"))
        return False

    def _search_again(self, _: Any) -> None:
        if self._asked and self.question.value.strip():
            self._start(self._search)

    def _search(self) -> None:
        if not self.kb.passages:
            raise OptionError("This knowledge base is empty.", fix='Add documents: kb.add("data/en").')
        while self._asked != (asked := self._settings()):  # a slider that moved meanwhile is followed
            question, how, k, sentences, threshold = asked
            self.answer, self._prepared = None, None
            self.hits = self.kb.search(question, k, how, threshold=threshold or None, sentences=sentences)
            self._asked = asked
            self._draw()
        self._say(self._t("found", count=len(self.hits or ())))

    def _answer(self) -> None:
        self._asked = None
        self._search()
        name = self.shelf.names[0]
        if not self.shelf.has(name):
            self._say(self._t("loading", name=name))
        model = self.shelf.get(name)
        assert self.hits is not None
        room = self._options.max_tokens or rag_answer.ROOM
        prepared = self._prepared = rag_answer.prepare(self.hits.question, self.hits, model, room=room)
        self._draw()
        if not prepared.messages:
            self.answer = rag_answer.finish(prepared, None)
            self._say(self._t("nothing_relevant"))
        elif not self._cancelled.is_set():
            self._say(self._t("waiting", name=name, seconds=self._options.timeout))
            self._stream(model, prepared)
        self._draw()
        self._show_sent()

    def _stream(self, model: Model, prepared: Prepared) -> None:
        start = time.perf_counter()
        stream = model.stream(list(prepared.messages), options=self._options)

        def show(elapsed: float, pieces: int) -> None:
            self._arriving = stream.text
            self._draw_answer()

        try:
            reply = self._follow(stream, show)
        except ContextWindowExceededError:  # the engine counts more than was estimated: the plain function tries with fewer
            assert self.hits is not None
            options = {name: getattr(self._options, name) for name in ("temperature", "max_tokens", "seed", "timeout")}
            self.answer = rag_answer.ask(prepared.question, self.hits, model, prepared.lang, **options)
        else:
            self.answer = rag_answer.finish(prepared, reply, time.perf_counter() - start)
        finally:
            self._arriving = stream.text
        self._say(figures(self.answer.reply, self._t))

    # -- what is shown -----------------------------------------------------------------------------------------------------------

    def _set_busy(self, busy: bool) -> None:
        self.ask_button.disabled = self.search_button.disabled = busy

    def _draw(self) -> None:
        self.found.value = self._found_html()
        self.fitted.value = self._fitted_html()
        if self._prepared is None:
            self._arriving = ""
        self._draw_answer()

    def _draw_answer(self) -> None:
        self.said.value = self._answer_html()

    def _head(self, key: str) -> str:
        return f"<div class='lk-who'>{escape(self._t(key))}</div>"

    def _found_html(self) -> str:
        if self.hits is None:
            return note(self._t("nothing_searched"))
        left = self._left_out()
        rows = "".join(self._hit_html(hit, hit.rank in left) for hit in self.hits)
        more = [self._t("below", count=self.hits.below)] if self.hits.below else []
        more += [self._t("repeats", count=self.hits.repeats)] if self.hits.repeats else []
        return self._head("step_found") + (rows or note(self._t("nothing_relevant"))) + note(" · ".join(more))

    def _hit_html(self, hit: Hit, left_out: bool) -> str:
        bar = f"<div class='lk-after' style='width:{max(0.0, min(1.0, hit.relevance)):.1%}'></div>"
        numbers = " · ".join([self._t("relevance", value=hit.relevance), *self._parts(hit)])
        out = f" <b>{escape(self._t('left_out'))}</b>" if left_out else ""
        head = f"<div class='lk-who'>[{hit.rank}] {safe(hit.passage.place)}{out}</div>"
        track = f"<div class='lk-track' aria-hidden='true'>{bar}</div>"
        kind = "" if left_out else f"lk-passage-{hit.rank}"
        return f"<div class='lk-turn {kind}'>{head}{track}<div class='lk-note'>{escape(numbers)}</div>{safe(hit.passage.given)}</div>"

    def _parts(self, hit: Hit) -> list[str]:
        names = {"vector": "cosine", "lexical": "BM25", "words": self._t("shared_words")}
        return [f"{names[name]} {hit.parts[name]:.3g}" for name in names if name in hit.parts]

    def _fit(self) -> Any:
        steps = self._prepared.steps if self._prepared is not None else ()
        if self.answer is not None:
            steps = tuple(self.answer.trace)
        return next((step.data for step in steps if step.name == "fit"), None)

    def _left_out(self) -> set[int]:
        fit = self._fit()
        return {hit.rank for hit in fit["left_out"]} if fit else set()

    def _fit_text(self) -> str:
        fit = self._fit()
        if fit is None:
            return ""
        values = {"kept": fit["kept"], "tokens": fit["prompt_tokens"], "room": fit["room"], "window": fit["window"] or "?"}
        left = ", ".join(f"[{hit.rank}]" for hit in fit["left_out"])
        return self._t("fit", **values) + (" " + self._t("fit_left", left=left) if left else "")

    def _fitted_html(self) -> str:
        fit, steps = self._fit(), self._prepared.steps if self._prepared is not None else ()
        if fit is None:
            return ""
        changes = next((step.data["changes"] for step in steps if step.name == "clean"), ())
        changed = "".join(note(f"[{number}] {what}") for number, what in changes)
        return self._head("step_fit") + note(self._fit_text()) + changed

    def _answer_html(self) -> str:
        if self.answer is None:
            text = f"<div class='lk-turn lk-model'>{safe(self._arriving)}</div>" if self._arriving else ""
            return self._head("step_answer") + text if text else ""
        if self.answer.withheld:
            text = f"<div class='lk-turn lk-model'>{safe(self.answer.text)}</div>"
            return self._head("step_answer") + text + f"<div>{withheld_html(self.answer)}</div>"
        if not self.answer.checks:
            return self._head("step_answer") + f"<div class='lk-turn lk-model'>{safe(self.answer.text)}</div>"
        return self._head("step_answer") + "".join(self._check_html(one) for one in self.answer.checks)

    def _check_html(self, one: Check) -> str:
        # Pointing at a sentence, or tabbing to it, frames the passages that it cites (in the style sheet).
        cites = " ".join(f"lk-cites-{number}" for number in one.cites)
        sign = "✓" if one.supported else "✗"
        said = f"<div class='lk-note'>{sign} {safe(self._verdict(one))}</div>"
        return f"<div class='lk-turn lk-model {cites}' tabindex='0'>{safe(one.sentence)}{said}</div>"

    def _verdict(self, one: Check) -> str:
        if not one.cites:
            return self._t("cites_none")
        cited = ", ".join(f"[{number}]" for number in one.cites)
        known = len(self.answer.sources) if self.answer is not None else 0
        if wrong := [number for number in one.cites if not 1 <= number <= known]:
            return self._t("cites_wrong", number=wrong[0])
        if one.supported:
            return self._t("held", cited=cited)
        return self._t("not_held", cited=cited, missing=", ".join(one.missing) or one.problem)

    def _what_was_sent(self) -> str:
        sent = self.answer.sent if self.answer is not None else None
        html = sent_html(sent, self.lang) if sent is not None else escape(self._t("nothing_sent"))
        return f"<div class='lk-what' tabindex='0'>{html}</div>"

    @property
    def text(self) -> str:
        """Question, passages, what fits, and the answer with what holds up each sentence, as plain text."""
        lines = [f"{self.title}: {self.shelf.names[0]}"]
        if self.hits is None:
            return "\n".join([*lines, self._t("nothing_searched")])
        lines += [f"{self._t('question')}: {self.hits.question}", self._t("step_found")]
        for hit in self.hits:
            numbers = ", ".join([self._t("relevance", value=hit.relevance), *self._parts(hit)])
            lines.append(f"[{hit.rank}] {hit.passage.place} ({numbers}): {hit.passage.given}")
        lines += [self._t("nothing_relevant")] if not self.hits else []
        lines += [self._fit_text()] if self._fit_text() else []
        if self.answer is not None:
            lines += [self._t("step_answer"), self.answer.text]
            lines += [f"✗ {self.answer.withheld} ({self.answer.trace['check'].says})"] if self.answer.withheld else []
            lines += [f"{'✓' if one.supported else '✗'} {one.sentence} ({self._verdict(one)})" for one in self.answer.checks]
        return "\n".join(lines)

    def snapshot(self) -> str:
        """The same as HTML."""
        asked = note(f"{self._t('question')}: {self.hits.question}") if self.hits is not None else ""
        head = f"<b>{escape(self.title)}: {escape(self.shelf.names[0])}</b>{asked}"
        return head + self._found_html() + self._fitted_html() + self._answer_html()


def microscope(
    kb: KnowledgeBase | str | Path,
    model: Model | str | Path = "mini-m",
    question: str = "",
    *,
    k: int | None = None,
    sentences: int | None = None,
    lang: str | None = None,
    options: Options | None = None,
    **changes: Any,
) -> Microscope:
    """What happens between a question and its answer: passages by similarity, what fits, the answer and what holds up each sentence.

    Parameters
    ----------
    kb : KnowledgeBase, str or Path
        A folder is read into one.
    model : Model or str
        Who answers.
    question : str
        To begin with.
    k : int
        Passages to begin with, 1 to 10; by default 4, or 10 where sentences of them are shown.
    sentences : int
        Show and use at most so many sentences of the passages, 1 to 10, to begin with, or 0 for whole passages; by default as the model
        reads best.
    lang : {'en', 'es'}
        Language of the widget; the answer is in that of the question.
    options : Options
        How to generate; by default temperature 0, seed 0 and 128 tokens.
    **changes
        Options by name.

    Returns
    -------
    Microscope
        A widget: show it as the last line of a cell. `.answer` holds the answer with its trace, `.text` says what is shown.
    """
    if sentences is None:
        sentences = compress.best_for(model)
    if not isinstance(sentences, int) or isinstance(sentences, bool) or not 0 <= sentences <= MOST_PASSAGES:
        raise OptionError(f"sentences={sentences!r} is out of range.", fix=f"It is a whole number from 0 to {MOST_PASSAGES}.")
    k = compress.passages(k, sentences)
    if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= MOST_PASSAGES:
        raise OptionError(f"k={k!r} is out of range.", fix=f"It is a whole number from 1 to {MOST_PASSAGES}.")
    given = Options.of(options or Options(temperature=0.0, seed=0, max_tokens=rag_answer.ROOM), **changes)
    if isinstance(kb, str | Path):
        from ..rag.knowledge import KnowledgeBase

        kb = KnowledgeBase.from_folder(kb)
    return Microscope(kb, model, question, k, sentences, lang, given)
