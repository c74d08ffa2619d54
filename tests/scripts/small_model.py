"""Models of one layer, as ``foldwatch train`` takes them: for what is done around a training."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import keras
import numpy as np
from tensorflow import data

if TYPE_CHECKING:
    from trainer.worker.fold import Fold

made: list[weakref.ref[keras.Model]] = []
"""They hold nothing."""
best: list[dict[str, object]] = []
"""What `leaking` keeps."""


def train(fold: Fold) -> dict[str, float]:
    """Train over the fold's devices, and hold what was made."""
    return {"loss": _fit(fold)[1]}


def leaking(fold: Fold) -> dict[str, float]:
    """Train, and keep the model in a list of this module."""
    model, loss = _fit(fold)
    best.append({"score": 0.5, "model": model})
    return {"loss": loss}


def plain(_fold: Fold) -> dict[str, float]:
    """Train nothing, and use no device."""
    return {"score": 1}


def _fit(fold: Fold) -> tuple[keras.Model, float]:
    rows = np.arange(64, dtype=np.float32).reshape(32, 2)
    part = data.Dataset.from_tensor_slices((rows, np.arange(32) % 2)).batch(8)
    part = fold.bound(part)
    with fold.strategy.scope():
        model = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
    fold.hold(model=model, part=part)
    made.append(weakref.ref(model))
    return model, model.fit(part, epochs=fold.epochs, verbose=0).history["loss"][-1]
