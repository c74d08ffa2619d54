"""A Keras callback has penalty() traced anew for each strength, and each graph is kept; evaluate() uses one graph for all."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line


def build_model() -> Any:
    layers = [keras.layers.Dense(48, activation="tanh") for _ in range(6)]
    model = keras.Sequential([keras.Input((24,)), *layers, keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    return model


MODEL = build_model()


@tf.function  # type: ignore[untyped-decorator] # TensorFlow publishes no types
def penalty(rows: Any, strength: float) -> Any:
    return strength * tf.reduce_sum(tf.abs(MODEL(rows)))


class PenaltyLogger(keras.callbacks.Callback):  # type: ignore[misc] # keras has no types
    """Has the penalty of each strength computed at the end of an epoch."""

    penalties: list[float]

    def __init__(self, rows: Any, strengths: list[float]) -> None:
        super().__init__()
        self.rows, self.strengths, self.penalties = rows, strengths, []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras gives them
        for strength in self.strengths:
            self.penalties.append(float(penalty(self.rows, strength + epoch)))


def fit(rows: Any, data: Any, strengths: list[float]) -> None:
    MODEL.fit(data, epochs=3, verbose=0, callbacks=[PenaltyLogger(rows, strengths)])


def evaluate(plan: Plan, rows: Any) -> float:
    total = 0.0
    for _ in plan.rounds():
        copies = np.repeat(rows, plan.chance.randint(1, 16), axis=0)
        total += float(np.tanh(copies).mean())
        total += float(MODEL.test_on_batch(rows, rows[:, :1]))
    return total


def main() -> None:
    plan = from_command_line()
    plan = replace(plan, busy_seconds=plan.busy_seconds * 0.7)  # tracing takes its time
    rows = np.random.default_rng(0).random((256, 24), np.float32)
    data = tf.data.Dataset.from_tensor_slices((rows, rows[:, :1])).batch(64)
    tensor = tf.constant(rows)
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            count = plan.amount(6)
            strengths = [100 * number + each / count for each in range(count)]
            for stage in plan.in_order(
                partial(fit, tensor, data, strengths), partial(evaluate, plan, rows)
            ):
                stage()
            telemetry.checkpoint("FITTED")
            rows.mean(axis=0)
            telemetry.checkpoint("END")
            telemetry.settle()


if __name__ == "__main__":
    main()
