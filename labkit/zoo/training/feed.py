"""Batches made ahead by several processes: text is made in Python, and a GPU would wait for it."""

from __future__ import annotations

import multiprocessing
import queue
from collections import deque
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Arrays = dict[str, NDArray[Any]]
Maker = Callable[[float], Iterator[Arrays]]  # progress of the training -> some batches for it
KEEP = 1200  # batches that may be met again
AHEAD = 4  # batches of each process that wait to be taken


class Feed:
    """Batches without end. Where no new one is ready, one of the last `KEEP` is given once more: the device never waits.

    Parameters
    ----------
    start : callable
        Called in each process with a number of its own; returns what makes batches for a progress. It must be picklable.
    workers : int
        Processes.
    device : torch.device
        Where the tensors go.
    seed : int
    """

    def __init__(self, start: Callable[[int], Maker], workers: int, device: torch.device, seed: int = 0) -> None:
        context = multiprocessing.get_context("spawn")
        self.device, self.random = device, Random(seed)
        self.progress: Any = context.Value("d", 0.0)
        self.waiting: Any = context.Queue(AHEAD * workers)
        self.kept: deque[dict[str, Tensor]] = deque(maxlen=KEEP)
        self.fresh = self.given = 0
        self.processes = [
            context.Process(target=_work, args=(start, 1000 * seed + number, self.progress, self.waiting), daemon=True)
            for number in range(workers)
        ]
        for process in self.processes:
            process.start()

    def take(self, progress: float) -> dict[str, Tensor]:
        """The next batch.

        Raises
        ------
        RuntimeError
            If a process ended: its error stands above.
        """
        self.progress.value = progress
        self.given += 1
        while True:
            try:
                arrays = self.waiting.get_nowait() if self.kept else self.waiting.get(timeout=5)
            except queue.Empty:
                if not all(process.is_alive() for process in self.processes):
                    raise RuntimeError("A process that makes the text has ended.") from None
                if self.kept:
                    return self.random.choice(self.kept)
                continue
            self.fresh += 1
            batch = {name: torch.from_numpy(array).to(self.device, non_blocking=True) for name, array in arrays.items()}
            self.kept.append(batch)
            return batch

    def close(self) -> None:
        """End the processes."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join()
        self.waiting.cancel_join_thread()
        self.waiting.close()


def _work(start: Callable[[int], Maker], number: int, progress: Any, waiting: Any) -> None:
    torch.set_num_threads(1)
    make = start(number)
    while True:
        for arrays in make(progress.value):
            waiting.put({name: np.ascontiguousarray(array) for name, array in arrays.items()})
