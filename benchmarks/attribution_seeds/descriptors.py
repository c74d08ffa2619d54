"""open_logs() keeps files and sockets open; read_records() opens more of them, and closes them."""

from __future__ import annotations

import os
import socket
import tempfile
from functools import partial
from typing import IO

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

LOGS: list[IO[str] | socket.socket] = []


def open_logs(plan: Plan, folder: str, number: int) -> None:
    for writer in range(plan.amount(12)):
        path = os.path.join(folder, f"{number}-{writer}.log")
        LOGS.append(open(path, "w", encoding="utf-8"))  # noqa: SIM115 - what leaks here
    LOGS.extend(socket.socketpair())


def read_records(plan: Plan, folder: str) -> int:
    total = 0
    for turn in plan.rounds():
        path = os.path.join(folder, f"records-{turn % 10}")
        with open(path, "w+b") as file, open(os.devnull, "rb"):
            file.write(os.urandom(400_000))
            file.seek(0)
            total += len(set(file.read()))
    return total


def train_epoch(plan: Plan) -> float:
    return sum(sorted(plan.chance.random() for _ in range(500_000)))


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    with tempfile.TemporaryDirectory(prefix="attribution-") as folder:
        for number in range(1, plan.folds + 1):
            with telemetry.fold(number, of=plan.folds):
                telemetry.checkpoint("START")
                for stage in plan.in_order(
                    partial(train_epoch, plan),
                    partial(open_logs, plan, folder, number),
                    partial(read_records, plan, folder),
                ):
                    stage()
                telemetry.checkpoint("TRAINED")
                train_epoch(plan)
                telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
