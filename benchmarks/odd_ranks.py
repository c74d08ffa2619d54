"""How often a healthy rank is called the odd one out, and how often one is that holds twice as much.

Ranks differ by 5 %, readings wander by 2 %, and one in fifty jumps by half, as a collection of garbage or a checkpoint
being written lets them. Simulated, for it is the rule that is measured and not a machine.
"""

from __future__ import annotations

import json
import random
import sys

from analyzer.growth.odd_one_out import LABELS, odd_in

RUNS = 10_000
RANKS = (3, 4, 8, 16, 64)
LEVELS = (40, 400, 1850, 20_000)
DIFFER = 0.05
WANDER = 0.02
JUMPS = 0.02


def odd_ranks(chance: random.Random, *, times: float) -> tuple[set[int], int]:
    """Return the ranks called odd in one run, and the one that holds so many ``times`` as much."""
    level, count = chance.choice(LEVELS), chance.choice(RANKS)
    levels = [level * chance.gauss(1, DIFFER) for _ in range(count)]
    seeded = chance.randrange(count)
    levels[seeded] *= times
    labels = [
        {
            rank: own * chance.gauss(1, WANDER) * (1.5 if chance.random() < JUMPS else 1)
            for rank, own in enumerate(levels)
        }
        for _ in range(LABELS)
    ]
    return {*odd_in(labels, floor=1.0)}, seeded


def main(runs: int = RUNS, seed: int = 1) -> None:
    """Print one JSON object."""
    chance = random.Random(seed)
    healthy = sum(bool(odd_ranks(chance, times=1)[0]) for _ in range(runs))
    found = wrong = 0
    for _ in range(runs):
        called, seeded = odd_ranks(chance, times=2)
        found += called == {seeded}
        wrong += bool(called - {seeded})
    print(json.dumps({"runs": runs, "false_alarms": healthy, "found": found, "wrong": wrong}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
