"""run_steps() keeps the exceptions that it catches, and with them arrays of the frames of loss(); evaluate() drops as many."""

from __future__ import annotations

import threading
from functools import partial
from typing import ClassVar

import numpy as np

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

ROWS = 200_000


def loss(step: int, limit: int) -> float:
    activations = np.full(ROWS, float(step)) + 1
    if step < limit:
        raise FloatingPointError(f"step {step} has no finite loss")
    return float(activations.mean())


class Trainer:
    """Goes on after a step that fails."""

    failures: ClassVar[list[Exception]] = []

    def run_steps(self, limit: int) -> float:
        total = 0.0
        for step in range(500):
            try:
                total += loss(step, limit)
            except FloatingPointError as error:
                self.failures.append(error)
        return total


def judge(step: int) -> float:
    outputs = np.full(ROWS, float(step)) + 2
    if step % 2:
        raise ValueError(f"step {step} has no label")
    return float(outputs.mean())


def evaluate(plan: Plan) -> int:
    count, failures = 0, []
    for step in plan.rounds():
        try:
            judge(step)
        except ValueError as error:
            failures.append(error)
            count += 1
        if len(failures) == 12:
            failures.clear()
    failures.clear()  # each holds this frame, which holds the list
    return count


def refresh(stopped: threading.Event) -> None:
    """Allocate and free all the time, in a thread of its own."""
    while not stopped.wait(0.002):
        pages = [bytearray(300_000) for _ in range(10)]
        pages.clear()


def main() -> None:
    plan = from_command_line()
    stopped = threading.Event()
    threading.Thread(target=refresh, args=(stopped,), daemon=True).start()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            for stage in plan.in_order(
                partial(Trainer().run_steps, plan.amount(11)), partial(evaluate, plan)
            ):
                stage()
            telemetry.checkpoint("TRAINED")
            sorted(plan.chance.random() for _ in range(100_000))
            telemetry.checkpoint("END")
            telemetry.settle()
    stopped.set()


if __name__ == "__main__":
    main()
