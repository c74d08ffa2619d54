"""kept by malloc: a growing window of C rows is freed, but small survivors pin the heap's top and the ends of its pages.

Remedy: malloc_trim(0) after a fold. MALLOC_TRIM_THRESHOLD_ does not help, for the top is pinned.
"""

from __future__ import annotations

import ctypes
import random
from functools import partial

from tests.scripts.memory_natures.folds import in_threads, run_folds

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

survivors: list[int] = []
"""Of the last fold: some blocks of 64 bytes, one amid about every 250 KB of rows."""


def rows(seed: int, megabytes: int) -> list[int]:
    """Load rows, leave small index entries among them, free the rows in a random order."""
    chance = random.Random(seed)
    live: list[int] = []
    index: list[int] = []
    done = 0
    while done < megabytes << 20:
        size = chance.randrange(1500, 6000)
        block = libc.malloc(size)
        libc.memset(block, 3, size)
        live.append(block)
        done += size
        if len(live) % 64 == 0:
            index.append(libc.malloc(64))
    index.append(libc.malloc(2000))
    chance.shuffle(live)
    for block in live:
        libc.free(block)
    return index


def chatter(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(40):
        words = [str(chance.random()) for _ in range(500)]
        " ".join(words).split()


def work(fold: int) -> None:
    with in_threads(*(partial(chatter, fold + i) for i in range(2))):
        new = rows(fold, 40 * fold)
        for block in survivors:
            libc.free(block)
        survivors[:] = new


if __name__ == "__main__":
    run_folds(work)
