"""keep_vectors(), a done-callback in threads of a pool, keeps blocks of their arenas; preview()'s callback takes and frees them."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

THREADS = 10
TASKS = 20
VECTORS: dict[int, list[bytes]] = {}


def digest(text: bytes) -> bytes:
    for _ in range(10):
        text = hashlib.sha256(text).digest() * 20_000
    return text[:32]


def keep_vectors(count: int, future: Future[bytes]) -> None:
    seed = future.result()
    VECTORS[len(VECTORS)] = [seed * 900 + bytes([row % 256]) for row in range(count)]


def show_vectors(count: int, future: Future[bytes]) -> None:
    seed = future.result()
    vectors = [seed * 900 + bytes([row % 256]) for row in range(count)]
    assert len(set(vectors)) > 1


def embed(plan: Plan, pool: ThreadPoolExecutor, count: int) -> None:
    futures = []
    for _ in range(TASKS):
        futures.append(pool.submit(digest, plan.chance.randbytes(500_000)))
        futures[-1].add_done_callback(partial(keep_vectors, count))
    wait(futures)


def preview(plan: Plan, pool: ThreadPoolExecutor, count: int) -> None:
    for _ in plan.rounds():
        futures = []
        for _ in range(TASKS):
            futures.append(pool.submit(digest, plan.chance.randbytes(50_000)))
            futures[-1].add_done_callback(partial(show_vectors, count))
        wait(futures)


def main() -> None:
    plan = from_command_line()
    count = plan.amount(30)
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        for number in range(1, plan.folds + 1):
            with telemetry.fold(number, of=plan.folds):
                telemetry.checkpoint("START")
                for stage in plan.in_order(
                    partial(embed, plan, pool, count), partial(preview, plan, pool, count)
                ):
                    stage()
                telemetry.checkpoint("EMBEDDED")
                sum(pool.map(sum, [range(100_000)] * THREADS))
                telemetry.checkpoint("END")
                telemetry.settle()


if __name__ == "__main__":
    main()
