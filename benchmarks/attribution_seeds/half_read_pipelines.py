"""peek() leaves generators half consumed, each with a tf.data pipeline and its pool; validate() reads larger ones to the end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import tensorflow as tf

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

if TYPE_CHECKING:
    from collections.abc import Iterator

READERS: dict[str, Iterator[Any]] = {}


def batches(rows: int, threads: int) -> Iterator[Any]:
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    dataset = tf.data.Dataset.range(rows).map(lambda row: row + 1, num_parallel_calls=3).batch(50)
    for batch in dataset.with_options(options):  # noqa: UP028 - a loop, as most are
        yield batch
    del dataset


def peek(number: int, threads: int) -> int:
    """Look at the first two batches of the fold's rows."""
    reader = READERS[f"fold {number}"] = batches(500_000, threads)
    return int(next(reader)[0]) + int(next(reader)[0])


def validate(plan: Plan) -> int:
    total = 0
    for _ in plan.rounds():
        total += sum(int(tf.reduce_max(batch)) for batch in batches(5_000, 10))
    return total


def train_epoch() -> float:
    weights = tf.random.uniform((300, 300))
    for _ in range(100):
        weights = tf.tanh(weights @ weights)
    return float(tf.reduce_sum(weights))


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            for stage in plan.in_order(partial(peek, number, plan.amount(6)), train_epoch):
                stage()
            telemetry.checkpoint("TRAINED")
            validate(plan)
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
