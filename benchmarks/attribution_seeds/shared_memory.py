"""share_batch() keeps its segments; exchange_batches() makes segments as large, and unlinks them."""

from __future__ import annotations

from functools import partial
from multiprocessing.shared_memory import SharedMemory

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

SEGMENTS: list[SharedMemory] = []


def share_batch(size: int) -> None:
    segment = SharedMemory(create=True, size=size)
    assert segment.buf is not None
    segment.buf[:] = b"\x01" * size
    SEGMENTS.append(segment)


def exchange_batches(plan: Plan) -> int:
    total = 0
    for _ in plan.rounds():
        segment = SharedMemory(create=True, size=6 * 2**20)
        assert segment.buf is not None
        segment.buf[:] = b"\x02" * (6 * 2**20)
        total += sum(segment.buf[: 2**18])
        segment.close()
        segment.unlink()
    return total


def train_epoch(plan: Plan) -> float:
    return sum(sorted(plan.chance.random() for _ in range(500_000)))


def unlink_all() -> None:
    for segment in SEGMENTS:
        segment.close()
        segment.unlink()


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            stages = [partial(share_batch, plan.amount(6 * 2**20))] * 3
            for stage in plan.in_order(*stages, partial(exchange_batches, plan)):
                stage()
            telemetry.checkpoint("SHARED")
            train_epoch(plan)
            telemetry.checkpoint("END")
            telemetry.settle()
    unlink_all()


if __name__ == "__main__":
    main()
