"""embed() keeps small blocks in the arena of each thread of a pool that lives on; decode() takes as many, and frees them."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

THREADS = 10
EMBEDDINGS: list[list[bytes]] = []


def embed(count: int, _: int) -> None:
    EMBEDDINGS.append([bytes([row % 256]) * 30_000 for row in range(count)])


def build_features(pool: ThreadPoolExecutor, count: int) -> None:
    list(pool.map(functools.partial(embed, count), range(THREADS)))


def decode(plan: Plan) -> int:
    total = 0
    for _ in plan.rounds():
        frames = [bytes([row % 256]) * 30_000 for row in range(1500)]
        total += sum(len(frame.translate(None, b"\x01")) for frame in frames)
    return total


def evaluate(pool: ThreadPoolExecutor) -> int:
    return sum(pool.map(sum, [range(300_000)] * THREADS))


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        for number in range(1, plan.folds + 1):
            with telemetry.fold(number, of=plan.folds):
                telemetry.checkpoint("START")
                build = functools.partial(build_features, pool, plan.amount(80))
                for stage in plan.in_order(build, functools.partial(decode, plan)):
                    stage()
                telemetry.checkpoint("TRAINED")
                evaluate(pool)
                telemetry.checkpoint("END")
                telemetry.settle()


if __name__ == "__main__":
    main()
