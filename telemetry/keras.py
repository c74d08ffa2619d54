"""`Checkpoints`, a Keras callback: a labelled reading per epoch.

Imports keras, so it is loaded only when it is asked for (``telemetry.keras``).
"""

from __future__ import annotations

from typing import Any

import keras

from telemetry.callbacks import EpochLabels


class Checkpoints(EpochLabels, keras.callbacks.Callback):  # type: ignore[misc] # keras has no types
    """Takes a checkpoint ``epoch E`` at the end of every ``every``-th epoch and of the last one.

    Inside `telemetry.fold` the label is ``Fold K/N epoch E``. Epochs count from 1. Once constructed, it
    raises nothing into the training.

    Args:
        every: How many epochs pass from one checkpoint to the next, at least 1.
        settle_every: How many epochs pass from one `telemetry.settle` to the next, after the checkpoint; 0: none.
            For a training without folds: of a fold the last one counts.

    Raises:
        ValueError: ``every`` is under 1, or ``settle_every`` under 0.
    """

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's signature
        """Keras calls this with epochs counted from 0."""
        number = epoch + 1
        self._end_epoch(number, is_last=number == self.params.get("epochs"))
