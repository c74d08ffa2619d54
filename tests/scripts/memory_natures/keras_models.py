"""held: a model search keeps every trained Keras model in a list, to compare them later.

Remedy: drop the models; measured flat. In graph mode, without ``run_eagerly=True``, it would not be flat, even with
``clear_session()``.
"""

from __future__ import annotations

import gc
import os
from functools import partial

import numpy as np

import telemetry
from tests.scripts.memory_natures.folds import in_threads, run_folds

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read as TensorFlow is loaded

import keras

candidates: list[tuple[float, keras.Model]] = []
"""The leak: every fold's model and its optimizer's state."""

chance_of_rows = np.random.default_rng(0)
inputs = chance_of_rows.normal(size=(256, 256)).astype("float32")
targets = inputs[:, :1] * 2 + 1


def build(width: int) -> keras.Model:
    model = keras.Sequential(
        [
            keras.layers.Input((256,)),
            keras.layers.Dense(width, activation="relu"),
            keras.layers.Dense(width, activation="relu"),
            keras.layers.Dense(1),
        ]
    )
    model.compile("adam", "mse", run_eagerly=True)
    return model


def augment(seed: int) -> None:
    chance = np.random.default_rng(seed)
    for _ in range(4):
        rows = chance.normal(size=(int(chance.integers(1000, 4000)), 256))
        np.tanh(rows).sum()


def search(fold: int) -> None:
    with in_threads(*(partial(augment, 10 * fold + i) for i in range(2))):
        model = build(1450)
        model.fit(inputs, targets, epochs=1, batch_size=128, verbose=0)
        telemetry.checkpoint("AFTER FIT")
    candidates.append((float(model.evaluate(inputs, targets, verbose=0)), model))


def work(fold: int) -> None:
    search(fold)
    gc.collect()


if __name__ == "__main__":
    run_folds(work)
