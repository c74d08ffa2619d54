'''`Fold`: the argument of a function that trains one fold of a cross-validation.

It splits any data by the fold's number and offers the remedies against growth. It does not load TensorFlow
by itself. A complete model for ``foldwatch train my_model:train``:

    """A dense network on scikit-learn's wine data."""

    import keras
    from sklearn.datasets import load_wine
    from sklearn.preprocessing import StandardScaler
    from tensorflow import data


    def train(fold):
        samples, labels = load_wine(return_X_y=True)
        train, test = fold.split(labels)
        scaler = StandardScaler().fit(samples[train])
        samples = scaler.transform(samples)
        train_data = data.Dataset.from_tensor_slices((samples[train], labels[train]))
        train_data = fold.bound(train_data.shuffle(len(train), seed=fold.seed).batch(16))
        with fold.strategy.scope():
            model = keras.Sequential([keras.layers.Dense(3, activation="softmax")])
            adam = keras.optimizers.Adam(0.05)
            model.compile(adam, "sparse_categorical_crossentropy", metrics=["accuracy"])
        fold.hold(model=model, train_data=train_data)
        fold.checkpoint("after model creation")
        model.fit(train_data, epochs=fold.epochs, verbose=2)
        fold.checkpoint("after fit")
        loss, accuracy = model.evaluate(samples[test], labels[test], verbose=0)
        return {"accuracy": accuracy, "loss": loss}
'''

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import telemetry
from trainer.worker import input_pipeline
from trainer.worker.held_objects import HeldObjects

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    import tensorflow as tf

    from telemetry.reading import Reading
    from trainer.worker.cleanup import CleanUp
    from trainer.worker.devices import Devices


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One fold: its number, its devices, its folder, and the objects held until its clean-up."""

    number: int
    """From 1."""
    folds: int
    epochs: int
    seed: int
    """Another one for each fold; Python's, NumPy's and Keras's generators start from it."""
    split_seed: int
    """The same for all folds of a run, or their test sets would overlap."""
    folder: str
    """Where this fold's files belong; it exists."""
    devices: Devices
    without: frozenset[str] = frozenset()
    """Remedies that are switched off: ``bounds``, ``cleanup``."""
    held: HeldObjects = field(init=False)

    def __post_init__(self) -> None:
        title = f"fold {self.number}/{self.folds}"
        object.__setattr__(self, "held", HeldObjects(title, fold=self.number))

    @property
    def strategy(self) -> tf.distribute.Strategy:
        """The run's strategy, one per process: mirrored over the devices of ``--device-mode``."""
        return self.devices.strategy

    def split(
        self, labels: int | Sequence[object] | npt.NDArray[np.generic]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the indices of this fold's training and test samples.

        ``labels`` are the classes of all samples, for folds with the same share of each class; or
        the number of samples, if there are no classes. Each sample is in the test set of one fold.
        """
        # Loaded after the caps, and only by a function that needs it.
        from sklearn.model_selection import KFold, StratifiedKFold  # noqa: PLC0415

        kind, samples = (
            (KFold, range(labels)) if isinstance(labels, int) else (StratifiedKFold, labels)
        )
        splits = kind(n_splits=self.folds, shuffle=True, random_state=self.split_seed)
        train, test = list(splits.split(samples, samples))[self.number - 1]
        return train, test

    def checkpoint(self, label: str, *, prefix: bool = True) -> Reading:
        """Take a reading under ``Fold K/N label``, or under ``label`` alone."""
        return telemetry.checkpoint(label, prefix=prefix)

    def bound(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Return ``dataset`` with a fixed number of threads; unchanged if bounds are switched off."""
        return dataset if "bounds" in self.without else input_pipeline.bound(dataset)

    def hold(self, **objects: object) -> None:
        """Register objects that must be gone after the fold: clean-up drops them and reports survivors."""
        self.held(**objects)

    def clean_up(self, *names: str) -> CleanUp | None:
        """Release the objects of these names, or all; None if clean-up is switched off.

        At the end of a fold this is called automatically. The report goes to standard output and, as an event,
        into the journal.
        """
        if "cleanup" in self.without:
            return None
        return self.held.clean_up(*names)
