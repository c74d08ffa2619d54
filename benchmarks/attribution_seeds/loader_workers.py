"""start_loader() forks workers, as a DataLoader whose workers persist; preprocess() has a pool of processes, and ends it."""

from __future__ import annotations

import multiprocessing
from functools import partial
from typing import Any

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

FORK = multiprocessing.get_context("fork")
LOADERS: list[Any] = []


def fetch(indices: Any, batches: Any) -> None:
    """A worker: one batch for each index that comes."""
    for index in iter(indices.get, None):
        batches.put([index] * 1000)


def start_loader(workers: int) -> list[int]:
    """Start the workers, and wait for the first batch of each."""
    batches = FORK.Queue()
    for worker in range(workers):
        indices = FORK.Queue()
        process = FORK.Process(target=fetch, args=(indices, batches), daemon=True)
        process.start()
        indices.put(worker)
        LOADERS.append((process, indices))
    return [batches.get()[0] for _ in range(workers)]


def checksum(rows: int) -> int:
    return sum(number * number % 7 for number in range(rows))


def preprocess(plan: Plan) -> int:
    total = 0
    for _ in plan.rounds():
        with FORK.Pool(2) as pool:
            total += sum(pool.map(checksum, [400_000] * 4))
    return total


def train_epoch(plan: Plan) -> float:
    return sum(sorted(plan.chance.random() for _ in range(500_000)))


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            for stage in plan.in_order(
                partial(preprocess, plan), partial(start_loader, plan.amount(3))
            ):
                stage()
            telemetry.checkpoint("DATA READY")
            train_epoch(plan)
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
