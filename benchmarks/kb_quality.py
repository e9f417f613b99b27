"""How good are answers over documents? ``python -m benchmarks.kb_quality``

The 60 questions of each language about the course's own documents (`data/questions`), 45 of which these answer: recall@1 and recall@4
by words (BM25), by vectors and by both; and what a model makes of the passages: right, cites the passage that says it, abstains where
nothing says it. Without the documents, the same model shows what it makes up. Shares come with n and Wilson's 95 % interval.

    python -m benchmarks.kb_quality                                        the largest shipped model, in this process
    python -m benchmarks.kb_quality --others                               harder questions about documents that the course does not show
    python -m benchmarks.kb_quality --calibrate                            refuse below a threshold that was chosen with other questions
    python -m benchmarks.kb_quality --model mini-m --how hybrid            another model, one way to search
    python -m benchmarks.kb_quality --search                               without a chat model: the search alone
    python -m benchmarks.kb_quality --sentences 1                          one sentence instead of as many as it reads best
    python -m benchmarks.kb_quality --size 40 --sentences 0                short passages, and whole ones given to the model
    python -m benchmarks.kb_quality --ollama                               the shipped models again, on a running Ollama
    python -m benchmarks.kb_quality --model ollama:llama3.2:3b             another reader, the same search
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import labkit as lab
from labkit.rag import KnowledgeBase, compress, evaluate
from labkit.zoo import catalog

DATA = Path(__file__).parents[1] / "data"
OTHERS = Path(__file__).parent / "documents"
REPEATS = 10  # of cross-validation
OF_PASSAGES = ("recall", "cited", "supported")
MEASURES = (*OF_PASSAGES, "right", "abstained")


def measure(kb: KnowledgeBase, asked: Path, lang: str, model: Any, how: str, context: bool, options: argparse.Namespace) -> None:
    """Print one line of figures, with `--calibrate` another one, and with `--verbose` each answer that was not right."""
    if context:
        found = evaluate.run(kb, asked, how=how)
        print(f"{lang}  {how:8} passages: recall@1 {_share(found.loc['recall@1'])} · recall@4 {_share(found.loc['recall@4'])}")
    rows = evaluate.each(kb, asked, model, how=how, context=context, lang=lang, sentences=options.sentences)
    figures = evaluate.summary(rows)
    wanted = [name for name in figures.index if name.startswith(MEASURES) and (context or not name.startswith(OF_PASSAGES))]
    shown = [f"{name} {_share(figures.loc[name])}" for name in wanted]
    print(f"{lang}  {how if context else 'none':8}", " · ".join(shown), flush=True)
    if options.calibrate and context and model is not None:
        print(f"{lang}  {how:8} {evaluate.calibrate(rows)}")
        crossed = [evaluate.summary(evaluate.cross_validate(rows, seed=seed)).value for seed in range(REPEATS)]
        means = " · ".join(f"{name} {sum(one[name] for one in crossed) / REPEATS:.3f}" for name in ("right", "cited", "abstained"))
        print(f"{lang}  {how:8} with a threshold chosen with other questions (10 parts, mean of {REPEATS} partings): {means}")
    if options.verbose and model is not None:
        for row in rows.itertuples():
            if (row.answerable and not row.right) or (not row.answerable and not row.abstained):
                print(f"      {row.id} {row.question} → {row.text!r} (rank {row.rank:g}) {row.error}")


def documents(others: bool) -> Iterator[tuple[str, Path, Path]]:
    """Language, folder and questions of each set of documents."""
    for folder in sorted(path for path in OTHERS.iterdir() if path.is_dir()) if others else (DATA,):
        for lang in ("en", "es"):
            yield lang, folder / lang, folder / (f"questions.{lang}.jsonl" if others else f"questions/{lang}.jsonl")


def _share(line: Any) -> str:
    return f"{line['value']:.2f} [{line['low']:.2f}, {line['high']:.2f}] n={line['n']:.0f}"


def main(words: Sequence[str] | None = None) -> None:
    """Read the command line, or `words` instead of it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kb_quality", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    chat = [name for name in ("mini-l", "mini-m", "mini-s") if name in catalog.names()]
    parser.add_argument("--model", default=chat[0], help="what answers; any name that lab.load takes")
    parser.add_argument(
        "--embedder", default="mini-embed" if "mini-embed" in catalog.names() else "", help="what embeds; empty: words alone"
    )
    parser.add_argument("--search", action="store_true", help="judge the search alone")
    parser.add_argument("--ollama", action="store_true", help="put the shipped models into a running Ollama and ask them there")
    parser.add_argument("--how", nargs="+", default=["lexical", "vector", "hybrid"], choices=("lexical", "vector", "hybrid"))
    parser.add_argument("--size", type=int, default=100, help="tokens of a passage")
    best = "give the model the best sentences of them, so many; 0: whole passages (default: as many as the model reads best)"
    parser.add_argument("--sentences", type=int, help=best)
    parser.add_argument("--calibrate", action="store_true", help="refuse below a threshold that was chosen with other questions, too")
    parser.add_argument("--others", action="store_true", help="documents that the course does not show, with harder questions")
    parser.add_argument("--verbose", action="store_true", help="print each answer that was not right")
    options = parser.parse_args(words)
    if options.sentences is None:
        options.sentences = compress.best_for(options.model)
    if options.ollama:
        server = lab.OllamaServer()
        for name in filter(None, (options.model, options.embedder)):
            # Each of the two has its half of the cores: a runner waits by spinning, and would take the other's.
            server.create(name, from_=catalog.path(name), parameters={"num_thread": max(1, (os.cpu_count() or 1) // 2)})
        options.model = f"ollama:{options.model}"
        options.embedder = options.embedder and f"ollama:{options.embedder}"
    model = None if options.search else lab.load(options.model)
    embedded = options.embedder or "none: words alone"
    read = f"best sentences of them: {options.sentences}" if options.sentences else "whole"
    print(f"{model or 'search alone'}; embedder {embedded}; passages of at most {options.size} tokens, {read}")
    for lang, folder, asked in documents(options.others):
        with KnowledgeBase.from_folder(folder, options.embedder or None, fields=["text"], size=options.size) as kb:
            print(f"{lang}  {folder.relative_to(Path(__file__).parents[1])}: {len(kb)} passages of {len(kb.documents)} documents")
            for how in options.how:
                if options.embedder or how == "lexical":
                    measure(kb, asked, lang, model, how, True, options)
            if model is not None:
                measure(kb, asked, lang, model, options.how[0] if options.embedder else "lexical", False, options)


if __name__ == "__main__":
    main()
