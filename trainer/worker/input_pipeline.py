"""Input pipelines whose threads are counted, not tuned at run time.

Owns the numbers, and the one call that bounds any ``tf.data.Dataset``. AUTOTUNE lets each pipeline
take what the machine has: with several pipelines, replicas and folds that is many times as much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

PARALLELISM = 4
"""``num_parallel_calls`` of a map, and of an operation inside it."""
PREFETCH = 2
PRIVATE_THREADS = 8


def bound(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Return ``dataset`` with a private pool of 8 threads, no autotuning, and 2 batches ahead.

    A ``num_parallel_calls=AUTOTUNE`` inside it is then the size of that pool at most. A distributed
    dataset takes these options over from its source, and has no ``with_options`` of its own: bound
    first, then ``strategy.experimental_distribute_dataset``.
    """
    import tensorflow as tf  # noqa: PLC0415 - loaded by the caller already; this module must not load it first

    options = tf.data.Options()
    options.threading.private_threadpool_size = PRIVATE_THREADS
    options.threading.max_intra_op_parallelism = PARALLELISM
    options.autotune.enabled = False
    return dataset.prefetch(PREFETCH).with_options(options)
