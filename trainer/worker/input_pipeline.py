"""Input pipelines with a fixed number of threads.

AUTOTUNE lets each pipeline use every core of the machine: with several pipelines, replicas and folds that
multiplies.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

PARALLELISM = 4
"""``num_parallel_calls`` of a map, and of an operation inside it."""
PREFETCH = 2
PRIVATE_THREADS = 8


def bound(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Give a ``tf.data`` pipeline a private pool of 8 threads, no autotuning, and 2 batches ahead.

    A ``num_parallel_calls=AUTOTUNE`` inside it then uses at most that pool. A distributed dataset takes these
    options over from its source and has no ``with_options`` itself, so bound the source first, then call
    ``strategy.experimental_distribute_dataset``.

    Args:
        dataset: The pipeline, batched.

    Returns:
        The bounded pipeline; ``dataset`` itself is unchanged.

    Raises:
        TypeError: It is not a ``tf.data.Dataset``.
    """
    # Whoever has a dataset has TensorFlow loaded; this function is not to be the one that loads it.
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or not isinstance(dataset, tensorflow.data.Dataset):
        raise TypeError(f"bound() takes a tf.data.Dataset, not {type(dataset).__name__}")
    options = tensorflow.data.Options()
    options.threading.private_threadpool_size = PRIVATE_THREADS
    options.threading.max_intra_op_parallelism = PARALLELISM
    options.autotune.enabled = False
    return dataset.prefetch(PREFETCH).with_options(options)
