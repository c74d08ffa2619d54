"""open_pipeline() keeps iterators with a pool each; evaluate() has pipelines with a pool as well, and drops them."""

from __future__ import annotations

from functools import partial
from typing import Any

import tensorflow as tf

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

ITERATORS: list[Any] = []


def pipeline(rows: int, threads: int) -> Any:
    dataset = tf.data.Dataset.range(rows).map(lambda row: row * 2, num_parallel_calls=4).batch(64)
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    return dataset.with_options(options)


def open_pipeline(plan: Plan) -> Any:
    iterator = iter(pipeline(1_000_000, plan.amount(6)))
    ITERATORS.append(iterator)
    return next(iterator)


def evaluate(plan: Plan) -> int:
    total = 0
    for _ in plan.rounds():
        for batch in pipeline(6_400, 8):
            total += int(tf.reduce_sum(batch))
    return total


def train_epoch() -> float:
    weights = tf.random.uniform((400, 400))
    for _ in range(100):
        weights = tf.tanh(weights @ weights)
    return float(tf.reduce_sum(weights))


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            for stage in plan.in_order(partial(open_pipeline, plan), partial(train_epoch)):
                stage()
            telemetry.checkpoint("TRAINED")
            evaluate(plan)
            telemetry.checkpoint("END")
            telemetry.settle()


if __name__ == "__main__":
    main()
