"""compile_step() has XLA compile functions that are kept; train_epoch() calls one compiled once; augment() maps and unmaps."""

from __future__ import annotations

import mmap
from functools import partial
from typing import Any

import tensorflow as tf

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

STEPS: list[Any] = []


@tf.function(jit_compile=True)  # type: ignore[untyped-decorator] # TensorFlow publishes no types
def update(weights: Any) -> Any:
    return tf.tanh(weights @ weights)


def compile_step(size: int) -> Any:
    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator] # TensorFlow publishes no types
    def step(values: Any) -> Any:
        return tf.tanh(values @ tf.transpose(values)) + size

    STEPS.append(step)
    return step(tf.ones((size, 8)))


def build_model(plan: Plan, number: int) -> None:
    for step in range(plan.amount(15)):
        compile_step(1000 * number + step)


def train_epoch(plan: Plan) -> float:
    weights = tf.random.uniform((300, 300))
    for _ in plan.rounds():
        weights = update(weights)
    return float(tf.reduce_sum(weights))


def augment() -> int:
    """Take pages for as long as an image is worked on."""
    total = 0
    for _ in range(300):
        buffers = [mmap.mmap(-1, 2**16) for _ in range(20)]
        for buffer in buffers:
            buffer.write(b"pixel")
            total += buffer.tell()
            buffer.close()
    return total


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            augment()
            for stage in plan.in_order(
                partial(build_model, plan, number), partial(train_epoch, plan)
            ):
                stage()
            telemetry.checkpoint("TRAINED")
            augment()
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
