"""A thread allocates and frees all the time, beside the training."""

from __future__ import annotations

import threading
import zlib

import numpy as np

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line


def refresh(stopped: threading.Event) -> None:
    turn = 0
    while not stopped.wait(0.002):
        turn += 1
        pages = [bytearray(5_000 * (1 + (turn + each) % 40)) for each in range(40)]
        zlib.compress(pages[0])
        pages.clear()


def load_rows(plan: Plan) -> np.ndarray:
    return np.random.default_rng(plan.folds).random((3_000, 300))


def train_epoch(plan: Plan, rows: np.ndarray) -> float:
    weights = np.zeros(rows.shape[1])
    for _ in plan.rounds():
        weights += rows.T @ (1 - rows @ weights) / 1e6
    return float(weights.sum())


def shuffle(plan: Plan, rows: np.ndarray) -> float:
    return sum(float(rows[plan.chance.sample(range(3_000), 3_000)].std()) for _ in range(20))


def main() -> None:
    plan = from_command_line()
    stopped = threading.Event()
    threading.Thread(target=refresh, args=(stopped,), daemon=True).start()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            rows = load_rows(plan)
            shuffle(plan, rows)
            telemetry.checkpoint("LOADED")
            train_epoch(plan, rows)
            del rows
            telemetry.checkpoint("END")
            telemetry.settle()
    stopped.set()


if __name__ == "__main__":
    main()
