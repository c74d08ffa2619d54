"""One fold of the reference run: a random forest and a two-branch network on the digits.

Owns the stages and their labels. It is called in a process whose caps are set and whose telemetry is
running; it must not know whether other folds share that process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf
from sklearn.ensemble import RandomForestClassifier

import telemetry
from trainer.cleanup import clean_up
from trainer.pipeline import bound
from trainer.reference.data import CLASSES, Digits, Floats, Integers, split

if TYPE_CHECKING:
    from trainer.folds import RunConfig

BATCH = 64
FOREST_TREES = 100
FOREST_JOBS = 2


def train_fold(
    digits: Digits, strategy: tf.distribute.Strategy, config: RunConfig, *, fold: int
) -> dict[str, float]:
    """Train and evaluate one fold; return its metrics (accuracies in 0..1, loss in nats)."""
    with telemetry.fold(fold, of=config.folds):
        telemetry.checkpoint("START")
        keras.utils.set_random_seed(config.seed + fold)
        train, test = split(digits.labels, fold=fold, folds=config.folds, seed=config.seed)
        train_data, test_data, forest_accuracy = _prepare(digits, train, test, config.seed + fold)
        telemetry.checkpoint("after prepare_cached_datasets")
        with strategy.scope():
            model = _make_model()
            telemetry.checkpoint("after model creation")
            model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(train_data, epochs=config.epochs, verbose=2)
        telemetry.checkpoint("after Stage 1 fit")
        loss, accuracy = model.evaluate(test_data, verbose=0)
        telemetry.checkpoint("after all training")
        del model, train_data, test_data
        clean_up()
        telemetry.checkpoint("AFTER CLEANUP")
    return {
        "accuracy": float(accuracy),
        "loss": float(loss),
        "forest_accuracy": forest_accuracy,
    }


def _prepare(
    digits: Digits, train: Integers, test: Integers, seed: int
) -> tuple[tf.data.Dataset, tf.data.Dataset, float]:
    """Give the cached datasets, the forest's votes among the tabular features, and its accuracy.

    Training rows get out-of-bag votes: those of trees that have not seen the row.
    """
    telemetry.checkpoint(f"before RF fit (n_jobs={FOREST_JOBS})", prefix=False)
    forest = RandomForestClassifier(
        FOREST_TREES, n_jobs=FOREST_JOBS, oob_score=True, random_state=seed
    ).fit(digits.tables[train], digits.labels[train])
    telemetry.checkpoint(f"after RF fit (n_jobs={FOREST_JOBS})", prefix=False)
    votes = forest.predict_proba(digits.tables[test])
    accuracy = float(np.mean(votes.argmax(axis=1) == digits.labels[test]))
    train_data = _dataset(digits, train, forest.oob_decision_function_, shuffle_seed=seed)
    test_data = _dataset(digits, test, votes)
    telemetry.checkpoint("end of prepare_cached_datasets", prefix=False)
    return train_data, test_data, accuracy


def _dataset(
    digits: Digits, rows: Integers, votes: Floats, *, shuffle_seed: int | None = None
) -> tf.data.Dataset:
    tables = np.concatenate([digits.tables[rows], votes.astype(np.float32)], axis=1)
    inputs = {"image": digits.images[rows], "table": tables}
    dataset = tf.data.Dataset.from_tensor_slices((inputs, digits.labels[rows])).cache()
    if shuffle_seed is not None:
        dataset = dataset.shuffle(len(rows), seed=shuffle_seed)
    return bound(dataset.batch(BATCH))


def _make_model() -> keras.Model:
    image = keras.Input((8, 8, 1), name="image")
    table = keras.Input((20 + CLASSES,), name="table")
    seen = keras.layers.Conv2D(16, 3, activation="relu")(image)
    seen = keras.layers.Flatten()(seen)
    known = keras.layers.Dense(32, activation="relu")(table)
    both = keras.layers.Concatenate()([seen, known])
    both = keras.layers.Dense(64, activation="relu")(both)
    return keras.Model(
        {"image": image, "table": table}, keras.layers.Dense(CLASSES, activation="softmax")(both)
    )
