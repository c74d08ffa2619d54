"""specialise() keeps machine code that emit() maps, a page at a time in a hot loop; probe() has emit() map more, and unmaps it."""

from __future__ import annotations

import ctypes
import mmap
import platform
from dataclasses import replace
from typing import ClassVar

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int)
EXECUTABLE = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
RUNS = platform.machine() == "x86_64"


def emit(constant: int) -> mmap.mmap:
    """Return a page of code that returns the constant."""
    page = mmap.mmap(-1, 4096, prot=EXECUTABLE)
    page.write(b"\xb8" + constant.to_bytes(4, "little") + b"\xc3")
    return page


def call(page: mmap.mmap) -> int:
    start = ctypes.c_char.from_buffer(page)
    return FUNCTION(ctypes.addressof(start))() if RUNS else len(page)


def probe(constant: int) -> int:
    page = emit(constant)
    try:
        return call(page)
    finally:
        page.close()


class Engine:
    """Answers queries with machine code of its own."""

    kernels: ClassVar[dict[int, mmap.mmap]] = {}

    def specialise(self, constant: int) -> int:
        page = self.kernels[len(self.kernels)] = emit(constant)
        return call(page)

    def run_queries(self, plan: Plan, left: int) -> int:
        total = 0
        for turn in plan.rounds():
            for constant in range(30):
                total += probe(constant)
            if turn < left:
                total += self.specialise(turn)
        return total


def replay(plan: Plan) -> int:
    return sum(sum(probe(constant) for constant in range(200)) for _ in plan.rounds())


def main() -> None:
    plan = from_command_line()
    short, long = (replace(plan, busy_seconds=plan.busy_seconds * part) for part in (0.4, 0.6))
    engine = Engine()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            for stage in plan.in_order(
                lambda: engine.run_queries(short, plan.amount(300)), lambda: replay(long)
            ):
                stage()
            telemetry.checkpoint("QUERIED")
            replay(replace(plan, busy_seconds=0.3))
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
