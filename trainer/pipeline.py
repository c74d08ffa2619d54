"""Input pipelines whose threads are counted, not tuned at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

PARALLELISM = 4
PREFETCH = 2
PRIVATE_THREADS = 8


def bound(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Return ``dataset`` with a private pool of 8 threads, no autotuning, and 2 batches ahead."""
    import tensorflow as tf  # noqa: PLC0415 - loaded by the caller already; this module must not load it first

    options = tf.data.Options()
    options.threading.private_threadpool_size = PRIVATE_THREADS
    options.threading.max_intra_op_parallelism = PARALLELISM
    options.autotune.enabled = False
    return dataset.with_options(options).prefetch(PREFETCH)
