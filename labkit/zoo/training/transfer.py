"""How far reading carries over: questions over prose written by hand, on subjects that no generator covers.

``python -m labkit.zoo.training.transfer mini-m``, or a GGUF file, asks each question of `text/transfer.toml` once, greedily. Nothing
here is ever trained on, and the texts were written without a look at what a model can do.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from ... import prompts
from .. import catalog
from . import texts
from .sample import Check, Sample


def samples(lang: str) -> Iterator[Sample]:
    """The questions of one language, those that no passage answers among them.

    Parameters
    ----------
    lang : {'en', 'es'}
    """
    for group in texts.items("transfer", "set"):
        if group["lang"] != lang:
            continue
        for question in group["question"]:
            messages = tuple(prompts.with_passages(question["ask"], group["passages"], lang))
            passage = question.get("passage")
            answer = question.get("value", prompts.NO_ANSWER[lang])
            yield Sample(messages, answer, Check("holds" if passage else "equals", (answer,), passage))


def main(file: Path) -> None:
    """Ask everything and print each answer that was not right, then the shares with their 95 % intervals."""
    from .evaluate import Player, score

    player = Player(file)
    for lang in prompts.LANGUAGES:
        counts = {name: [0, 0] for name in ("right", "cites", "right_and_cites", "not_there")}
        for sample in samples(lang):
            text, ended = player.answer(sample)
            right, cites = ended and sample.check.right(text), ended and sample.check.cites(text)
            figures = {"right": right, "cites": cites, "right_and_cites": right and cites} if sample.check.passage else {"not_there": right}
            for name, good in figures.items():
                counts[name][0] += good
                counts[name][1] += 1
            if not all(figures.values()):
                question = sample.messages[0].content.splitlines()[-1]
                print(f"{lang}  {question}\n    {text!r}, not {sample.answer!r} [{sample.check.passage}]")
        for name, (hits, n) in counts.items():
            s = score(hits, n)
            print(f"{name:16} {lang}  {hits / n:6.1%}  of {n:3}  [{s['low']:.1%}, {s['high']:.1%}]", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Which model? python -m labkit.zoo.training.transfer mini-m, or a GGUF file")
    main(catalog.path(sys.argv[1]) if sys.argv[1] in catalog.names() else Path(sys.argv[1]))
