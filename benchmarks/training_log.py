"""A training log of any size for the reading benchmarks: what Keras really draws, and checkpoints.

A progress bar draws a pool of epochs, Keras 3's own one or as Keras 2 drew it; the log strings them
together in random order, with one ``[THREADS]`` line behind each hundred of its redraws, numbers
varying. Made in a process of its own, so that TensorFlow is in none that is measured.

The two bars are as far apart as can be for a search of one literal: each bar of Keras 2 ends in the
bracket that ``[THREADS]`` ends in, no bar of Keras 3 has one.
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


def drawn_epochs(numbers: random.Random, keras: int) -> list[bytes]:
    """Return the epochs' headings and bars, as this major version of Keras writes them into a file."""
    draw = {2: _draw_as_keras_2, 3: _draw_with_keras_3}[keras]
    epochs = []
    for epoch in range(EPOCHS):
        error_counts = [
            2.3 / step + numbers.random() / 10 for step in range(1, numbers.randint(21, 31))
        ]
        drawn = draw(error_counts, numbers.random())
        epochs.append(f"Epoch {epoch + 1}/{EPOCHS}\n{drawn}".encode())
    return epochs


def _draw_with_keras_3(error_counts: list[float], val_loss: float) -> str:
    from keras.utils import Progbar

    drawn = io.StringIO()
    with contextlib.redirect_stdout(drawn):
        bar = Progbar(len(error_counts), interval=0)
        for step, loss in enumerate(error_counts, start=1):
            bar.update(step, [("accuracy", 1 - loss / 3), ("loss", loss)], finalize=False)
        bar.update(len(error_counts), [("val_loss", val_loss)], finalize=True)
    return drawn.getvalue()


def _draw_as_keras_2(error_counts: list[float], val_loss: float) -> str:
    """Draw what ``Progbar`` of keras/utils/generic_utils.py, Keras 2.15, draws."""
    drawn, width, of = "", 0, len(error_counts)
    for step, loss in enumerate(error_counts, start=1):
        done = 30 * step // of
        arrow = "=" * (done - 1) + (">" if step < of else "=") if done else ""
        bar = f"{step:{len(str(of))}d}/{of} [{arrow}{'.' * (30 - done)}]"
        bar += f" - ETA: {of - step}s - loss: {loss:.4f} - accuracy: {1 - loss / 3:.4f}"
        drawn += "\b" * width + "\r" + bar
        width = len(bar)
    return f"{drawn} - val_loss: {val_loss:.4f}\n"


def thread_line(share: float, numbers: random.Random) -> bytes:
    """Return a checkpoint at ``share`` of the log, with counts that wander and do not grow."""
    fold, of_fold = divmod(share * FOLDS, 1)
    stage = STAGES[int(of_fold * len(STAGES))]
    proc, maps = numbers.randint(90, 110), numbers.randint(2400, 2600)
    return (
        f"[THREADS] Fold {int(fold) + 1}/{FOLDS} {stage}: proc={proc}, cgroup={proc + 470}/7680, "
        f"maps={maps}/65530, rss={numbers.randint(1700, 1800)}MB\n"
    ).encode()


def write(path: str, size_bytes: int, keras: int = 3) -> None:
    """Write a log of ``size_bytes`` or a little more."""
    numbers = random.Random(20)
    epochs = drawn_epochs(numbers, keras)
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
    write(sys.argv[1], *map(int, sys.argv[2:]))
