"""Every step raises, and what is caught is dropped with all that its frames hold; recursion goes deep and comes back."""

from __future__ import annotations

from functools import partial

import numpy as np

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line


def descend(depth: int, rows: np.ndarray) -> float:
    mine = rows * depth
    if depth == 0:
        raise OverflowError(f"{mine.size} rows have no leaf")
    return descend(depth - 1, rows) + float(mine[0])


def train_step(step: int) -> float:
    activations = np.full(200_000 + 1_000 * (step % 50), 1.0)
    if step % 3:
        raise FloatingPointError(f"step {step}")
    return float(activations.mean())


def train_epoch(plan: Plan) -> int:
    failed = []
    for step in plan.rounds():
        try:
            train_step(step)
        except FloatingPointError as error:
            failed.append(error)
        del failed[:-8]
    failed.clear()  # each holds this frame, which holds the list
    return len(failed)


def search(plan: Plan) -> int:
    count, rows = 0, np.ones(20_000)
    for _ in range(20):
        try:
            descend(plan.chance.randint(20, 200), rows)
        except OverflowError as error:
            count += len(str(error))
    return count


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            for stage in plan.in_order(partial(train_epoch, plan), partial(search, plan)):
                stage()
            telemetry.checkpoint("TRAINED")
            search(plan)
            telemetry.checkpoint("END")
            telemetry.settle()


if __name__ == "__main__":
    main()
