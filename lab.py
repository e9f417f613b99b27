#!/usr/bin/env python3
"""The two commands: `python3 lab.py` opens the lab, `python3 lab.py test` runs every test.

Nothing but Python 3.11 or newer has to be there. The first start sets up `.venv` (labkit/setup, standard library only); later
ones look at a stamp and go on. To undo all of it, delete `.venv`, `build` and the cache folder (`LABKIT_CACHE`, ~/.cache/labkit).
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python must be able to read this file, and say this
    sys.exit(
        "lab.py needs Python 3.11 or newer; this is %s (%s).\n"  # noqa: UP031
        "To mend it: install Python 3.12 (from python.org or your system's packages), then: %s lab.py"
        % (sys.version.split()[0], sys.executable, "py -3.12" if sys.platform == "win32" else "python3.12")
    )

import argparse
import os
import signal
from collections.abc import Sequence
from urllib.parse import quote

from labkit import settings
from labkit.errors import LabError
from labkit.setup import ME, ROOT
from labkit.setup.causes import explained
from labkit.setup.environment import conda_python, is_ready, set_up
from labkit.setup.lessons import find_lessons, report_table, run_lesson
from labkit.setup.machine import check_machine, is_root
from labkit.setup.places import LOG, PYTHON, keep_in_cache
from labkit.setup.programs import Step, hand_over, say


def main(arguments: Sequence[str]) -> int:
    for name in ("SIGTERM", "SIGHUP"):  # end as with Ctrl-C: together with everything that we started; what nohup ignores stays ignored
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    options = parse(arguments)
    try:
        return int(COMMANDS[options.command](options) or 0)
    except (LabError, OSError) as caught:
        error = caught if isinstance(caught, LabError) else explained(f"{type(caught).__name__}: {caught}", LOG)
        say(f"\nStopped: {error.what} {error.cause}".rstrip() + f"\nTo mend it: {error.fix}")
        return 1
    except KeyboardInterrupt:
        say("\nStopped. The same command goes on from here, and mends what was left half done.")
        return 130


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    if arguments[:1] == ["test"]:  # all that follows is pytest's
        return argparse.Namespace(command="test", pytest=arguments[1:])
    named = bool(arguments) and arguments[0] in (*COMMANDS, "-h", "--help")
    return parser().parse_args(arguments if named else ["open", *arguments])


def parser() -> argparse.ArgumentParser:
    lessons = argparse.ArgumentParser(add_help=False)
    lessons.add_argument("--lang", choices=("en", "es"), default=settings.language(), help="language of the lessons (here: %(default)s)")
    whole = argparse.ArgumentParser(ME, description="Learn and experiment with language models on your own machine.")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND")
    command = commands.add_parser("open", parents=[lessons], help="set up, then open JupyterLab on the first lesson (also without COMMAND)")
    command.add_argument("--no-browser", action="store_true", help="only print the address")
    command.add_argument("--port", type=int, default=8888, help="where it is taken, the next free one serves (default: %(default)s)")
    commands.add_parser("test", help="set up, then run every test; what follows goes on to pytest, such as: -k doctor")
    command = commands.add_parser("run", parents=[lessons], help="run lessons from start to end, with a report of each in build/")
    command.add_argument("lessons", nargs="*", metavar="LESSON", help="01, 01_first_answer or a path (default: every lesson)")
    commands.add_parser("doctor", parents=[lessons], help="what this machine has, and the command that mends what it lacks")
    command = commands.add_parser("setup", help="set up and stop there")
    command.add_argument("--tests", action="store_true", help="with what the tests need")
    return whole


def open_lab(options: argparse.Namespace) -> int:
    if any(name.startswith("JUPYTERHUB_") for name in os.environ):
        raise LabError(
            "This is a JupyterHub: its JupyterLab is open already, and your browser could not reach a second one.",
            "",
            f"open notebooks/{options.lang} there; where labkit is missing, docs/class.md says how it gets onto a hub",
        )
    python = set_up(tests=False)
    lesson = next(iter(find_lessons(["01"], options.lang)))
    command = [str(python), "-m", "jupyterlab", "-y", f"--port={options.port}"]
    command += [f"--ServerApp.root_dir={ROOT}", "--LabApp.extension_manager=readonly"]
    command += ["--ServerApp.log_level=WARN", "--LabApp.log_level=WARN"]  # the address is all that is worth reading
    command += [f"--LabApp.default_url=/lab/tree/{quote(lesson.relative_to(ROOT).as_posix())}"]
    command += ["--no-browser"] if options.no_browser else []
    command += ["--allow-root"] if is_root() else []  # a container, mostly; JupyterLab would refuse
    keep_in_cache()
    os.environ["LABKIT_LANG"] = options.lang  # for notebooks that do not say theirs
    say(f"Opening {lesson.relative_to(ROOT)} in JupyterLab. Ctrl-C ends it: save your notebooks first.\n")
    return hand_over(command)


def run_tests(options: argparse.Namespace) -> int:
    return hand_over([str(set_up(tests=True)), "-m", "pytest", *options.pytest])


def run_lessons(options: argparse.Namespace) -> int:
    lessons = find_lessons(options.lessons, options.lang)
    python, results = set_up(tests=False), []
    for number, lesson in enumerate(lessons, 1):
        with Step(f"[{number}/{len(lessons)}] {lesson.stem}") as step:
            results.append(run_lesson(python, lesson, step))
    say(report_table(results))
    return int(any(result.error for result in results))


def run_doctor(options: argparse.Namespace) -> int:
    python = PYTHON if is_ready(tests=False) else conda_python(tests=False)
    if python is None:
        check_machine()
        raise LabError(
            "Python and this folder are fine.", "The set-up has not been finished, so there is no more to look at.", f"{ME} setup"
        )
    return hand_over([str(python), "-m", "labkit.cli", "doctor", "--lang", options.lang])


def only_set_up(options: argparse.Namespace) -> None:
    set_up(options.tests)
    say(f"Next:  {ME}       opens the lab\n       {ME} test  runs every test")


COMMANDS = {"open": open_lab, "test": run_tests, "run": run_lessons, "doctor": run_doctor, "setup": only_set_up}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
