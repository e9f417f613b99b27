"""`labkit metrics`: how fast models answer, measured again and again from outside, for Prometheus to read.

Ollama has no /metrics of its own, and a client sees only its own requests. So this asks each model a short question every so often, as a
user would, and counts what comes back: whether it answers at all, after how long, and how fast.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from ..backends.base import Model
from ..backends.registry import load
from ..chat import Options
from ..errors import LabError, OptionError
from ..streaming import Metrics
from ..streaming.metrics import DEFAULT_PORT

QUESTION = "Hello!"


class Prober:
    """Asks models a short question and counts the answers.

    Parameters
    ----------
    names : sequence of str
        As `load` takes them; one that cannot be loaded counts as a failure and is tried again the next time.
    metrics : Metrics
    prompt : str
    max_tokens : int
    timeout : float
        Seconds for one answer.
    """

    def __init__(self, names: Sequence[str], metrics: Metrics, prompt: str = QUESTION, max_tokens: int = 16, timeout: float = 60.0) -> None:
        if not names:
            raise OptionError("There is no model to ask.", fix="Name one: `labkit metrics --model ollama:llama3.2:1b`.")
        self.names, self.metrics = tuple(names), metrics
        self._prompt, self._options = prompt, Options(max_tokens=max_tokens, timeout=timeout, temperature=0)
        self._models: dict[str, Model] = {}

    def probe(self) -> None:
        """Ask each model once; failures are counted, not raised."""
        for name in self.names:
            try:
                if name not in self._models:
                    self._models[name] = load(name)
            except LabError as error:
                self.metrics.fail(name, error)
                continue
            try:
                self.metrics.watch(self._models[name]).chat(self._prompt, options=self._options)
            except LabError:  # counted by the callback
                continue

    def close(self) -> None:
        """Close the models."""
        for model in self._models.values():
            model.close()


def export(
    names: Sequence[str],
    port: int = DEFAULT_PORT,
    every: float = 60.0,
    prompt: str = QUESTION,
    *,
    once: bool = False,
    say: Callable[[str], None] = print,
    over: threading.Event | None = None,
) -> None:
    """Ask the models every so many seconds and serve the figures at http://127.0.0.1:PORT/metrics, until Ctrl-C.

    Parameters
    ----------
    names : sequence of str
    port : int
        0 takes a free one.
    every : float
        Seconds from one round of questions to the next.
    prompt : str
    once : bool
        Ask once, print the figures and end: for Prometheus' textfile collector.
    say : callable
        Gets what is to be printed.
    over : threading.Event
        Ends it as well as Ctrl-C does.
    """
    if not every > 0:
        raise OptionError(f"every={every!r} is no number of seconds.", fix="It is above 0.")
    metrics = Metrics()
    prober, over = Prober(names, metrics, prompt), over or threading.Event()
    try:
        if once:
            prober.probe()
            say(metrics.text().rstrip())
            return
        with metrics.serve(port) as exporter:
            say(f"Figures of {', '.join(names)} at {exporter.url}, renewed every {every:g} s. Ctrl-C ends it.")
            while not over.is_set():
                prober.probe()
                over.wait(every)
    except KeyboardInterrupt:
        say("The exporter has stopped.")
    finally:
        prober.close()
