"""shared memory: every fold puts its batches into new shared segments for workers, and stays attached.

Remedy: close() and unlink() a fold's segments.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
from functools import partial
from multiprocessing.shared_memory import SharedMemory

import numpy as np

from tests.scripts.memory_natures.folds import in_threads, run_folds

segments: list[SharedMemory] = []


def remove() -> None:
    """Leave nothing in /dev/shm when the run is over."""
    for segment in segments:
        segment.unlink()
        with contextlib.suppress(BufferError):
            segment.close()


def augment(seed: int) -> None:
    chance = np.random.default_rng(seed)
    for _ in range(10):
        np.tanh(chance.random(int(chance.integers(20_000, 300_000)))).sum()


def work(fold: int) -> None:
    chance = np.random.default_rng(fold)
    with in_threads(*(partial(augment, fold * 2 + i) for i in range(2))):
        for _ in range(4):
            size = int(chance.integers(8, 13)) << 20
            segment = SharedMemory(create=True, size=size)
            segments.append(segment)
            batch = np.ndarray((size // 8,), dtype=np.float64, buffer=segment.buf)
            batch[:] = 1.0
            batch[: 1 << 17] = chance.random(1 << 17)
            del batch
    gc.collect()


if __name__ == "__main__":
    atexit.register(remove)
    run_folds(work)
