"""Sixth step: how good is it? Questions with known answers, for the search alone and for what a model makes of it.

A passage *holds* what answers a question when it is from the right file and has the words that the question's `quote` names. Several
passages that hold the same words (overlap, copies) count as one, the first that was found.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import display
from ..backends.base import Model
from ..backends.registry import load
from ..errors import LabError, OptionError
from ..measure.stats import bootstrap, share
from . import answer, compress, metrics, words
from .check import CITE, citations, says_nothing
from .chunks import Passage
from .retrieve import Hits
from .threshold import calibrate as calibrate
from .threshold import cross_validate as cross_validate

if TYPE_CHECKING:
    import pandas as pd

    from .knowledge import KnowledgeBase

HALF = 0.5  # a passage that has more than half of the words and an answer holds it too: it was cut elsewhere


@dataclass(frozen=True)
class Question:
    """A question with its known answer.

    Attributes
    ----------
    question : str
    answers : tuple of str
        A right answer holds one of these values as whole words; empty where the documents do not say.
    file, quote : str
        The file that says it, and its words; empty where none does.
    id : str
    """

    question: str
    answers: tuple[str, ...] = ()
    file: str = ""
    quote: str = ""
    id: str = ""

    @property
    def answerable(self) -> bool:
        """Whether the documents say it."""
        return bool(self.answers)


def read(questions: str | Path | Iterable[Question | Mapping[str, Any]]) -> list[Question]:
    """Questions from a JSONL file, or from a list of dicts with 'question', 'answers', 'file', 'quote' and 'id'.

    >>> read([{"question": "When does it open?", "answers": ["nine"]}])[0].answerable
    True
    """
    if isinstance(questions, str | Path):
        path = Path(questions).expanduser()
        try:
            lines = path.read_text(encoding="utf-8-sig").split("\n")  # JSON may hold other ends of lines, such as U+2028
            items: list[Any] = [json.loads(line) for line in lines if line.strip()]
        except OSError as error:
            raise OptionError(f"The questions {str(path)!r} cannot be read: {error.strerror}.", fix="Name a JSONL file.") from None
        except ValueError as error:
            raise OptionError(f"{path} is no JSONL: {error}.", fix="Each line is one JSON object.") from None
    else:
        items = list(questions)
    found = [item if isinstance(item, Question) else _question(item, number) for number, item in enumerate(items, 1)]
    if not found:
        raise OptionError("There are no questions.", fix="Give at least one.")
    return found


def _question(item: Any, number: int) -> Question:
    if not isinstance(item, Mapping) or not isinstance(item.get("question"), str) or not item["question"].strip():
        raise OptionError(f"Question {number} has no text under 'question'.", fix='Each is {"question": ..., "answers": [...]}.')
    given = item.get("answers") or ()
    answers = (given,) if isinstance(given, str) else tuple(map(str, given))
    return Question(item["question"], answers, item.get("file") or "", item.get("quote") or "", str(item.get("id") or number))


def right(text: str, answers: Iterable[str]) -> bool:
    """Whether a text holds one of the values, as whole words and numbers; case, accents and spaces do not count.

    >>> right("It opens at 9:30 [1].", ["9:30"]), right("It opens at 19:30.", ["9:30"]), right("It costs 2,300 crowns.", ["300"])
    (True, False, False)
    """
    given = _flat(CITE.sub(" ", text))
    return any(re.search(rf"(?<!\w)(?<!\d[.,:]){re.escape(_flat(value))}(?!\w|[.,:]\d)", given) for value in answers)


def _flat(text: str) -> str:
    """Without case, accents, white space and the bars of tables."""
    return " ".join(words.plain(text).replace("|", " ").split())


def holds(passage: Passage, question: Question) -> bool:
    """Whether a passage has the words that answer a question, or more than half of them and an answer itself."""
    file = passage.source.rpartition("#")[0] or passage.source
    if not question.quote or (question.file and file != question.file and not file.endswith(f"/{question.file}")):
        return False
    text, quote = _flat(passage.text), _flat(question.quote)
    if quote in text:
        return True
    return right(passage.text, question.answers) and _overlap(text, quote) > HALF * len(quote)


def _overlap(text: str, quote: str) -> int:
    """Length of the longest end of one that begins the other."""
    most = min(len(text), len(quote) - 1)
    ends = (size for size in range(most, 0, -1) if text.endswith(quote[:size]) or text.startswith(quote[-size:]))
    return next(ends, 0)


def each(
    kb: KnowledgeBase,
    questions: str | Path | Iterable[Question | Mapping[str, Any]],
    model: str | Model | None = None,
    *,
    k: int | None = None,
    how: str = "",
    context: bool = True,
    lang: str | None = None,
    threshold: float | None = None,
    sentences: int | None = None,
    progress: Callable[[int, int], object] | None = None,
    **options: Any,
) -> pd.DataFrame:
    """One row for each question: what was found, and what the model made of it.

    Parameters
    ----------
    kb : KnowledgeBase
    questions : path, or list of Question or dict
    model : str, Model or None
        None judges the search alone.
    k, how, threshold, sentences
        As of `KnowledgeBase.search`, or with a model of `KnowledgeBase.ask`. Sentences take the place of the k passages in all measures.
    context : bool
        False asks the model without passages: what it knows, or makes up, by itself.
    lang : {'en', 'es'}
        None guesses it from each question.
    progress : callable
        Called with (done, total).
    **options
        As of `Model.chat`; by default temperature=0.

    Returns
    -------
    DataFrame
        id, question, answerable; relevance (of the best that was found; 0 for nothing); rank (of the first passage that holds the
        answer; NaN where none was found), recall@1, recall@k, precision@k, reciprocal_rank, ndcg@k, seconds (of the search); text,
        right, cited, supported, abstained, error where a model was asked. What does not apply to a question is NaN.
    """

    asked = read(questions)
    if sentences is None and model is not None:
        sentences = compress.best_for(model)
    k = compress.passages(k, sentences)
    given = sentences or k
    rows, found = [], []
    for question in asked:
        start = time.perf_counter()
        if sentences:
            hits = kb.search(question.question, k, how, threshold=threshold, sentences=max(sentences, 10))
        else:
            hits = kb.search(question.question, max(k, 10), how, threshold=threshold)
        seconds = time.perf_counter() - start
        good = {hit.rank for hit in hits if holds(hit.passage, question)}
        about: dict[str, Any] = {"id": question.id, "question": question.question, "answerable": question.answerable}
        measures = _ranked(hits, good, given)
        if not question.answerable:
            measures = dict.fromkeys(measures, float("nan"))
        about["relevance"] = max((hit.relevance for hit in hits), default=0.0)
        rows.append(about | measures | {"seconds": seconds})
        hits[:] = hits[:given]
        found.append((question, hits, good))
    if model is not None:
        opened = model if isinstance(model, Model) else load(model)
        try:
            said = _answers(found, opened, context, lang, progress, options)
        finally:
            if opened is not model:
                opened.close()
        rows = [row | more for row, more in zip(rows, said, strict=True)]
    return display.frame(rows)


def _ranked(hits: Hits, good: set[int], k: int) -> dict[str, Any]:
    """The measures of one search, by the ranks that hold the answer; it is one thing, however many passages hold it."""
    first = min(good, default=None)
    ranking = ["answer" if hit.rank == first else hit.rank for hit in hits]
    all_of_them = ["answer" if hit.rank in good else "" for hit in hits[:k]]
    return {
        "rank": float("nan") if first is None else float(first),
        "recall@1": metrics.recall(ranking, {"answer"}, 1),
        f"recall@{k}": metrics.recall(ranking, {"answer"}, k),
        f"precision@{k}": all_of_them.count("answer") / k,
        "reciprocal_rank": metrics.reciprocal_rank(ranking, {"answer"}),
        f"ndcg@{k}": metrics.ndcg(ranking, {"answer"}, k),
    }


def _answers(
    found: Sequence[tuple[Question, Hits, set[int]]],
    model: Model,
    context: bool,
    lang: str | None,
    progress: Callable[[int, int], object] | None,
    options: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """What the model says to each question, many at once where the engine can; one that fails is noted and the rest goes on."""
    options = {"temperature": 0.0, "max_tokens": answer.ROOM, "seed": 0} | dict(options)
    prepared: list[answer.Prepared | LabError] = []
    for question, hits, _ in found:
        try:
            given = hits if context else Hits(question=question.question)
            prepared.append(answer.prepare(question.question, given, model, lang, options["max_tokens"] or answer.ROOM))
        except LabError as error:
            prepared.append(error)
    prompts = {
        n: list(p.messages) if context else found[n][0].question
        for n, p in enumerate(prepared)
        if not isinstance(p, LabError) and (p.messages or not context)
    }
    tell = None if progress is None else lambda done: progress(done.done, done.total)
    replies = dict(zip(prompts, model.generate_many(list(prompts.values()), errors="return", progress=tell, **options), strict=True))
    rows = []
    for number, (question, hits, holding) in enumerate(found):
        one, reply = prepared[number], replies.get(number)
        problem = one if isinstance(one, LabError) else reply if isinstance(reply, LabError) else None
        if problem is not None or isinstance(one, LabError) or isinstance(reply, LabError):
            rows.append(_judged(question, "", (), (), None, False, str(problem)))
        elif not context:
            text = reply.text.strip() if reply is not None else ""
            rows.append(_judged(question, text, (), (), None, says_nothing(text) or not text, ""))
        else:
            said = answer.finish(one, reply)
            numbers = citations(said.text)
            good = [source.number for source, hit in zip(said.sources, hits, strict=False) if hit.rank in holding]
            supported = None if said.abstained else said.supported
            rows.append(_judged(question, said.text, numbers, good, supported, said.abstained, ""))
    return rows


def _judged(
    question: Question,
    text: str,
    numbers: Sequence[int],
    good: Sequence[int],
    supported: bool | None,
    abstained: bool,
    error: str,
) -> dict[str, Any]:
    nothing = float("nan")
    return {
        "text": text,
        "right": float(right(text, question.answers)) if question.answerable else nothing,
        "cited": float(bool(numbers) and set(numbers) <= set(good)) if question.answerable else nothing,
        "supported": nothing if supported is None else float(supported),
        "abstained": float(abstained),
        "error": error,
    }


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """The measures over all questions, each with a 95 % interval.

    Parameters
    ----------
    rows : DataFrame
        From `each`.

    Returns
    -------
    DataFrame
        Index 'measure'; columns value, low, high, n, of (which questions were counted). Intervals of shares are Wilson's, those of
        other means come from the bootstrap.
    """

    found: dict[str, tuple[str, pd.Series[float]]] = {}
    there = rows[rows["answerable"]]
    for name in [name for name in rows.columns if name.startswith(("recall@", "precision@", "ndcg@")) or name == "reciprocal_rank"]:
        found["MRR" if name == "reciprocal_rank" else "nDCG" + name[4:] if name.startswith("ndcg") else name] = ("answerable", there[name])
    if "text" in rows.columns:
        found["right"] = ("answerable", there["right"])
        found["cited"] = ("answerable", there["cited"])
        found["supported"] = ("answered", rows["supported"])
        found["abstained"] = ("unanswerable", rows[~rows["answerable"]]["abstained"])
        found["abstained wrongly"] = ("answerable", there["abstained"])
    lines = []
    for name, (which, column) in found.items():
        values = [float(value) for value in column if value == value]
        if not values:
            continue
        interval = share(sum(values), len(values)) if set(values) <= {0.0, 1.0} else bootstrap(values)
        lines.append((name, sum(values) / len(values), interval.low, interval.high, len(values), which))
    return display.frame(lines, columns=["measure", "value", "low", "high", "n", "of"]).set_index("measure")


def run(
    kb: KnowledgeBase, questions: str | Path | Iterable[Question | Mapping[str, Any]], model: str | Model | None = None, **how: Any
) -> pd.DataFrame:
    """`summary` of `each`: recall@1, recall@k, precision@k, MRR, nDCG@k, and with a model right, cited, supported, abstained.

    Parameters
    ----------
    kb : KnowledgeBase
    questions : path, or list of Question or dict
    model : str, Model or None
    **how
        As of `each`: k, how, context, lang, threshold, sentences, options of the model.
    """
    return summary(each(kb, questions, model, **how))
