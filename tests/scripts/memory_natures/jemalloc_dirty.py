"""kept by malloc: jemalloc, never to give back by itself, keeps the freed arrays of a growing window as dirty pages.

Remedy: MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0, measured.
"""

from __future__ import annotations

import gc
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tests.scripts.memory_natures.folds import in_threads, preload, run_folds

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIBRARY = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"
SETTINGS = {"MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1"}


def window(parts: int, seed: int) -> float:
    """Hold ``parts`` times 40 MB in arrays of 8 KB to 1 MB, all dead on return."""
    chance = np.random.default_rng(seed)
    live: list[NDArray[np.float64]] = []
    done = 0
    while done < parts * 40 << 20:
        array = np.empty(int(chance.integers(1_000, 130_000)))
        array.fill(1.5)
        live.append(array)
        done += array.nbytes
    return sum(float(array[0]) for array in live)


def resample(seed: int) -> None:
    chance = np.random.default_rng(seed)
    for _ in range(100):
        np.sort(chance.random(int(chance.integers(100, 20_000))))


def work(fold: int) -> None:
    with in_threads(*(partial(resample, fold + i) for i in range(2))):
        window(fold, fold)
    gc.collect()


if __name__ == "__main__":
    preload(LIBRARY, SETTINGS)
    run_folds(work)
