"""Generators with threads and files stay half consumed within a fold, and are closed at its end."""

from __future__ import annotations

import queue
import tempfile
import threading
from typing import TYPE_CHECKING

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

if TYPE_CHECKING:
    from collections.abc import Generator


def fill(batches: queue.Queue[bytes | None], stopped: threading.Event) -> None:
    while not stopped.is_set():
        try:
            batches.put(bytes(50_000), timeout=0.01)
        except queue.Full:
            continue


def prefetched() -> Generator[bytes]:
    batches: queue.Queue[bytes] = queue.Queue(maxsize=4)
    stopped = threading.Event()
    thread = threading.Thread(target=fill, args=(batches, stopped), daemon=True)
    thread.start()
    try:
        while True:
            yield batches.get()
    finally:
        stopped.set()
        thread.join()


def records(rows: int) -> Generator[bytes]:
    with tempfile.TemporaryFile() as file:
        file.write(b"one record\n" * rows)
        file.seek(0)
        yield from file


def train_epoch(plan: Plan, readers: list[Generator[bytes]]) -> int:
    total = 0
    for _ in plan.rounds():
        total += sum(len(next(reader)) for reader in readers)
        with tempfile.TemporaryFile() as file:
            file.write(b"x" * 20_000)
    return total


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            readers = [prefetched() for _ in range(plan.chance.randint(2, 6))]
            peeked = [records(2_000) for _ in range(plan.chance.randint(3, 20))]
            sum(len(next(reader)) for reader in peeked)
            telemetry.checkpoint("OPENED")
            train_epoch(plan, readers)
            for reader in (*readers, *peeked):
                reader.close()
            del readers, peeked, reader
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
