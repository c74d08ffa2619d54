"""kept by the framework: a growing window's tensors are freed, and TensorFlow's BFC pool for the CPU keeps their regions.

Remedy: TF_CPU_ALLOCATOR_USE_BFC=false and TF_ENABLE_ONEDNN_OPTS=0 together, with malloc_trim(0): oneDNN has a BFC pool
of its own, on by default.
"""

from __future__ import annotations

import gc
import os
from functools import partial

import numpy as np

from tests.scripts.memory_natures.folds import in_threads, run_folds

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # both are read as TensorFlow is loaded
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")

import tensorflow as tf


def window(parts: int, seed: int) -> float:
    """Hold ``parts`` times 40 MB in tensors of 2 to 6 MB, all dead on return."""
    chance = np.random.default_rng(seed)
    live: list[tf.Tensor] = []
    done = 0
    while done < parts * 40 << 20:
        tensor = tf.random.uniform((int(chance.integers(500, 1500)), 1024)) + 1.0
        live.append(tensor)
        done += tensor.shape[0] * 4096
    return float(tf.add_n([tf.reduce_mean(tensor) for tensor in live]))


def augment(seed: int) -> None:
    chance = np.random.default_rng(seed)
    for _ in range(20):
        np.tanh(chance.random(int(chance.integers(1_000, 100_000)))).sum()


def work(fold: int) -> None:
    with in_threads(*(partial(augment, fold * 2 + i) for i in range(2))):
        window(fold, fold)
    gc.collect()


if __name__ == "__main__":
    run_folds(work)
