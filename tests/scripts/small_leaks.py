"""The leaks of ``foldwatch reproduce`` after a training of milliseconds in place of the reference's seconds.

The leaks, and what TensorFlow does at the limit, are the real ones. A fold goes on to its leak when the
runner has read its process twice, as a longer training would have it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import keras
import numpy as np
from tensorflow import data

from telemetry.journal.follower import JournalFollower
from telemetry.reading import Reading
from tests.support.waiting import wait_until
from trainer import reference
from trainer.reproduce import leaks

if TYPE_CHECKING:
    from trainer.worker.fold import Fold

READINGS = 2
SECONDS = 60


def train(fold: Fold) -> dict[str, float]:
    """Train one layer over the fold's devices."""
    rows = np.arange(64, dtype=np.float32).reshape(32, 2)
    batches = data.Dataset.from_tensor_slices((rows, np.arange(32) % 2)).batch(8)
    batches = fold.bound(batches)
    with fold.strategy.scope():
        model = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
    fold.hold(model=model, batches=batches)
    loss = model.fit(batches, epochs=fold.epochs, verbose=0).history["loss"][-1]
    _wait_for_readings(fold)
    return {"loss": loss}


def _wait_for_readings(fold: Fold) -> None:
    path = os.path.join(os.environ["FOLDWATCH_RUN_DIR"], "journal.jsonl")
    if not os.path.exists(path):
        path = os.path.join(fold.folder, "journal.jsonl")
    journal = JournalFollower(path)
    journal.poll()
    seen: list[Reading] = []

    def are_there() -> bool:
        seen.extend(r for r in journal.poll() if isinstance(r, Reading) and r.label is None)
        return len(seen) >= READINGS

    wait_until(are_there, SECONDS, "the runner's readings")


assert vars(leaks)["train"] is reference.train
vars(leaks)["train"] = train
pids = leaks.pids
