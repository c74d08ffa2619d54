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
    rows = np.arange(64, dtype=np.float32).reshape(32, 2)
    part = data.Dataset.from_tensor_slices((rows, np.arange(32) % 2)).batch(8)
    part = fold.bound(part)
    with fold.strategy.scope():
        model = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
    fold.hold(model=model, part=part)
    made.append(weakref.ref(model))
    if fold.epochs == 1:
        best.append({"score": 0.5, "model": model})
    loss = model.fit(part, epochs=fold.epochs, verbose=0).history["loss"][-1]
    return {"loss": loss}


def plain(_fold: Fold) -> dict[str, float]:
    """Train nothing, and use no device."""
    return {"score": 1}
