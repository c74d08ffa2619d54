"""open_dataset() starts threads that wait for changed files, and ends none of them; resize_images() ends all of its own."""

from __future__ import annotations

import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

CHANGED = threading.Event()


def wait_for_changes(shard: int) -> int:
    CHANGED.wait()
    return shard


def open_dataset(plan: Plan) -> list[bytes]:
    for shard in range(plan.amount(4)):
        threading.Thread(target=wait_for_changes, args=(shard,), daemon=True).start()
    return [plan.chance.randbytes(200_000) for _ in range(8)]


def resize_images(plan: Plan, images: list[bytes]) -> int:
    total = 0
    for _ in plan.rounds():
        with ThreadPoolExecutor(max_workers=8) as pool:
            total += sum(len(packed) for packed in pool.map(zlib.compress, images))
    return total


def train_epoch(images: list[bytes]) -> int:
    return sum(sum(image) for image in images * 10)


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            images = open_dataset(plan)
            resize_images(plan, images)
            telemetry.checkpoint("DATA READY")
            train_epoch(images)
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
