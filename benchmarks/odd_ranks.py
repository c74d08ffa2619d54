"""How often a healthy rank is called the odd one out, and how often one is that holds, or uses, twice as much.

What ranks hold differs by 5 %, readings wander by 2 %, and one in fifty jumps by half, as a collection of garbage or a
checkpoint being written lets them. Their CPU time differs by 10 %, wanders by 10 % from label to label, and one stretch
in twenty is half or twice as busy. Simulated, for it is the rule that is measured and not a machine.
"""

from __future__ import annotations

import json
import random
import sys
from typing import NamedTuple

from analyzer.growth.odd_one_out import LABELS, MEASURES, Measure, odd_in
from analyzer.processes.rank_values import CPU_CORES

RUNS = 10_000
"""Of healthy ranks; a tenth of them for each rank that is not."""
RANKS = (3, 4, 8, 16, 64)


class Load(NamedTuple):
    """How the values of healthy ranks differ."""

    levels: tuple[float, ...]
    differ: float
    wander: float
    jumps: float
    jump_to: tuple[float, ...]
    """Times the rank's own level."""
    measure: Measure


LOADS = {
    "held": Load((40, 400, 1850, 20_000), 0.05, 0.02, 0.02, (1.5,), Measure(1.0)),
    "cpu": Load((0.3, 1, 3, 12), 0.1, 0.1, 0.05, (0.5, 2.0), MEASURES[CPU_CORES]),
}


def odd_ranks(chance: random.Random, load: Load, *, times: float) -> tuple[set[int], int]:
    """Return the ranks called odd in one run, and the one whose level is so many ``times`` as high."""
    level, count = chance.choice(load.levels), chance.choice(RANKS)
    levels = [level * chance.gauss(1, load.differ) for _ in range(count)]
    seeded = chance.randrange(count)
    levels[seeded] *= times
    labels = [
        {
            rank: own
            * chance.gauss(1, load.wander)
            * (chance.choice(load.jump_to) if chance.random() < load.jumps else 1)
            for rank, own in enumerate(levels)
        }
        for _ in range(LABELS)
    ]
    return {*odd_in(labels, load.measure)}, seeded


def main(runs: int = RUNS, seed: int = 1) -> None:
    """Print one JSON object for what is held, and one for CPU time."""
    for name, load in LOADS.items():
        chance = random.Random(seed)
        healthy = sum(bool(odd_ranks(chance, load, times=1)[0]) for _ in range(runs))
        found: dict[float, int] = dict.fromkeys((0.4, 2.0, 3.0), 0)
        wrong = 0
        for times in found:
            for _ in range(runs // 10):
                called, seeded = odd_ranks(chance, load, times=times)
                found[times] += called == {seeded}
                wrong += bool(called - {seeded})
        print(
            json.dumps(
                {"of": name, "runs": runs, "false_alarms": healthy, "found": found, "wrong": wrong}
            )
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
