"""evaluate() has score() traced anew for every threshold, and each graph is kept; train_epoch() trains with one graph."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line


def build_model() -> Any:
    layers = [keras.layers.Dense(64, activation="relu") for _ in range(6)]
    model = keras.Sequential([keras.Input((32,)), *layers, keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    return model


MODEL = build_model()


@tf.function  # type: ignore[untyped-decorator] # TensorFlow publishes no types
def score(images: Any, threshold: float) -> Any:
    return tf.reduce_mean(tf.cast(MODEL(images) > threshold, tf.float32))


def train_epoch(plan: Plan, images: Any, labels: Any) -> float:
    loss = 0.0
    for _ in plan.rounds():
        copies = np.repeat(images, plan.chance.randint(1, 20), axis=0)
        loss = float(MODEL.train_on_batch(images, labels)) + float(copies.mean())
    return loss


def evaluate(images: Any, thresholds: list[float]) -> float:
    return max(float(score(images, threshold)) for threshold in thresholds)


def main() -> None:
    plan = from_command_line()
    images, labels = np.ones((256, 32), np.float32), np.zeros((256, 1), np.float32)
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            count = plan.amount(40)
            thresholds = [number + each / count for each in range(count)]
            train = partial(train_epoch, plan, images, labels)
            for stage in plan.in_order(train, partial(evaluate, images, thresholds)):
                stage()
            telemetry.checkpoint("EVALUATED")
            images.mean(axis=0)
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
