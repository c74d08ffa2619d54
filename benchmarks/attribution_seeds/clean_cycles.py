"""Graphs of objects refer to each other in cycles, and the collector frees them, at the latest at the end of the fold."""

from __future__ import annotations

import gc
from functools import lru_cache, partial

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line


class Node:
    """Refers to its parent, which refers to it."""

    children: list[Node]

    def __init__(self, parent: Node | None, size: int) -> None:
        self.parent, self.children, self.payload = parent, [], bytes(size)
        if parent is not None:
            parent.children.append(self)


def grow(parent: Node, depth: int, size: int) -> int:
    if depth == 0:
        return 1
    return sum(grow(Node(parent, size), depth - 1, size) for _ in range(4))


def build_trees(plan: Plan) -> int:
    return sum(grow(Node(None, 100), 5, plan.chance.randint(200, 3_000)) for _ in range(6))


@lru_cache(maxsize=500)
def tokenize(text: str) -> tuple[str, ...]:
    return tuple(text * 10)


def train_epoch(plan: Plan) -> int:
    total = 0
    for _ in plan.rounds():
        total += grow(Node(None, 100), 4, 500)
        total += len(tokenize(f"text {plan.chance.randrange(5_000)}"))
    return total


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            for stage in plan.in_order(partial(build_trees, plan), partial(train_epoch, plan)):
                stage()
            telemetry.checkpoint("TRAINED")
            gc.collect()
            telemetry.checkpoint("END")
            telemetry.settle()


if __name__ == "__main__":
    main()
