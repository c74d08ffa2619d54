"""What following the calls of a training costs it, beside epochs that are not followed.

Pairs of epochs alternate in one process, the order within a pair turning each time; the figure is the median over the pairs
of (with - without) / without, with the quartiles, and beside it what the watch counts itself. One training is TensorFlow's,
whose time is in C; one is of short Python functions alone, the dearest to follow; one has the loop over its steps in C.
The process is kept to one core, so that whatever is taken is taken from the training.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.training_overhead import make_epoch
from telemetry.recorder.call_watch import CallWatch

if TYPE_CHECKING:
    from collections.abc import Callable

PAIRS = 30
STEPS = 16_000_000


def square(step: int) -> int:
    return step * step % 7


def short_calls() -> int:
    """Call a function of Python over and over."""
    total = 0
    for step in range(STEPS):
        total += square(step)
    return total


def called_from_c() -> int:
    """Have C call it."""
    return sum(map(square, range(STEPS)))


def failed(source: str, why: str) -> None:
    raise RuntimeError(f"{source}: {why}")


def pairs(epoch: Callable[[], object]) -> dict[str, object]:
    """Return the shares of an epoch that following it took."""
    watch = CallWatch(failed)
    watch.stop()
    sys.setprofile(None)
    budget = watch.budget
    wall = 0.0

    def plain() -> float:
        began = time.perf_counter()
        epoch()
        return time.perf_counter() - began

    def followed() -> float:
        nonlocal wall
        watch = CallWatch(failed)
        watch.budget = budget  # what the epochs before have used up is used up
        began = time.perf_counter()
        epoch()
        taken = time.perf_counter() - began
        watch.stop()
        sys.setprofile(None)
        wall += taken
        return taken

    for _ in range(3):
        followed()
    began, wall = budget.taken, 0.0
    differences: list[float] = []
    for pair in range(PAIRS):
        if pair % 2:
            without, with_ = plain(), followed()
        else:
            with_, without = followed(), plain()
        differences.append((with_ - without) / without)
    low, median, high = statistics.quantiles(differences, n=4)
    return {
        "pairs": PAIRS,
        "epoch_seconds": wall / PAIRS,
        "overhead": median,
        "quartiles": [low, high],
        "counted_itself": (budget.taken - began) / wall,
    }


def main() -> None:
    """Print one JSON object a training."""
    os.environ |= {"TF_NUM_INTEROP_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for name, epoch in (
        ("short calls", short_calls),
        ("called from C", called_from_c),
        ("tensorflow", make_epoch()),
    ):
        print(json.dumps({"training": name} | pairs(epoch)), flush=True)


if __name__ == "__main__":
    main()
