"""Keras trains with a callback in every fold, all with the graphs of the first."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line


def build_model() -> Any:
    layers = [keras.layers.Dense(64, activation="relu") for _ in range(4)]
    model = keras.Sequential([keras.Input((24,)), *layers, keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    return model


MODEL = build_model()


@tf.function  # type: ignore[untyped-decorator] # TensorFlow publishes no types
def penalty(rows: Any, strength: Any) -> Any:
    return strength * tf.reduce_sum(tf.abs(MODEL(rows)))


class PenaltyLogger(keras.callbacks.Callback):  # type: ignore[misc] # keras has no types
    """Has fifty penalties computed at the end of an epoch."""

    penalties: list[float]

    def __init__(self, rows: Any) -> None:
        super().__init__()
        self.rows, self.penalties = rows, []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras gives them
        for each in range(50):
            self.penalties.append(float(penalty(self.rows, tf.constant(float(each + epoch)))))


def fit(rows: Any, data: Any) -> None:
    MODEL.fit(data, epochs=2, verbose=0, callbacks=[PenaltyLogger(rows)])


def augment(plan: Plan, rows: Any) -> float:
    total = 0.0
    for _ in plan.rounds():
        total += float(np.tanh(np.repeat(rows, plan.chance.randint(20, 60), axis=0)).mean())
    return total


def main() -> None:
    plan = from_command_line()
    rows = np.random.default_rng(0).random((1_024, 24), np.float32)
    data = tf.data.Dataset.from_tensor_slices((rows, rows[:, :1])).batch(64)
    tensor = tf.constant(rows)
    first_weights = MODEL.get_weights()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            MODEL.set_weights(first_weights)
            for stage in plan.in_order(partial(fit, tensor, data), partial(augment, plan, rows)):
                stage()
            telemetry.checkpoint("FITTED")
            fit(tensor, data)
            telemetry.checkpoint("END")
            telemetry.settle()


if __name__ == "__main__":
    main()
