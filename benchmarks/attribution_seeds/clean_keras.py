"""One model that is compiled once and trained in every fold from its first weights on, by fit() and by pipelines."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line


def build_model() -> Any:
    layers = [keras.layers.Dense(128, activation="relu") for _ in range(3)]
    model = keras.Sequential([keras.Input((32,)), *layers, keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    return model


def load_data(plan: Plan) -> Any:
    rows = np.random.default_rng(plan.folds).random((4_096, 32), np.float32)
    return tf.data.Dataset.from_tensor_slices((rows, rows[:, :1])).batch(128)


def train_epoch(plan: Plan, model: Any, rows: Any) -> float:
    loss = 0.0
    for _ in plan.rounds():
        for images, labels in rows:
            loss += float(model.train_on_batch(images, labels))
    return loss


def evaluate(model: Any, rows: Any) -> float:
    return float(
        sum(float(keras.ops.mean(model(images, training=False))) for images, _ in rows.shuffle(8))
    )


def main() -> None:
    plan = from_command_line()
    model = build_model()
    first_weights = model.get_weights()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            model.set_weights(first_weights)
            rows = load_data(plan)
            train_epoch(plan, model, rows)
            telemetry.checkpoint("TRAINED")
            evaluate(model, rows)
            del rows
            telemetry.checkpoint("END")
            telemetry.settle()


if __name__ == "__main__":
    main()
