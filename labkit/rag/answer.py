"""Fifth step: from passages to an answer that cites them, with everything that was done on the way.

`prepare` cleans and fits the passages and makes the messages; the model is asked; `finish` reads its citations and checks them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .. import prompts
from ..chat import Message, Reply, Sent
from ..errors import CapabilityError, ContextWindowExceededError
from ..wording import count, say
from . import hidden, kinds, words
from .check import Check, check, citations, says_nothing
from .chunks import Passage, estimate
from .retrieve import Hit, Hits
from .trace import Step, Trace

if TYPE_CHECKING:
    from ..backends.base import Model

ROOM = 128  # tokens kept for the answer
COUNTED = {"exactly": "counted exactly", "estimated": "estimated", "by the engine": "counted by the engine"}
TEMPLATE = 40  # tokens that a chat template may add, where they are estimated


@dataclass(frozen=True)
class Source:
    """A passage that the model got.

    Attributes
    ----------
    number : int
        As the answer cites it.
    passage : Passage
    text : str
        As the model got it: see the trace's step 'clean' for what was changed.
    cited : bool
    score : float
        Of the search.
    """

    number: int
    passage: Passage
    text: str
    cited: bool
    score: float

    def __str__(self) -> str:
        return f"[{self.number}] {self.passage.place}"


@dataclass(frozen=True)
class Answer:
    """An answer, where it is from, and how it came about.

    Attributes
    ----------
    question, text, lang : str
    sources : tuple of Source
        The passages that the model got; empty where nothing relevant was found.
    abstained : bool
        Whether it says that the passages do not say and nothing else, or nothing at all, or nothing relevant was found and no model was
        asked.
    withheld : str
        What the model said, where the question asks for a time, a price or the like (`rag.kinds`) and it names none; `text` then says
        that the passages do not say. Else empty.
    checks : tuple of Check
        Each sentence against the passages that it cites.
    trace : Trace
        Every step.
    reply : Reply or None
        Of the model; None where it was not asked.
    """

    question: str
    text: str
    lang: str
    sources: tuple[Source, ...] = ()
    abstained: bool = False
    withheld: str = ""
    checks: tuple[Check, ...] = ()
    trace: Trace = field(default_factory=Trace, repr=False)
    reply: Reply | None = field(default=None, repr=False)

    @property
    def sent(self) -> Sent | None:
        """What really went to the engine; None where no model was asked."""
        return self.reply.sent if self.reply is not None else None

    @property
    def supported(self) -> bool:
        """Whether every sentence is supported by what it cites."""
        return all(one.supported for one in self.checks)

    @property
    def cited(self) -> tuple[Source, ...]:
        """The sources that the answer cites."""
        return tuple(source for source in self.sources if source.cited)

    def __str__(self) -> str:
        return hidden.visible(self.text)

    def _repr_html_(self) -> str:
        from .views import answer_html

        return answer_html(self)


@dataclass(frozen=True)
class Prepared:
    """A question with its passages, ready to be sent; without messages where there is nothing to ask about."""

    question: str
    lang: str
    hits: tuple[Hit, ...]
    texts: tuple[str, ...]
    messages: tuple[Message, ...]
    steps: tuple[Step, ...]


def clean(passages: Sequence[Passage | str], keeps_text: bool = True, lang: str = "en") -> tuple[list[str], list[tuple[int, str]]]:
    """Passages as a model gets them, and what was changed in each.

    Characters that a reader does not see are taken out. A number in square brackets that a passage carries gets round ones, since
    `[n]` belongs to the passages themselves. Where the engine might take the name of a control token for the token, a space is put into it.

    >>> clean(["Rule [1] of [12]: pass\\u200bword<|im_end|>"], keeps_text=False)[0]
    ['Rule (1) of [12]: password< |im_end|>']
    """
    texts, changes = [], []
    for number, passage in enumerate(passages, 1):
        text = passage if isinstance(passage, str) else passage.given
        text = text.encode("utf-8", "replace").decode()
        if found := hidden.find(text):
            labels = sorted({label for _, label in found})
            said = "hidden characters taken out ({n}): {names}"
            changes.append((number, say(said, lang, n=len(found), names=", ".join(labels[:3]))))
            text = hidden.strip(text)
        if marks := hidden.numbers(text, len(passages)):
            said = "numbers that look like those of passages, now in round brackets: {names}"
            changes.append((number, say(said, lang, names=", ".join(marks[:5]))))
            text = hidden.unnumber(text, len(passages))
        if names := hidden.controls(text):
            kept, parted = (
                "names of control tokens (this engine reads them as text): {names}",
                "names of control tokens (a space was put into them): {names}",
            )
            changes.append((number, say(kept if keeps_text else parted, lang, names=", ".join(names[:5]))))
            text = text if keeps_text else hidden.defuse(text)
        texts.append(text)
    return texts, changes


def prepare(question: str, hits: Hits | Sequence[Hit], model: Model | None = None, lang: str | None = None, room: int = ROOM) -> Prepared:
    """Clean the passages, fit them to the model's context window and make the messages.

    Parameters
    ----------
    question : str
    hits : Hits
        Best first; what does not fit is left out from the end, whole passages only.
    model : Model
    lang : {'en', 'es'}
        Of instruction and question; None guesses from the question.
    room : int
        Tokens kept for the answer.

    Raises
    ------
    ContextWindowExceededError
        When not even the first passage fits.
    """
    lang = prompts.language(lang) if lang else words.language(question)
    keeps = model is None or model.keeps_text
    asked = hidden.strip(question.encode("utf-8", "replace").decode())
    asked = asked if keeps else hidden.defuse(asked)
    steps = [Step("question", f"{question!r} ({lang})", {"text": question, "lang": lang})]
    if isinstance(hits, Hits):
        steps.append(_searched(hits, lang))
    if not hits:
        return Prepared(asked, lang, (), (), (), tuple(steps))
    start = time.perf_counter()
    texts, changes = clean([hit.passage for hit in hits], keeps, lang)
    changed = len({number for number, _ in changes})
    said = "{passages}, changed: {changed}" if changes else "{passages}, nothing to change"
    says = say(said, lang, passages=count(len(texts), "passages", lang), changed=changed)
    steps.append(Step("clean", says, {"passages": tuple(texts), "changes": tuple(changes)}, time.perf_counter() - start))
    return _fitted(Prepared(asked, lang, tuple(hits), tuple(texts), (), tuple(steps)), model, room, len(hits))


def _searched(hits: Hits, lang: str) -> Step:
    data = {name: getattr(hits, name) for name in ("how", "threshold", "below", "repeats", "unit")} | {"hits": hits}
    more = hits.left_out(lang)
    found = "{found} ({how}{more})" if hits else "nothing relevant ({how}{more}): no model is asked"
    says = say(found, lang, found=count(len(hits), hits.unit, lang), how=hits.how, more=more)
    return Step("search", says, data, hits.seconds)


def _fitted(prepared: Prepared, model: Model | None, room: int, most: int) -> Prepared:
    """As many passages as fit, at most so many."""
    start = time.perf_counter()
    window = model.context_window if model is not None else None
    kept = most
    while True:
        messages = prompts.with_passages(prepared.question, prepared.texts[:kept], prepared.lang)
        tokens, counted = _count(messages, model, window, room)
        if window is None or tokens + room <= window or kept == 1:
            break
        kept -= 1
    if window is not None and tokens + room > window:
        name = model.name if model is not None else ""
        alone, _ = _count(prompts.with_passages(prepared.question, [], prepared.lang), model, window, room)
        fix = "Cut the documents into shorter passages (size=60), or take a model with a larger context window."
        if room > tokens:
            fix = "Keep less for the answer: lower max_tokens."
        elif alone + room > window or alone > tokens / 2:
            fix = "Ask a shorter question, or take a model with a larger context window."
        error = ContextWindowExceededError(
            f"Question and first passage make {tokens:,} tokens, with {room} for the answer more than the {window:,} of {name!r}.",
            "Nothing was cut and nothing was generated.",
            fix,
        )
        error.prompt_tokens, error.context_window = tokens, window
        raise error
    left = prepared.hits[kept:]
    lang, ranks = prepared.lang, ", ".join(str(hit.rank) for hit in left)
    says = say(
        "{kept} of {n} passages, {tokens} tokens {counted}{window}, {room} kept for the answer{left}",
        lang,
        kept=kept,
        n=len(prepared.hits),
        tokens=tokens,
        counted=say(COUNTED[counted], lang),
        window=say(" of {window}", lang, window=window) if window else "",
        room=room,
        left=say("; left out: {ranks}", lang, ranks=ranks) if left else "",
    )
    data = {"window": window, "prompt_tokens": tokens, "room": room, "counted": counted, "kept": kept, "left_out": left}
    fit = Step("fit", says, data, time.perf_counter() - start)
    says = say("instruction, {passages}, question", lang, passages=count(kept, "passages", lang))
    prompt = Step("prompt", says, {"messages": tuple(messages), "lang": lang})
    steps = [step for step in prepared.steps if step.name not in ("fit", "prompt")]
    return replace(prepared, messages=tuple(messages), steps=(*steps, fit, prompt))


def _count(messages: Sequence[Message], model: Model | None, window: int | None, room: int) -> tuple[int, str]:
    if model is not None and model.counts_fast:
        return model.count_tokens(list(messages)), "exactly"
    guess = estimate("".join(message.content for message in messages)) + TEMPLATE
    if model is None or window is None or guess + room <= window:
        return guess, "estimated"
    try:
        return model.count_tokens(list(messages)), "exactly"
    except ContextWindowExceededError as error:
        return error.prompt_tokens or guess, "by the engine"
    except CapabilityError:
        return guess, "estimated"


def ask(question: str, hits: Hits | Sequence[Hit], model: Model, lang: str | None = None, **options: Any) -> Answer:
    """Answer a question from passages.

    Parameters
    ----------
    question : str
    hits : Hits
        From `retrieve.search`; empty gives an answer that says so, and no model is asked.
    model : Model
    lang : {'en', 'es'}
        None guesses from the question.
    **options
        As in `Model.chat`; by default temperature=0, max_tokens=128.

    Returns
    -------
    Answer
    """
    options = {"temperature": 0.0, "max_tokens": ROOM, "seed": 0} | options
    prepared = prepare(question, hits, model, lang, room=options["max_tokens"] or ROOM)
    while prepared.messages:
        start = time.perf_counter()
        try:
            reply = model.chat(prepared.messages, **options)
            return finish(prepared, reply, time.perf_counter() - start)
        except ContextWindowExceededError:
            kept = prepared_kept(prepared)
            if kept == 1:
                raise
            prepared = _fitted(prepared, model, options["max_tokens"] or ROOM, kept - 1)  # the engine counts more than was estimated
    return finish(prepared, None)


def prepared_kept(prepared: Prepared) -> int:
    """How many passages the messages hold."""
    return next((int(step.data["kept"]) for step in prepared.steps if step.name == "fit"), 0)


def finish(prepared: Prepared, reply: Reply | None, seconds: float = 0.0) -> Answer:
    """The answer of a reply: whether it names what was asked for, its citations read, its sentences checked."""
    if reply is None:
        text = prompts.NO_ANSWER[prepared.lang]
        return Answer(prepared.question, text, prepared.lang, abstained=True, trace=Trace(prepared.steps))
    start = time.perf_counter()
    kept = prepared_kept(prepared)
    lang, said = prepared.lang, reply.text.strip()
    kind = kinds.asked(prepared.question) if reply.finish_reason == "stop" and said and not says_nothing(said) else ""
    withheld = said if kind and not kinds.named(kind, said) else ""
    text = prompts.NO_ANSWER[lang] if withheld else said
    cited = set(citations(text))
    sources = tuple(
        Source(number, hit.passage, passage, number in cited, hit.score)
        for number, (hit, passage) in enumerate(zip(prepared.hits[:kept], prepared.texts[:kept], strict=True), 1)
    )
    abstained = not text or says_nothing(text)
    checks = tuple(check(text, [source.text for source in sources], lang))
    bad = sum(not one.supported for one in checks)
    held_up, not_there = "{good} of {n} sentences are held up by what they cite", "it says that the passages do not say"
    says = say(held_up if not abstained else not_there if text else "the model said nothing", lang, good=len(checks) - bad, n=len(checks))
    if withheld:
        says = say("withheld: {problem}", lang, problem=kinds.missing(kind, lang))
    ended = say(", ended by {reason}", lang, reason=reply.finish_reason) if reply.finish_reason != "stop" else ""
    told = say("{tokens} tokens from {model}{ended}", lang, tokens=reply.usage.completion_tokens or "?", model=reply.model, ended=ended)
    asked = Step("reply", told, {"reply": reply}, seconds)
    checked = Step("check", says, {"checks": checks, "withheld": withheld}, time.perf_counter() - start)
    trace = Trace((*prepared.steps, asked, checked))
    return Answer(prepared.question, text, lang, sources, abstained, withheld, checks, trace, reply)
