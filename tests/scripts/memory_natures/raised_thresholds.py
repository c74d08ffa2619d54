"""kept by malloc: tuned by mallopt, it serves large NumPy temporaries from a heap that it never trims; the window grows.

Remedy: take the calls of mallopt out, or malloc_trim(0) after a fold; both measured.
"""

from __future__ import annotations

import ctypes
import gc
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tests.scripts.memory_natures.folds import in_threads, run_folds

if TYPE_CHECKING:
    from numpy.typing import NDArray

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def tune() -> None:
    libc = ctypes.CDLL(None)
    assert libc.mallopt(M_MMAP_THRESHOLD, 1 << 30) == 1
    assert libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1) == 1


def window(parts: int, seed: int) -> float:
    """Hold ``parts`` times 40 MB in matrices of 2 to 12 MB, all freed on return."""
    chance = np.random.default_rng(seed)
    live: list[NDArray[np.float64]] = []
    done = 0
    while done < parts * 40 << 20:
        matrix = np.empty((int(chance.integers(250, 1500)), 1024))
        matrix.fill(seed)
        live.append(matrix)
        done += matrix.nbytes
    return float(sum(matrix.mean() for matrix in live))


def augment(seed: int) -> None:
    chance = np.random.default_rng(seed)
    for _ in range(20):
        np.tanh(chance.random(int(chance.integers(1_000, 100_000)))).sum()


def work(fold: int) -> None:
    with in_threads(*(partial(augment, fold * 2 + i) for i in range(2))):
        window(fold, fold)
    gc.collect()


if __name__ == "__main__":
    tune()
    run_folds(work)
