"""How good a model is: greedy answers to new questions, run by llama.cpp on the file that is shipped, and the card they make."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from ...errors import OptionError
from .. import catalog
from ..merging import merge
from . import texts
from .sample import Draw, Sample, render
from .skills import EVALUATIONS, passages

SEED = 20_261_121
LONGEST_ANSWER = 120
OVER_PASSAGES = (passages.from_documents, passages.from_search, passages.from_relations, passages.from_invented_words)
QUESTIONS = "questions_new_names"  # where citing and "not there" are judged

Score = dict[str, float]
Scores = dict[str, dict[str, Score]]


def wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share, after Wilson.

    >>> [round(x, 3) for x in wilson(9, 10)]
    [0.596, 0.982]
    """
    if n == 0:
        return 0.0, 1.0
    share, extra = right / n, z * z / n
    middle = (share + extra / 2) / (1 + extra)
    reach = z * math.sqrt(share * (1 - share) / n + extra / (4 * n)) / (1 + extra)
    return max(0.0, middle - reach), min(1.0, middle + reach)


class Player:
    """A model file that answers greedily.

    Parameters
    ----------
    file : Path
        A GGUF file.
    threads : int
        Of the processor. These models are too small to share the work, and waiting threads spin.
    """

    def __init__(self, file: Path, threads: int = 1) -> None:
        from llama_cpp import Llama

        self.llama = Llama(str(file), n_ctx=1024, n_batch=1024, n_threads=threads, n_threads_batch=threads, verbose=False)

    def answer(self, sample: Sample) -> tuple[str, bool]:
        """The answer to a sample's messages, and whether it ended by itself."""
        return self.complete(render(sample.messages))

    def complete(self, prompt: str) -> tuple[str, bool]:
        """What follows a rendered prompt. A prompt that begins like the last one is read from there on only."""
        ids = self.llama.tokenize(prompt.encode(), add_bos=False, special=True)
        if len(ids) + LONGEST_ANSWER >= 1024:
            return "", False
        reply: Any = self.llama.create_completion(ids, temperature=0, top_k=1, repeat_penalty=1.0, max_tokens=LONGEST_ANSWER)
        choice = reply["choices"][0]
        return choice["text"].strip(), choice["finish_reason"] == "stop"


def samples(skill: str, lang: str, n: int, seed: int = SEED, there: bool | None = None) -> Iterator[Sample]:
    """New samples to judge a skill by: at most two over the same passages, none twice; fewer than n where there are no more.

    Parameters
    ----------
    skill : str
        A name in `skills.EVALUATIONS`.
    lang : {'en', 'es'}
    n : int
    seed : int
    there : bool, optional
        Only questions that a passage answers, or only those that none does.
    """
    function, new = EVALUATIONS[skill]
    draw = Draw(Random(f"{seed} {skill} {lang}"), lang, 1.0, new)
    found: set[tuple[Any, ...]] = set()
    for _ in range(50 * n):
        for sample in [s for s in function(draw) if there is None or (s.check.passage is not None) == there][:2]:
            if len(found) < n and sample.messages not in found:
                found.add(sample.messages)
                yield sample
        if len(found) >= n:
            return


def judge(player: Player, skill: str, lang: str, n: int) -> dict[str, Score]:
    """Scores of one skill in one language: itself, and for the first kind of questions also citing and "not there"."""
    questions = EVALUATIONS[skill][0] in OVER_PASSAGES
    right = cited = total = 0
    for sample in samples(skill, lang, n, there=True if questions else None):
        text, ended = player.answer(sample)
        total += 1
        right += ended and sample.check.right(text)
        cited += ended and sample.check.cites(text)
    scores = {skill: score(right, total)}
    if questions and skill != QUESTIONS:
        scores[f"{skill}_cited"] = score(cited, total)
    if skill == QUESTIONS:
        scores["cites"] = score(cited, total)
        missing = list(samples(skill, lang, n, there=False))
        scores["not_there"] = score(sum(s.check.right(player.answer(s)[0]) for s in missing), len(missing))
    return scores


def score(right: int, n: int) -> Score:
    """A share with its interval."""
    low, high = wilson(right, n)
    return {"right": int(right), "n": n, "low": round(low, 4), "high": round(high, 4)}


def skills_of(file: Path, n: int, only: tuple[str, ...] = (), threads: int = 1) -> Scores:
    """Judge a model file in every skill that has its text.

    Parameters
    ----------
    file : Path
    n : int
        Samples of each skill and language.
    only : tuple of str
        Names of skills; all without it.
    threads : int
    """
    player = Player(file, threads)
    scores: Scores = {}
    started = time.monotonic()
    for skill in only or EVALUATIONS:
        for lang in ("en", "es"):
            if next(samples(skill, lang, 1), None) is None:
                continue
            for name, result in judge(player, skill, lang, n).items():
                scores.setdefault(name, {})[lang] = result
                print(f"{time.monotonic() - started:6.0f} s  {_line(name, lang, result)}", flush=True)
    return scores


def show(scores: Scores) -> None:
    """Print scores as a table."""
    for name, languages in scores.items():
        for lang, result in languages.items():
            print(_line(name, lang, result))


def _line(name: str, lang: str, s: Score) -> str:
    return f"{name:30} {lang}  {s['right'] / max(1, s['n']):6.1%}  of {s['n']:4}  [{s['low']:.1%}, {s['high']:.1%}]"


def note_training(name: str, figures: dict[str, Any], date: str, kind: str = "chat") -> None:
    """Begin a new card for weights that have just been exported; its skills are still empty."""
    file = catalog.WEIGHTS / f"{name}.gguf"
    _begin(file, name, file=file.name, kind=kind, trained=_training(figures, date))


def note_adapter(name: str, file: Path, figures: dict[str, Any], date: str) -> None:
    """Begin a new card for a model to which an adapter has just been exported; what is said of its weights' training stays."""
    card = catalog.card(name)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "whole.gguf")
        merge(catalog.WEIGHTS / card.file, file, whole)
        _begin(whole, name, file=card.file, kind=card.kind, trained=card.trained, adapter={"file": file.name, **_training(figures, date)})


def _training(figures: Mapping[str, Any], date: str) -> dict[str, Any]:
    return {"tokens": figures["tokens"], "seconds": round(figures["seconds"]), "machine": figures["machine"], "date": date}


def _begin(whole: Path, name: str, **told: Any) -> None:
    """Write a card without skills: what the model's whole file says, and what else is told."""
    from llama_cpp import Llama

    llama: Any = Llama(str(whole), n_ctx=64, verbose=False)
    architecture = llama.metadata["general.architecture"]
    card = catalog.Card(
        name=name,
        sha256=catalog.sha256(whole),
        size=whole.stat().st_size,
        parameters=llama._model.n_params(),
        context_window=int(llama.metadata[f"{architecture}.context_length"]),
        quantization="F16",
        architecture=architecture,
        languages=("en", "es"),
        licence="MIT",
        skills={},
        **told,
    )
    llama.close()
    _save(card)


def write_card(name: str, n: int = 300, only: Sequence[str] = ()) -> None:
    """Judge a shipped model and write what was found on its card.

    Parameters
    ----------
    name : str
    n : int
        Samples of each skill and language.
    only : sequence of str
        Skills of a chat model, names in `skills.EVALUATIONS`; the rest of the card stays as it is. All without it.

    Raises
    ------
    OptionError
        There is no such skill, or the model is judged as a whole.
    """
    file, card = catalog.path(name), catalog.card(name)
    unknown = sorted(set(only) - set(EVALUATIONS))
    if only and (unknown or card.kind == "embedding"):
        what = f"There is no skill {unknown[0]!r}." if unknown else f"{name} is judged as a whole."
        raise OptionError(what, fix=f"The skills of a chat model are: {', '.join(EVALUATIONS)}.")
    if card.kind == "embedding":
        from .embedding import evaluate

        skills: Scores = evaluate.skills_of(file, max(n, 500))
        show(skills)
    else:
        skills = skills_of(file, n, tuple(only))
    _save(replace(card, skills={**card.skills, **skills} if only else skills))
    chat = [card for card in map(catalog.card, catalog.names()) if card.kind == "chat"]
    for card in chat:  # what was measured of one changes what is noted of the larger ones
        _save(replace(card, notes=notes(card, chat)))
    print(f"{catalog.CARDS / name}.json")


def _save(card: catalog.Card) -> None:
    (catalog.CARDS / f"{card.name}.json").write_text(card.json(), encoding="utf-8")


def notes(card: catalog.Card, others: Sequence[catalog.Card]) -> tuple[str, ...]:
    """Where a smaller model is clearly better, and at the end why, from `text/ladder.toml`; empty where none is."""
    found = [
        f"{skill} ({lang}): {smaller.name} has {_percent(theirs)}, {card.name} {_percent(own)}"
        for skill, languages in card.skills.items()
        for lang, own in languages.items()
        for smaller in sorted(others, key=lambda other: other.parameters)
        if smaller.parameters < card.parameters and (theirs := smaller.skills.get(skill, {}).get(lang)) and theirs["low"] > own["high"]
    ]
    return (*found, str(texts.table("ladder")[card.name]["why"])) if found else ()


def _percent(share: Mapping[str, float]) -> str:
    return f"{share['right'] / share['n']:.0%}"
