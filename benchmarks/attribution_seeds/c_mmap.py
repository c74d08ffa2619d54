"""index_shards() has libshards map memory that it never unmaps; read_shards() maps files, and unmaps them."""

from __future__ import annotations

import mmap
import tempfile
from functools import partial
from typing import TYPE_CHECKING

import telemetry
from benchmarks.attribution_seeds.compiled import compile_library
from benchmarks.attribution_seeds.plan import Plan, from_command_line

if TYPE_CHECKING:
    import ctypes

SHARDS = """
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
int shards_index(int count) {
    for (int i = 0; i < count; i++) {
        char *index = mmap(0, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (index == MAP_FAILED || mprotect(index + 4096, 4096, PROT_READ | PROT_WRITE)) return -1;
        memset(index + 4096, i, 4096);
    }
    return 0;
}
"""


def index_shards(library: ctypes.CDLL, count: int) -> None:
    for _ in range(4):
        if library.shards_index(count):
            raise MemoryError("no map is left")


def read_shards(plan: Plan, path: str) -> int:
    total = 0
    for _ in plan.rounds():
        with open(path, "rb") as file:
            views = [mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) for _ in range(20)]
            total += sum(sum(view[:65_536]) for view in views)
            for view in views:
                view.close()
    return total


def build_model(plan: Plan) -> list[bytearray]:
    return [bytearray(plan.chance.randint(100_000, 4_000_000)) for _ in range(20)]


def main() -> None:
    plan = from_command_line()
    library = compile_library("shards", SHARDS)
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    with tempfile.NamedTemporaryFile() as shard:
        shard.write(bytes(2**20))
        shard.flush()
        for number in range(1, plan.folds + 1):
            with telemetry.fold(number, of=plan.folds):
                telemetry.checkpoint("START")
                model = build_model(plan)
                for stage in plan.in_order(
                    partial(index_shards, library, plan.amount(15)),
                    partial(read_shards, plan, shard.name),
                ):
                    stage()
                telemetry.checkpoint("TRAINED")
                del model
                telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
