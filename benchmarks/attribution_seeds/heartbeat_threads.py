"""A decorator around Trainer.restore() starts heartbeat threads that nothing ends; augment() ends all of its own."""

from __future__ import annotations

import functools
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

if TYPE_CHECKING:
    from collections.abc import Callable

STOPPED = threading.Event()


def beat(part: int) -> None:
    while not STOPPED.wait(30 + part):
        pass


def with_heartbeat(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def guarded(self: Trainer, *arguments: Any) -> Any:
        for part in range(self.plan.amount(4)):
            threading.Thread(target=beat, args=(part,), daemon=True).start()
        return method(self, *arguments)

    return guarded


def timed(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def timing(self: Trainer, *arguments: Any) -> Any:
        start = time.monotonic()
        try:
            return method(self, *arguments)
        finally:
            self.seconds.append(time.monotonic() - start)

    return timing


class Trainer:
    """Prepares, augments and fits, and notes how long each of it takes."""

    seconds: list[float]
    weights: list[float]

    def __init__(self, plan: Plan) -> None:
        self.plan, self.seconds, self.weights = plan, [], []

    @timed
    @with_heartbeat
    def restore(self, number: int) -> None:
        self.weights = sorted(self.plan.chance.random() + number for _ in range(200_000))

    def prepare(self, number: int) -> None:
        self.restore(number)
        self.weights.reverse()

    @timed
    def augment(self) -> int:
        total, images = 0, [self.plan.chance.randbytes(150_000) for _ in range(8)]
        for _ in self.plan.rounds():
            with ThreadPoolExecutor(max_workers=8) as pool:
                total += sum(map(len, pool.map(zlib.compress, images)))
        return total

    @timed
    def fit(self) -> float:
        return sum(weight * weight for weight in self.weights)


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            trainer = Trainer(plan)
            for stage in plan.in_order(functools.partial(trainer.prepare, number), trainer.augment):
                stage()
            telemetry.checkpoint("PREPARED")
            trainer.fit()
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
