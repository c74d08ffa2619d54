"""held: predictions, in many small arrays, and features, in a few large ones, are kept for all folds.

Remedy: do not keep the arrays of each batch in RESULTS.
"""

from __future__ import annotations

import gc
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tests.scripts.memory_natures.folds import in_threads, run_folds

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESULTS: dict[int, list[NDArray[np.float64]]] = {}


def shuffle(seed: int) -> None:
    chance = np.random.default_rng(seed)
    for _ in range(8):
        array = chance.random(int(chance.integers(50_000, 600_000)))
        array.sort()


def predict(fold: int) -> None:
    chance = np.random.default_rng(fold)
    with in_threads(*(partial(shuffle, fold * 5 + i) for i in range(3))):
        kept = RESULTS.setdefault(fold, [])
        for _ in range(12_000):  # small: 0.2 to 2 KB
            batch = chance.random(int(chance.integers(24, 250)))
            kept.append(batch * 2)
        for _ in range(3):  # large: 6 to 9 MB
            features = chance.random((int(chance.integers(800, 1200)), 1000))
            kept.append(features - features.mean())
        temporary = chance.random(2_000_000)
        temporary = np.log1p(temporary)
        del temporary, features, batch  # before the threads are waited for


def work(fold: int) -> None:
    predict(fold)
    gc.collect()


if __name__ == "__main__":
    run_folds(work)
