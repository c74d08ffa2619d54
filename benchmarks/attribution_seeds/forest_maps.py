"""split_node() recurses, and at each leaf libforest maps what it keeps; score_rows() has it map as much, and unmap all of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import telemetry
from benchmarks.attribution_seeds.compiled import compile_library
from benchmarks.attribution_seeds.plan import Plan, from_command_line

if TYPE_CHECKING:
    import ctypes

FOREST = """
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
static char *page(int value) {
    char *map = mmap(0, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + 4096, 4096, PROT_READ | PROT_WRITE)) return 0;
    memset(map + 4096, value, 4096);
    return map;
}
int forest_leaf(int count) {
    for (int i = 0; i < count; i++) if (!page(i)) return -1;
    return 0;
}
int forest_score(int leaves, int count) {
    static char *maps[4096];
    int taken = leaves * count;
    if (taken > 4096) return -1;
    for (int i = 0; i < taken; i++) if (!(maps[i] = page(i))) return -1;
    for (int i = 0; i < taken; i++) munmap(maps[i], 3 * 4096);
    return 0;
}
"""
DEPTH = 5


def split_node(forest: ctypes.CDLL, rows: list[float], depth: int, count: int) -> float:
    if depth == 0:
        if forest.forest_leaf(count):
            raise MemoryError("no map is left")
        return sum(rows) / (len(rows) or 1)
    pivot = sorted(rows)[len(rows) // 2]
    below = [row for row in rows if row < pivot]
    above = [row for row in rows if row >= pivot]
    left = split_node(forest, below, depth - 1, count)
    return left + split_node(forest, above, depth - 1, count)


def grow_tree(plan: Plan, forest: ctypes.CDLL, count: int) -> float:
    rows = [plan.chance.random() for _ in range(20_000)]
    return split_node(forest, rows, DEPTH, count)


def score_rows(plan: Plan, forest: ctypes.CDLL, count: int) -> None:
    for _ in plan.rounds():
        if forest.forest_score(2**DEPTH, count):
            raise MemoryError("no map is left")


def load_rows(plan: Plan) -> float:
    return max(sorted(plan.chance.random() for _ in range(200_000)))


def main() -> None:
    plan = from_command_line()
    forest, count = compile_library("forest", FOREST), plan.amount(3)
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            load_rows(plan)
            for stage in plan.in_order(
                partial(grow_tree, plan, forest, count), partial(score_rows, plan, forest, count)
            ):
                stage()
            telemetry.checkpoint("TRAINED")
            load_rows(plan)
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
