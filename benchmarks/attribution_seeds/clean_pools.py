"""Threads start and end in every fold, as many as chance says."""

from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line


def hash_shards(plan: Plan, shards: list[bytes]) -> list[bytes]:
    digests = []
    for _ in plan.rounds():
        with ThreadPoolExecutor(max_workers=plan.chance.randint(2, 12)) as pool:
            digests = list(pool.map(lambda shard: hashlib.sha256(shard).digest(), shards))
    return digests


def prefetch(plan: Plan) -> None:
    """Threads that are waited for only after a while."""
    threads = [
        threading.Thread(target=time.sleep, args=(plan.chance.uniform(0.1, 0.6),))
        for _ in range(plan.chance.randint(3, 9))
    ]
    for thread in threads:
        thread.start()
    train_epoch(plan)
    for thread in threads:
        thread.join()


def train_epoch(plan: Plan) -> float:
    return sum(sorted(plan.chance.random() for _ in range(400_000)))


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            shards = [plan.chance.randbytes(500_000) for _ in range(12)]
            for stage in plan.in_order(partial(hash_shards, plan, shards), partial(prefetch, plan)):
                stage()
            telemetry.checkpoint("TRAINED")
            prefetch(plan)
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
