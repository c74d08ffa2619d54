"""kept by malloc: every fold starts more workers than the one before, and each frees all it took in an arena of its own.

Remedy: MALLOC_ARENA_MAX=2 or MALLOC_TRIM_THRESHOLD_=131072, both measured. malloc_trim(0) is none: it leaves the tops of
the threads' arenas.
"""

from __future__ import annotations

import ctypes
import random
import threading
from functools import partial

import numpy as np

from tests.scripts.memory_natures.folds import in_threads, run_folds

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


def load(seed: int, ready: threading.Barrier, turn: threading.Semaphore) -> None:
    """Fill and empty an arena of this thread's own, beside as many others as ``ready`` waits for."""
    chance = random.Random(seed)
    libc.free(libc.malloc(5000))  # the thread now has its arena
    ready.wait()
    with turn:
        live: list[int] = []
        done = 0
        while done < 20 << 20:
            size = chance.randrange(1100, 9000)
            block = libc.malloc(size)
            libc.memset(block, 5, size)
            live.append(block)
            done += size
        chance.shuffle(live)
        for block in live:
            libc.free(block)
    ready.wait()


def free_30_megabytes() -> None:
    """Have malloc raise its own thresholds: by freed arrays of 30 MB to 30 and 60 MB, and its heap by 30 MB."""
    np.ones(30 << 17).sum()


def work(fold: int) -> None:
    free_30_megabytes()
    ready = threading.Barrier(2 * fold)
    # Two at a time: the live memory does not grow with the number of workers.
    turn = threading.Semaphore(2)
    with in_threads(*(partial(load, fold * 100 + i, ready, turn) for i in range(2 * fold))):
        pass


if __name__ == "__main__":
    for _ in range(2):
        free_30_megabytes()
    run_folds(work)
