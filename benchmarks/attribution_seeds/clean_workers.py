"""Processes, files, segments and maps come and go."""

from __future__ import annotations

import mmap
import multiprocessing
import tempfile
from functools import partial
from multiprocessing.shared_memory import SharedMemory

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

FORK = multiprocessing.get_context("fork")


def checksum(rows: int) -> int:
    return sum(number * number % 7 for number in range(rows))


def preprocess(plan: Plan) -> int:
    total = 0
    for _ in plan.rounds():
        with FORK.Pool(plan.chance.randint(1, 3)) as pool:
            total += sum(pool.map(checksum, [300_000] * 4))
    return total


def exchange_batches(plan: Plan) -> int:
    total = 0
    for _ in range(60):
        segment = SharedMemory(create=True, size=plan.chance.randint(1, 8) * 2**20)
        assert segment.buf is not None
        segment.buf[: 2**20] = b"\x02" * 2**20
        total += segment.buf[0]
        segment.close()
        segment.unlink()
    return total


def read_shards(plan: Plan) -> int:
    total = 0
    for _ in range(100):
        with tempfile.TemporaryFile() as file:
            file.write(plan.chance.randbytes(200_000))
            file.flush()
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
                total += sum(view[:50_000])
    return total


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            stages = [partial(stage, plan) for stage in (preprocess, exchange_batches, read_shards)]
            for stage in plan.in_order(*stages):
                stage()
            telemetry.checkpoint("TRAINED")
            read_shards(plan)
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
