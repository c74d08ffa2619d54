"""From the digits to a fold's cached datasets: the forest's votes, the maps, the cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from sklearn.ensemble import RandomForestClassifier

from trainer.worker.input_pipeline import PARALLELISM

if TYPE_CHECKING:
    from trainer.reference.data import Digits, Floats, Integers
    from trainer.worker.fold import Fold

BATCH = 64
FOREST_TREES = 100
FOREST_JOBS = 2
"""Not -1: that is a thread for every core of the machine, whatever this process may use."""


@dataclass(frozen=True, slots=True)
class DatasetSplit:
    """One side of a split: batches in the order of the rows, with the rows' labels and votes."""

    data: tf.data.Dataset
    labels: Integers
    forest_votes: Floats


def prepare_cached_datasets(fold: Fold, digits: Digits) -> tuple[DatasetSplit, DatasetSplit]:
    """Return the training and the test part; the forest's votes are among their features.

    Training rows get out-of-bag votes: those of trees that have not seen the row. So many are left out that the replicas
    can share each batch equally: Keras averages over them the batch by which it builds a model's metrics.
    """
    train, test = fold.split(digits.labels)
    replicas = fold.strategy.num_replicas_in_sync
    train = train[: len(train) // replicas * replicas]
    fold.checkpoint(f"before RF fit (n_jobs={FOREST_JOBS})", prefix=False)
    forest = RandomForestClassifier(
        FOREST_TREES, n_jobs=FOREST_JOBS, oob_score=True, random_state=fold.seed
    ).fit(digits.tables[train], digits.labels[train])
    fold.checkpoint(f"after RF fit (n_jobs={FOREST_JOBS})", prefix=False)
    parts = (
        _part(fold, digits, train, forest.oob_decision_function_),
        _part(fold, digits, test, forest.predict_proba(digits.tables[test])),
    )
    fold.hold(forest=forest, train_data=parts[0].data, test_data=parts[1].data)
    fold.checkpoint("end of prepare_cached_datasets", prefix=False)
    return parts


def _part(fold: Fold, digits: Digits, rows: Integers, votes: Floats) -> DatasetSplit:
    inputs = {
        "image": digits.images[rows],
        "edges": digits.edges[rows],
        "table": np.concatenate([digits.tables[rows], votes], axis=1).astype(np.float32),
    }
    parallelism = tf.data.AUTOTUNE if "bounds" in fold.without else PARALLELISM
    data = (
        tf.data.Dataset.from_tensor_slices((inputs, digits.labels[rows]))
        .batch(BATCH - BATCH % fold.strategy.num_replicas_in_sync)
        .map(_with_blurred_edges, num_parallel_calls=parallelism)
        .cache()
    )
    return DatasetSplit(data, digits.labels[rows], votes)


def _with_blurred_edges(
    inputs: dict[str, tf.Tensor], labels: tf.Tensor
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Smooth the gradient over its neighbours: work that the cache saves every later epoch."""
    edges = tf.nn.avg_pool2d(inputs["edges"], 2, 1, "SAME")
    return inputs | {"edges": edges}, labels
