"""kept by malloc: tcmalloc, its release rate 0, keeps what a growing window frees in its page heap.

Remedy: MallocExtension_ReleaseFreeMemory(), or TCMALLOC_AGGRESSIVE_DECOMMIT=true. TCMALLOC_RELEASE_RATE=10 or 1000 does
not flatten it, measured.
"""

from __future__ import annotations

import gc
import random
from functools import partial

from tests.scripts.memory_natures.folds import in_threads, preload, run_folds

LIBRARY = "/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4"
SETTINGS = {"TCMALLOC_RELEASE_RATE": "0"}


def window(parts: int, seed: int) -> None:
    """Hold ``parts`` times 40 MB in documents of 2 to 60 KB, which die in a random order.

    They are bytes objects, for those are malloc'ed.
    """
    chance = random.Random(seed)
    live: list[bytes] = []
    done = 0
    while done < parts * 40 << 20:
        document = bytes([65 + seed % 26]) * chance.randrange(2_000, 60_000)
        live.append(document)
        done += len(document)
    chance.shuffle(live)
    while live:
        live.pop()


def index(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(300):
        text = b" ".join(str(chance.random()).encode() for _ in range(200))
        text.split()


def work(fold: int) -> None:
    with in_threads(*(partial(index, fold + i) for i in range(2))):
        window(fold, fold)
    gc.collect()


if __name__ == "__main__":
    preload(LIBRARY, SETTINGS)
    run_folds(work)
