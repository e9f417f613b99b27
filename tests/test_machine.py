from __future__ import annotations

import os

import pytest

from labkit.display import bytes_text, count_text
from labkit.machine import machine, usable_cores


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


def test_sizes_for_people():
    assert [bytes_text(n) for n in (0, 999, 7_700_000, 123_000_000, 5 * 10**12)] == ["0 B", "999 B", "7.7 MB", "123 MB", "5.0 TB"]
    assert [count_text(n) for n in (12, 3_800_000, 8_030_000_000)] == ["12", "3.8M", "8.03B"]
    assert bytes_text(None) == count_text(None) == ""
