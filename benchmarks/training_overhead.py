"""A real TensorFlow epoch with a 1 s timer and a checkpoint per epoch, beside one without either.

Pairs of epochs alternate in one process, the order within a pair turning each time; the figure is the
median over the pairs of (with - without) / without. The process is kept to one core: threads of
TensorFlow that wander between cores move an epoch by a third, and on one core whatever telemetry
takes is taken from the training.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PAIRS = 25
STEPS = 30


def make_epoch() -> Callable[[], float]:
    """Return a function that trains one epoch and returns its seconds; the first ones are over."""
    import numpy as np
    import tensorflow as tf

    images = np.random.default_rng(7).random((64 * STEPS, 28, 28, 1), dtype=np.float32)
    labels = np.arange(64 * STEPS) % 10
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Conv2D(32, 3, activation="relu"),
            tf.keras.layers.Conv2D(32, 3, activation="relu"),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(images, labels, batch_size=64, epochs=2, verbose=0)

    def epoch() -> float:
        began = time.perf_counter()
        model.fit(images, labels, batch_size=64, epochs=1, verbose=0)
        return time.perf_counter() - began

    return epoch


def main() -> None:
    """Print one JSON object."""
    os.environ |= {"TF_NUM_INTEROP_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    from telemetry.journal.writer import JournalWriter
    from telemetry.kernel.reader import Reader
    from telemetry.recorder.sampler import Sampler

    epoch = make_epoch()

    def epoch_with() -> float:
        # A training starts its timer once, not every epoch: that is not what is timed.
        sampler = Sampler(reader=reader, journal=journal, lines=nowhere)
        sampler.begin_timer(1.0)
        began = time.perf_counter()
        epoch()
        sampler.checkpoint("Fold 1/1 epoch 1")
        taken = time.perf_counter() - began
        sampler.stop()
        return taken

    with (
        tempfile.TemporaryDirectory() as place,
        open(os.devnull, "w", encoding="utf-8") as nowhere,
    ):
        journal, reader = JournalWriter(os.path.join(place, "journal.jsonl")), Reader()
        differences, plain = [], []
        for pair in range(PAIRS):
            if pair % 2:
                without, with_ = epoch(), epoch_with()
            else:
                with_, without = epoch_with(), epoch()
            differences.append((with_ - without) / without)
            plain.append(without)
    result = {
        "pairs": PAIRS,
        "epoch_seconds": statistics.median(plain),
        "overhead": statistics.median(differences),
        "spread": statistics.quantiles(differences, n=4)[2]
        - statistics.quantiles(differences, n=4)[0],
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
