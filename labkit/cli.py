"""`labkit …`: each command is one call of the package."""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from . import __version__
from .errors import LabError
from .wording import chosen, say


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors are one line on stderr, and the exit status is 1."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a code page of Windows lacks letters that a model writes: "?" instead of an end
            stream.reconfigure(errors="replace")
    try:
        status = int(options.run(options) or 0)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read us has gone, as `head` does when it has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain once more at its end
        return 1
    except LabError as error:
        print(f"labkit: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port, which is a number from 0 to 65535")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("labkit", description="Learn and experiment with language models on your own machine.")
    parser.add_argument("--version", action="version", version=f"labkit {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    command = commands.add_parser("doctor", help="what this machine has, and the command that mends what it lacks")
    command.add_argument("--json", action="store_true", help="for programs, or to send to the teacher")
    command.add_argument("--lang", choices=("en", "es"), help="default: that of LABKIT_LANG or of this system")
    command.set_defaults(run=_doctor)

    command = commands.add_parser("models", help="every model at hand: shipped, files, Ollama, servers")
    command.set_defaults(run=_models)

    command = commands.add_parser("chat", help="one answer, printed as it comes")
    command.add_argument("prompt", nargs="+")
    command.add_argument("--model", default="mini-m", help='"mini-m", "ollama:llama3.2:1b", "path/model.gguf", "openai:NAME@URL"')
    command.add_argument("--temperature", type=float, default=0.8)
    command.add_argument("--max-tokens", type=int, default=512)
    command.add_argument("--seed", type=int)
    command.set_defaults(run=_chat)

    command = commands.add_parser("grade", help="grade a folder of submissions, each in isolation")
    command.add_argument("submissions", type=Path, help="one folder a student, or files like STUDENT_01.ipynb")
    command.add_argument(
        "--out", type=Path, default=Path("grades.csv"), help="beside it come NAME.json and NAME.feedback/ (default: %(default)s)"
    )
    command.add_argument("--solutions", type=Path, help="default: ./solutions")
    command.add_argument("--lang", choices=("en", "es"), help="of the overview and the feedback's frame")
    command.add_argument("--model", default="mini-m", help="the model that the exercises use")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--jobs", type=int, default=2, help="at once (default: %(default)s)")
    command.add_argument("--seconds", type=float, default=240, help="for one submission (default: %(default)s)")
    command.add_argument("--scheduler", default="", metavar="ADDRESS", help="of a Dask scheduler, to grade on its workers")
    command.add_argument(
        "--isolation", choices=("auto", "namespaces", "user", "process"), default="auto", help="default: the strongest there is"
    )
    command.add_argument("--container", default="", metavar="COMMAND", help='such as: "docker run --rm -i --network none IMAGE"')
    command.set_defaults(run=_grade)

    command = commands.add_parser("exercises", help="make the exercises from solutions/, or try every answer whose points are known")
    command.add_argument("action", choices=("build", "verify"))
    command.add_argument("only", nargs="*", metavar="NN", help="verify these alone")
    command.add_argument("--kinds", nargs="+", default=(), choices=("solution", "blank", "wrong", "unusual"), help="default: all")
    command.add_argument("--solutions", type=Path, help="default: ./solutions")
    command.add_argument("--check", action="store_true", help="build nothing, only say what is stale")
    command.add_argument("--model", default="mini-m", help="the model that the exercises use")
    command.add_argument("--seed", type=int, nargs="+", default=[1], help="one or several")
    command.add_argument("--jobs", type=int, default=2, help="at once (default: %(default)s)")
    command.set_defaults(run=_exercises)

    command = commands.add_parser("serve", help="models as a server on this machine, in OpenAI's protocol")
    command.add_argument("models", nargs="+", metavar="MODEL", help='"mini-m", "path/model.gguf", "ollama:llama3.2:1b"')
    command.add_argument("--port", type=_port, default=8000, help="0 for a free one (default: %(default)s)")
    command.add_argument("--verbose", action="store_true", help="print each request")
    command.set_defaults(run=_serve)

    command = commands.add_parser("metrics", help="ask models a short question again and again, and serve the figures to Prometheus")
    command.add_argument("--model", nargs="+", default=["mini-m"], metavar="MODEL", help="(default: mini-m)")
    command.add_argument(
        "--port", type=_port, default=9464, help="of http://127.0.0.1:PORT/metrics, 0 for a free one (default: %(default)s)"
    )
    command.add_argument("--every", type=float, default=60, metavar="SECONDS", help="(default: %(default)s)")
    command.add_argument("--prompt", default="Hello!")
    command.add_argument("--once", action="store_true", help="ask once, print the figures and end")
    command.set_defaults(run=_metrics)

    command = commands.add_parser("kb", help='ask one\'s own documents: kb add FOLDER, then kb ask "..."')
    what = command.add_subparsers(metavar="add|ask|evaluate|remove", required=True)
    one = what.add_parser("add", help="read a folder or a file; only what changed is read again")
    one.add_argument("folder", nargs="+", type=Path)
    one.add_argument("--embedder", help='as "ollama:NAME"; none searches by words alone (default: mini-embed)')
    one.set_defaults(run=_kb_add)
    two = what.add_parser("ask", help="an answer, and where it is from")
    two.add_argument("question", nargs="+")
    two.add_argument("--trace", action="store_true", help="print every step")
    two.set_defaults(run=_kb_ask)
    three = what.add_parser("evaluate", help="how good are search and answers? Your own questions with their answers, in a JSONL file")
    three.add_argument(
        "questions", type=Path, help='lines of {"question", "answers", "file", "quote"}; "answers": [] where nothing says it'
    )
    three.add_argument("--csv", type=Path, metavar="FILE", help="write what was found and said to each question")
    three.set_defaults(run=_kb_evaluate)
    for each in (two, three):
        _how_to_ask(each)
    four = what.add_parser("remove", help="take out what was read from a folder or a file, also when that is no longer there")
    four.add_argument("folder", nargs="+", type=Path)
    four.set_defaults(run=_kb_remove)
    for each in (one, two, three, four):
        each.add_argument("--kb", type=Path, default=Path("knowledge.kb"), metavar="FILE", help="where it is kept (default: %(default)s)")

    command = commands.add_parser("mirror", help="serve this machine's Ollama models to a class, read-only")
    command.add_argument("--host", default="127.0.0.1", help="0.0.0.0 for everybody on the local network (default: this machine alone)")
    command.add_argument("--port", type=_port, default=5056, help="0 for a free one (default: %(default)s)")
    command.add_argument("--store", type=Path, help="where Ollama keeps its models (default: OLLAMA_MODELS or ~/.ollama/models)")
    command.add_argument("--only", nargs="+", default=(), metavar="MODEL", help="serve these alone")
    command.add_argument(
        "--rate", type=float, default=0, metavar="MB", help="megabytes a second for each student's computer (default: no limit)"
    )
    command.add_argument("--verbose", action="store_true", help="print each request")
    command.set_defaults(run=_mirror)
    return parser


def _doctor(options: argparse.Namespace) -> int:
    from .health import doctor

    report = doctor(lang=options.lang)
    print(report.json() if options.json else report)
    return 0 if report.ok else 1


def _models(options: argparse.Namespace) -> None:
    from .backends.listing import models

    print(models())


def _chat(options: argparse.Namespace) -> None:
    from .backends.registry import load

    with load(options.model) as model:
        prompt = " ".join(options.prompt)
        for chunk in model.stream(prompt, temperature=options.temperature, max_tokens=options.max_tokens, seed=options.seed):
            print(chunk.text, end="", flush=True)
    print()


def _grade(options: argparse.Namespace) -> None:
    from .grading.cage import METHODS, probed
    from .grading.report import ready, write
    from .grading.run import grade_all
    from .grading.texts import ISOLATION

    ready(options.out)
    lang = chosen(options.lang)
    elsewhere = options.container or options.scheduler
    best, why = probed() if options.isolation == "auto" and not elsewhere else (options.isolation, "")
    told = {best} & set(METHODS[1:])
    for way in told:  # before a line of a submission runs
        print(ISOLATION[way][lang], *([f"({why})"] if why else []), flush=True)
    results = grade_all(
        options.submissions,
        options.out,
        options.solutions,
        options.jobs,
        options.scheduler,
        partial(print, flush=True),
        params={"model": options.model, "seed": options.seed},
        limits={"seconds": options.seconds},
        isolation=options.isolation,
        container=options.container,
    )
    written = write(results, options.out, lang)
    for way in sorted({str(result.get("isolation")) for result in results} & set(ISOLATION) - told):
        print(ISOLATION[way][lang])
    print(f"{options.out}, {written[1]}, {written[-1]}")


def _exercises(options: argparse.Namespace) -> int:
    if options.action == "build":
        from .grading.build import build

        states = list(build(options.solutions, check=options.check))
        print("\n".join(f"{state}: {path}" for path, state in states))
        return int(any(state == "stale" for _, state in states))
    from .grading.verify import COLUMNS, verify

    print("seed", *COLUMNS, sep=" | ")
    good = True
    for seed in options.seed:
        params = {"model": options.model, "seed": seed}
        for verdict in verify(options.solutions, options.only, options.jobs, options.kinds, params=params):
            print(seed, *verdict.row(), sep=" | ", flush=True)
            good = good and not verdict.problem
    return int(not good)


def _serve(options: argparse.Namespace) -> None:
    from .serving import server

    if options.verbose:
        logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    server.run(options.models, options.port, partial(print, flush=True))


def _metrics(options: argparse.Namespace) -> None:
    from .serving import export

    say = partial(print, flush=True)
    export(options.model, options.port, options.every, options.prompt, once=options.once, say=say)


def _kb_add(options: argparse.Namespace) -> None:
    from .rag import knowledge

    with knowledge.at(options.kb, options.embedder) as kb:
        for folder in options.folder:
            print(kb.add(folder, progress=sys.stderr.isatty()))
        if kb.notice:
            print(kb.notice)
        print(kb)


def _kb_remove(options: argparse.Namespace) -> None:
    from .rag import knowledge

    with knowledge.KnowledgeBase.open(options.kb) as kb:
        for folder in options.folder:
            print(kb.remove(folder))
        print(kb)


def _how_to_ask(parser: argparse.ArgumentParser) -> None:
    """What an answer over documents can be told: the model, how much it reads, when to refuse."""
    parser.add_argument("--model", default="mini-m", help="as of chat (default: %(default)s)")
    parser.add_argument("-k", type=int, help="passages that are searched for (default: 4, or 10 where sentences of them are given)")
    best = (
        "give it the N best sentences of those passages instead, 0 for whole ones (default: 3 for mini-s, 2 for mini-m and mini-l, else 0)"
    )
    parser.add_argument("--sentences", type=int, metavar="N", help=best)
    parser.add_argument("--threshold", type=float, metavar="T", help="refuse below this relevance, from 0 to 1 (default: none)")


def _kb_ask(options: argparse.Namespace) -> None:
    from .rag import hidden, knowledge

    with knowledge.KnowledgeBase.open(options.kb) as kb:
        answer = kb.ask(" ".join(options.question), options.model, options.k, sentences=options.sentences, threshold=options.threshold)
        print(answer)
        if answer.withheld:
            print(f"  {answer.trace['check'].says}: {hidden.visible(answer.withheld)}")
        for source in answer.cited or answer.sources:
            print(f"  {source}")
        for check in answer.checks:
            if not check.supported:
                print(f"  not held up: {check.problem}")
        if options.trace:
            print(answer.trace)


def _kb_evaluate(options: argparse.Namespace) -> None:
    from .rag import evaluate, knowledge

    with knowledge.KnowledgeBase.open(options.kb) as kb:
        how = {name: getattr(options, name) for name in ("k", "sentences", "threshold")}
        rows = evaluate.each(kb, options.questions, options.model, **how)
    if options.csv:
        rows.to_csv(options.csv, index=False)
    print(evaluate.summary(rows).round(2).to_string())
    failed = rows.loc[rows["error"] != "", "error"]
    if len(failed):
        print(say("{n} questions failed, the first: {error}", n=len(failed), error=failed.iloc[0]))
    few = int(min(rows["answerable"].sum(), (~rows["answerable"]).sum()))
    if options.threshold is None and few > 1:
        choice = evaluate.calibrate(rows)
        crossed = evaluate.summary(evaluate.cross_validate(rows, folds=min(10, few))).value
        print(choice)
        said = "chosen with other questions, it leaves {right:.0%} right and {refused:.0%} refused; use it: --threshold {threshold:.2f}"
        print(say(said, right=crossed["right"], refused=crossed["abstained"], threshold=choice.threshold))


def _mirror(options: argparse.Namespace) -> None:
    from . import mirror

    if options.verbose:
        logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    say = partial(print, flush=True)
    mirror.serve(options.host, options.port, folder=options.store, only=options.only, rate=options.rate * 1e6, say=say)


if __name__ == "__main__":
    sys.exit(main())
