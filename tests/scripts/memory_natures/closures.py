"""held: every fold subscribes callbacks that close over its arrays to an event bus, and never unsubscribes.

Remedy: unsubscribe the callbacks of a fold at its end.
"""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING

import numpy as np

from tests.scripts.memory_natures.folds import run_folds

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

BEATS = 10
"""Of the heartbeat, in each fold at least."""


class Bus:
    """Calls its subscribers, and holds them."""

    def __init__(self) -> None:
        self.subscribers: list[Callable[[float], float]] = []

    def subscribe(self, call: Callable[[float], float]) -> None:
        self.subscribers.append(call)

    def emit(self, value: float) -> float:
        return sum(call(value) for call in self.subscribers[-20:])


bus = Bus()
stop = threading.Event()
beaten = threading.Semaphore(0)


def heartbeat() -> None:
    """Allocate and free for the whole run, also while a fold is read."""
    chance = np.random.default_rng(99)
    while not stop.wait(0.01):
        chance.random(int(chance.integers(1_000, 200_000))).sum()
        beaten.release()


def make_callback(weights: NDArray[np.float64], index: int) -> Callable[[float], float]:
    """Close over ``weights``; with a cycle too, as real listeners have."""
    cycle: dict[str, object] = {}

    def call(value: float) -> float:
        return float(weights[index % len(weights)]) * value

    cycle["self"] = cycle, call
    return call


def subscribe_all(fold: int) -> None:
    chance = np.random.default_rng(fold)
    for i in range(60):
        weights = chance.random(int(chance.integers(40_000, 110_000)))
        bus.subscribe(make_callback(weights, i))
        scratch = np.outer(weights[:500], weights[:400])
        bus.emit(float(scratch[0, 0]))


def work(fold: int) -> None:
    subscribe_all(fold)
    for _ in range(BEATS):
        beaten.acquire()
    gc.collect()


if __name__ == "__main__":
    beat = threading.Thread(target=heartbeat, daemon=True)
    beat.start()
    run_folds(work)
    stop.set()
    beat.join()
