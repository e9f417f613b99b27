from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.display import bytes_text, count_text
from labkit.machine import machine, usable_cores

from .conftest import BINDER_MEMORY

ROOT = Path(__file__).parents[1]


def test_machine_figures_are_possible():
    here = machine()
    assert 0 < here.memory_available <= here.memory_total
    assert 1 <= here.cores <= (os.cpu_count() or 1) and here.system


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_cores_follow_the_affinity_of_the_process():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_memory_is_that_of_the_control_group(memory_group):
    """A class's hub puts each person's server into a group of its own, below the top."""
    if memory_group is None:
        pytest.skip("this machine lets us make no control group")
    look = "from labkit.machine import machine; here = machine(); print(here.memory_total, here.memory_available, here.memory_limited)"
    enter = f'echo $$ >"{memory_group}/cgroup.procs" && exec "$@"'
    done = subprocess.run(["sh", "-c", enter, "sh", sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    total, available, limited = done.stdout.split()
    assert int(total) == BINDER_MEMORY > int(available) > BINDER_MEMORY / 2 and limited == "True"


def test_sizes_for_people():
    assert [bytes_text(n) for n in (0, 999, 7_700_000, 123_000_000, 5 * 10**12)] == ["0 B", "999 B", "7.7 MB", "123 MB", "5.0 TB"]
    assert [count_text(n) for n in (12, 3_800_000, 8_030_000_000)] == ["12", "3.8M", "8.03B"]
    assert bytes_text(None) == count_text(None) == ""
