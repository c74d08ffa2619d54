"""publish() keeps segments in a cycle that a registry holds, between two long stages; exchange() unlinks what stage_batch() made."""

from __future__ import annotations

from dataclasses import replace
from multiprocessing.shared_memory import SharedMemory
from typing import ClassVar

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line


class Snapshot:
    """The weights of a fold, for other processes."""

    registry: ClassVar[list[Snapshot]] = []

    def __init__(self, size: int, before: Snapshot | None) -> None:
        self.segment = SharedMemory(create=True, size=size)
        assert self.segment.buf is not None
        self.segment.buf[:size] = b"\x01" * size
        self.before, self.after = before, None
        if before is not None:
            before.after = self
        self.registry.append(self)


def publish(size: int) -> None:
    snapshot = None
    for _ in range(3):
        snapshot = Snapshot(size, snapshot)


def stage_batch(size: int) -> SharedMemory:
    """Return a segment that the caller unlinks."""
    segment = SharedMemory(create=True, size=size)
    assert segment.buf is not None
    segment.buf[:size] = b"\x02" * size
    return segment


def exchange(plan: Plan, size: int) -> int:
    total = 0
    for _ in plan.rounds():
        segments = [stage_batch(size) for _ in range(3)]
        assert segments[0].buf is not None
        total += sum(segments[0].buf[: 2**17])
        for segment in segments:
            segment.close()
            segment.unlink()
    return total


def train_epoch(plan: Plan) -> float:
    return sum(sum(sorted(plan.chance.random() for _ in range(50_000))) for _ in plan.rounds())


def main() -> None:
    plan = from_command_line()
    size = plan.amount(5 * 2**20)
    parts = [replace(plan, busy_seconds=plan.busy_seconds * part) for part in (0.35, 0.65)]
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            train_epoch(parts[0])
            publish(size)
            exchange(parts[1], size)
            telemetry.checkpoint("PUBLISHED")
            sorted(plan.chance.random() for _ in range(100_000))
            telemetry.checkpoint("END")
            telemetry.settle()
    for snapshot in Snapshot.registry:
        snapshot.segment.close()
        snapshot.segment.unlink()


if __name__ == "__main__":
    main()
