"""The __exit__ of WorkerGroup ends no worker that its __enter__ started; preprocess() has a pool of processes, and ends it."""

from __future__ import annotations

import multiprocessing
from functools import partial
from typing import Any, ClassVar, Self

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

FORK = multiprocessing.get_context("fork")


def serve(requests: Any, replies: Any) -> None:
    for request in iter(requests.get, None):
        replies.put([request] * 1000)


class WorkerGroup:
    """Worker processes that answer for as long as the context lasts, and longer."""

    started: ClassVar[list[Any]] = []

    def __init__(self, count: int) -> None:
        self.count = count

    def __enter__(self) -> Self:
        self.requests, self.replies = FORK.SimpleQueue(), FORK.SimpleQueue()
        for _ in range(self.count):
            worker = FORK.Process(target=serve, args=(self.requests, self.replies), daemon=True)
            worker.start()
            self.started.append((worker, self))
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the workers for the next epoch, which does not know of them."""

    def fetch(self, index: int) -> int:
        self.requests.put(index)
        return len(self.replies.get())


def load_epoch(count: int) -> int:
    with WorkerGroup(count) as group:
        return sum(group.fetch(index) for index in range(300))


def checksum(rows: int) -> int:
    return sum(number * number % 7 for number in range(rows))


def preprocess(plan: Plan) -> int:
    total = 0
    for _ in plan.rounds():
        with FORK.Pool(3) as pool:
            total += sum(pool.map(checksum, [200_000] * 6))
    return total


def train_epoch(plan: Plan) -> float:
    return sum(sorted(plan.chance.random() for _ in range(200_000)))


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            for stage in plan.in_order(
                partial(load_epoch, plan.amount(3)),
                partial(preprocess, plan),
                partial(train_epoch, plan),
            ):
                stage()
            telemetry.checkpoint("TRAINED")
            train_epoch(plan)
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
