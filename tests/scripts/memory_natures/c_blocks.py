"""held: an extension, played by ctypes, mallocs C buffers, touches them and forgets to free most of them.

Remedy: free() the blocks.
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

lost: list[int] = []
"""The addresses, as a C library would hold them in a list of its own; never freed."""


def decode(seed: int, megabytes: int) -> None:
    """Decode "frames": of every three buffers one is freed, two are lost."""
    chance = random.Random(seed)
    done = 0
    while done < megabytes << 20:
        size = chance.choice((700, 3000, 9000, 20000, 48000))
        block = libc.malloc(size)
        libc.memset(block, seed & 255, size)
        if chance.random() < 0.33:
            libc.free(block)
        else:
            lost.append(block)
            done += size


def resample(seed: int) -> None:
    """Allocate and free in C, and leave nothing."""
    chance = random.Random(seed)
    live: list[int] = []
    for _ in range(4000):
        size = chance.randrange(200, 30000)
        block = libc.malloc(size)
        libc.memset(block, 1, size)
        live.append(block)
        if len(live) > 100:
            libc.free(live.pop(chance.randrange(len(live))))
    for block in live:
        libc.free(block)


def work(fold: int) -> None:
    calls = [partial(resample, fold * 3 + i) for i in range(2)]
    # Some is lost in another thread's arena.
    with in_threads(*calls, partial(decode, fold + 100, 12)):
        decode(fold, 24)


if __name__ == "__main__":
    run_folds(work)
