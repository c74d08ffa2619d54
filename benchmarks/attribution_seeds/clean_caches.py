"""Caches fill in the first folds, each to its bound, and stay as they are."""

from __future__ import annotations

import functools
import zlib
from collections import deque

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

VOCABULARY: dict[int, str] = {}
RECENT: deque[bytes] = deque(maxlen=150)


@functools.lru_cache(maxsize=256)
def load_image(number: int) -> bytes:
    return zlib.compress(bytes(range(256)) * 400, level=0) + bytes([number % 256])


def load_data() -> int:
    return sum(load_image(number)[-1] for number in range(256))


def tokenize(plan: Plan) -> int:
    total = 0
    for _ in plan.rounds():
        for _ in range(20_000):
            token = plan.chance.randrange(60_000)
            total += len(VOCABULARY.setdefault(token, f"token number {token}"))
    return total


def train_epoch(plan: Plan) -> float:
    for _ in range(80):
        RECENT.append(plan.chance.randbytes(200_000))
    return sum(sorted(plan.chance.random() for _ in range(300_000)))


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            load_data()
            telemetry.checkpoint("LOADED")
            for stage in plan.in_order(
                functools.partial(tokenize, plan), functools.partial(train_epoch, plan)
            ):
                stage()
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
