"""`labkit grade`: grade a folder of submissions."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from ..errors import ExerciseError
from .cage import Limits, best, network
from .judge import Job

GRACE = 60.0  # seconds that a judge may take beyond what it gives the submission


def judged(source: str, submission: str, name: str, lang: str, **options: Any) -> dict[str, Any]:
    """Grade one submission in a judge's process of its own; see `Job`.

    Raises
    ------
    ExerciseError
        When the judge itself failed.
    """
    isolation = options.pop("isolation", "auto")
    isolation = best() if isolation == "auto" else isolation
    job = Job(source, submission, name, lang, isolation=isolation, **options)
    command = [*(network() if isolation == "namespaces" else ()), sys.executable, "-I", "-X", "utf8", "-m", "labkit.grading.judge"]
    seconds = Limits(**(job.limits or {})).seconds + GRACE
    line = json.dumps(asdict(job)) + "\n"
    try:
        done = subprocess.run(command, input=line, capture_output=True, timeout=seconds, encoding="utf-8")
    except subprocess.TimeoutExpired:
        raise ExerciseError(f"The judge of {name} was not done after {seconds:g} s.") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ExerciseError(f"The judge of {name} failed: {last[:300]}", "The exercise's own check or source is broken.")
    result = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(result, dict)
    return result
