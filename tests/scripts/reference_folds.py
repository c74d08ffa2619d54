"""Trains folds of `small_model` one after another in this process, and prints what stayed, as JSON.

``reference_folds.py RUN_DIR``. The scenarios share a process because TensorFlow's import costs seconds, and
`Devices` because a process has its devices once.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any

import telemetry
from telemetry.errors import InputError
from trainer.run.config import RunConfig
from trainer.run.thread_caps import cap_threads
from trainer.worker import devices, input_pipeline
from trainer.worker.cleanup import custom_gradients
from trainer.worker.fold_loop import Training

OTHER_DEVICES = 3
"""Than this process has: TensorFlow refuses to make them."""


@dataclass(frozen=True, kw_only=True)
class AfterFold:
    """What is there when a fold is over."""

    objects: int
    """That Python's collector knows."""
    gradients: int
    alive: int
    """Models, of all that were made."""
    loss: float


@dataclass(frozen=True, kw_only=True)
class ReferenceFolds:
    """What the scenarios came to."""

    digests: list[str]
    """Of the data of the small model and of the reference."""
    is_device_touched_early: bool
    default: list[AfterFold]
    kept: list[AfterFold]
    """Without bounds and clean-up."""
    leaking: AfterFold
    """With clean-up, of a model that its module keeps in a list."""
    pool_threads: int
    parallelism: int
    has_autotune: bool
    bounded_rows: list[int]
    distributed_pools: list[int]
    distributed_rows: list[int]
    training_batches: list[int]
    """Sizes of the reference's, of an odd number of rows."""
    refusal: str
    plain: dict[str, float]


def small(function: str, *, without: tuple[str, ...] = ()) -> RunConfig:
    """Return the configuration of a model of `small_model`."""
    return RunConfig(
        folds=3,
        epochs=2,
        device_mode="multi",
        model=f"tests.scripts.small_model:{function}",
        without=without,
    )


def train_fold(training: Training, fold: int, run_dir: str) -> AfterFold:
    """Train a fold and look at what is left."""
    from tests.scripts import small_model  # it loads TensorFlow, which Training does

    metrics = training.train(fold, os.path.join(run_dir, f"fold-{fold}"))
    gc.collect()
    return AfterFold(
        objects=len(gc.get_objects()),
        gradients=len(custom_gradients()),
        alive=sum(reference() is not None for reference in small_model.made),
        loss=metrics["loss"],
    )


def training_batches(strategy: object) -> list[int]:
    """Return the sizes of the batches that the reference trains on, of an odd number of rows."""
    import numpy as np

    from trainer.reference.data import load
    from trainer.reference.datasets import prepare_cached_datasets

    digits = load()
    rows = np.arange(len(digits.labels))
    fold: Any = SimpleNamespace(
        strategy=strategy,
        seed=7,
        without=(),
        split=lambda _: (rows[:1437], rows[1437:]),
        checkpoint=lambda *_, **__: None,
        hold=lambda **_: None,
    )
    part, _ = prepare_cached_datasets(fold, digits)
    return [int(labels.shape[0]) for _, labels in part.data]


def is_device_touched() -> bool:
    """Return whether TensorFlow has made its context."""
    from tensorflow.python.eager import context

    return context.context()._context_handle is not None  # noqa: SLF001 - there is no public word for it


def main(run_dir: str) -> None:
    """Run every scenario."""
    cap_threads()
    telemetry.start(run_dir=run_dir)
    training = Training(small("train"))
    reference = Training(RunConfig(folds=3, epochs=2, device_mode="multi"))
    is_touched = is_device_touched()
    shared = training.devices
    default = [train_fold(training, fold, run_dir) for fold in (1, 2, 3)]
    keeping = Training(small("train", without=("bounds", "cleanup")), devices=shared)
    kept = [train_fold(keeping, fold, run_dir) for fold in (1, 2, 3)]
    leaking = train_fold(Training(small("leaking"), devices=shared), 1, run_dir)

    import tensorflow as tf

    rows = tf.data.Dataset.range(64).batch(8)
    parallel = rows.map(lambda x: x + 1, num_parallel_calls=tf.data.AUTOTUNE)
    bounded = input_pipeline.bound(parallel)
    options = bounded.options()
    spread = shared.strategy.experimental_distribute_dataset(input_pipeline.bound(rows))
    pools = [part.options().threading.private_threadpool_size for part in spread._cloned_datasets]  # noqa: SLF001 - see above
    spread_rows = [int(x) for batch in spread for part in batch.values for x in part]

    devices.CPU_DEVICES = OTHER_DEVICES
    refusal = ""
    try:
        Training(small("train")).train(1, os.path.join(run_dir, "fold-1"))
    except InputError as error:
        refusal = str(error)
    plain = Training(small("plain")).train(1, os.path.join(run_dir, "fold-1"))
    found = ReferenceFolds(
        digests=[training.data_digest, reference.data_digest],
        is_device_touched_early=is_touched,
        default=default,
        kept=kept,
        leaking=leaking,
        pool_threads=options.threading.private_threadpool_size,
        parallelism=options.threading.max_intra_op_parallelism,
        has_autotune=options.autotune.enabled,
        bounded_rows=[int(x) for x in bounded.unbatch()],
        distributed_pools=pools,
        distributed_rows=sorted(spread_rows),
        training_batches=training_batches(shared.strategy),
        refusal=refusal,
        plain=plain,
    )
    print("found", json.dumps(asdict(found)))


if __name__ == "__main__":
    main(*sys.argv[1:])
