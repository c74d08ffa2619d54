"""validate() keeps the predictions of each fold; augment() allocates far more, and frees it."""

from __future__ import annotations

from typing import Any

import numpy as np

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

PREDICTIONS: list[Any] = []


def load_data(plan: Plan) -> Any:
    return np.random.default_rng(plan.folds).random((4_000, 500))


def augment(plan: Plan, images: Any) -> float:
    total = 0.0
    for _ in plan.rounds():
        copies = np.repeat(images, plan.chance.randint(2, 8), axis=0)
        total += float(np.tanh(copies).mean())
    return total


def train_epoch(images: Any) -> Any:
    weights = np.zeros(images.shape[1])
    for _ in range(50):
        weights += images.T @ (1 - images @ weights) / 1e6
    return weights


def validate(plan: Plan, images: Any, weights: Any) -> float:
    scores = images @ weights
    PREDICTIONS.extend(np.outer(scores, np.ones(plan.amount(100))) for _ in range(10))
    return float(scores.mean())


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            images = load_data(plan)
            augment(plan, images)
            weights = train_epoch(images)
            validate(plan, images, weights)
            telemetry.checkpoint("VALIDATED")
            augment(plan, images[:1000])
            telemetry.checkpoint("END")
            telemetry.settle()


if __name__ == "__main__":
    main()
