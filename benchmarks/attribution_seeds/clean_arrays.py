"""Arrays of any size come and go; what a fold makes is dropped at its end."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line


def load_data(plan: Plan) -> Any:
    return np.random.default_rng(plan.folds).random((6_000, 500))


def augment(plan: Plan, images: Any) -> float:
    total = 0.0
    for _ in plan.rounds():
        total += float(np.repeat(images, plan.chance.randint(1, 12), axis=0).std())
    return total


def train_epoch(images: Any) -> float:
    weights = np.zeros(images.shape[1])
    for _ in range(150):
        weights += images.T @ (1 - images @ weights) / 1e6
    return float(weights.sum())


def cross_check(plan: Plan) -> int:
    tables = []
    for _ in range(40):
        tables.append(np.zeros(plan.chance.randint(1_000, 3_000_000)) + 1)
        if len(tables) > plan.chance.randint(1, 12):
            tables.clear()
    return len(tables)


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            images = load_data(plan)
            telemetry.checkpoint("LOADED")
            stages = (partial(augment, plan, images), partial(train_epoch, images))
            for stage in plan.in_order(*stages, partial(cross_check, plan)):
                stage()
            telemetry.checkpoint("TRAINED")
            del images, stages, stage
            telemetry.checkpoint("END")
            telemetry.settle()


if __name__ == "__main__":
    main()
