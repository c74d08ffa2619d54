"""A training log of any size for the reading benchmarks: what Keras really draws, and checkpoints.

Keras's own progress bar draws a pool of epochs; the log strings them together in random order, with
one ``[THREADS]`` line behind each hundred of its redraws, numbers varying. Made in a process of its
own, so that TensorFlow is in none that is measured.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import sys

EPOCHS = 400
"""In the pool: about two megabytes, more than a processor's second-level cache holds."""
REDRAWS_PER_CHECKPOINT = 100
STAGES = (
    "START",
    "after model creation",
    "after Stage 1 fit",
    "after Stage 2 fit",
    "AFTER CLEANUP",
)
FOLDS = 5


def drawn_epochs(numbers: random.Random) -> list[bytes]:
    """Return the epochs' headings and bars, as Keras writes them into a file."""
    from keras.utils import Progbar

    epochs = []
    for epoch in range(EPOCHS):
        steps = numbers.randint(20, 30)
        drawn = io.StringIO()
        with contextlib.redirect_stdout(drawn):
            print(f"Epoch {epoch + 1}/{EPOCHS}")
            bar = Progbar(steps, interval=0)
            for step in range(1, steps + 1):
                loss = 2.3 / step + numbers.random() / 10
                bar.update(step, [("accuracy", 1 - loss / 3), ("loss", loss)], finalize=False)
            bar.update(steps, [("val_loss", numbers.random())], finalize=True)
        epochs.append(drawn.getvalue().encode())
    return epochs


def thread_line(share: float, numbers: random.Random) -> bytes:
    """Return a checkpoint at ``share`` of the log, with counts that wander and do not grow."""
    fold, of_fold = divmod(share * FOLDS, 1)
    stage = STAGES[int(of_fold * len(STAGES))]
    proc, maps = numbers.randint(90, 110), numbers.randint(2400, 2600)
    return (
        f"[THREADS] Fold {int(fold) + 1}/{FOLDS} {stage}: proc={proc}, cgroup={proc + 470}/7680, "
        f"maps={maps}/65530, rss={numbers.randint(1700, 1800)}MB\n"
    ).encode()


def write(path: str, size_bytes: int) -> None:
    """Write a log of ``size_bytes`` or a little more."""
    numbers = random.Random(20)
    epochs = drawn_epochs(numbers)
    redraws = {epoch: epoch.count(b"\r") for epoch in epochs}
    redrawn = written = 0
    with open(path, "wb") as file:
        while written < size_bytes:
            epoch = numbers.choice(epochs)
            written += file.write(epoch)
            redrawn += redraws[epoch]
            while redrawn >= REDRAWS_PER_CHECKPOINT:
                redrawn -= REDRAWS_PER_CHECKPOINT
                share = min(written / size_bytes, 1 - 1e-9)
                written += file.write(thread_line(share, numbers))
        os.fsync(file.fileno())


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]))
