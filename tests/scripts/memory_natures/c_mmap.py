"""held: a driver, played by ctypes, maps anonymous memory for its buffers and never unmaps it.

Remedy: munmap() the buffers.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import random
from functools import partial

from tests.scripts.memory_natures.folds import in_threads, run_folds

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

PAGE = 4096
FAILED = ctypes.c_void_p(-1).value

buffers: list[tuple[int, int]] = []
"""The addresses and the sizes; never unmapped."""


def anonymous(size: int) -> int:
    """Map memory past malloc, and touch all of it."""
    kind = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    address = libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, kind, -1, 0)
    assert address not in {None, FAILED}, os.strerror(ctypes.get_errno())
    libc.memset(address, 7, size)
    return int(address)


def traffic(seed: int) -> None:
    """Map and unmap, with Python objects made in between."""
    chance = random.Random(seed)
    for _ in range(60):
        size = chance.randrange(1, 200) * PAGE
        address = anonymous(size)
        text = [str(i) for i in range(chance.randrange(2000))]
        libc.munmap(address, size)
        del text


def work(fold: int) -> None:
    chance = random.Random(fold)
    with in_threads(*(partial(traffic, fold * 11 + i) for i in range(3))):
        for _ in range(14):
            size = chance.randrange(200, 1200) * PAGE  # 0.8 to 4.7 MB
            buffers.append((anonymous(size), size))


if __name__ == "__main__":
    run_folds(work)
