"""held: the fold's frame of floats, categories and strings is kept in a global for a report at the end.

Remedy: keep the aggregates, not the frames.
"""

from __future__ import annotations

import gc
from functools import partial

import numpy as np
import pandas as pd

from tests.scripts.memory_natures.folds import in_threads, run_folds

FRAMES: list[pd.DataFrame] = []


def frame(seed: int, rows: int) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "a": chance.random(rows),
            "b": chance.normal(size=rows),
            "c": chance.integers(0, 1000, rows),
            "d": pd.Categorical(chance.integers(0, 5, rows)),
            "name": [f"customer-{i:09d}" for i in chance.integers(0, 10**9, rows)],
        }
    )


def summarise(seed: int) -> None:
    for i in range(3):
        part = frame(seed + i, 15_000)
        part.groupby("d", observed=True)[["a", "b"]].mean()
        part.sort_values("name").head()


def report(fold: int) -> None:
    with in_threads(partial(summarise, fold * 1000)):
        whole = frame(fold, 280_000 + 15_000 * (fold % 2))
        whole["z"] = (whole["a"] - whole["a"].mean()) / whole["a"].std()
        means = whole.groupby("c")["b"].mean().rename("mean_b")
        whole.merge(means, on="c").nlargest(100, "mean_b")
        FRAMES.append(whole)


def work(fold: int) -> None:
    report(fold)
    gc.collect()


if __name__ == "__main__":
    run_folds(work)
