"""A cluster of two worker processes gives the rows that one process gives."""

from __future__ import annotations

import pytest

import labkit as lab
from labkit.zoo import catalog

distributed = pytest.importorskip("distributed")
NAME = next(name for name in catalog.names() if catalog.card(name).kind == "chat")
TIMES = ["total_duration", "time_to_first_token", "load_duration", "prompt_duration", "generation_duration", "tokens_per_second"]


def test_dask_cluster_gives_the_same_rows(tmp_path):
    asked = {"models": {"cool": (NAME, {"temperature": 0.2}), "warm": (NAME, {"temperature": 1.5})}, "prompts": ["Hello!", "¡Hola!"]}
    asked |= {"scorers": {"length": len}, "repeats": 3, "max_tokens": 12}
    settings = {"temperature": [0, 1], "repeats": 3, "max_tokens": 8, "log": False}
    here = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "local_directory": str(tmp_path)}
    with distributed.LocalCluster(**here) as cluster, distributed.Client(cluster) as client:
        compared = lab.compare(**asked, executor=client.get_executor(), log=tmp_path / "log").frame
        swept = lab.sweep(NAME, "Hello!", executor=client.get_executor(), **settings).frame
    alone = lab.compare(**asked, log=False).frame
    serial = lab.sweep(NAME, "Hello!", together=False, **settings).frame
    assert compared.drop(columns=TIMES).equals(alone.drop(columns=TIMES)) and len(alone) == 12
    assert swept.drop(columns=TIMES).equals(serial.drop(columns=TIMES)) and len(serial) == 6
    again = lab.compare(**asked, log=tmp_path / "log").frame
    assert again["from_log"].all() and list(again["text"]) == list(alone["text"])
