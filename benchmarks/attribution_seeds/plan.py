"""What chance decides of a program: how many folds, how busy its innocent work is, how much grows, and in what order."""

from __future__ import annotations

import os
import random
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Plan:
    """One run of a program, the same for the same seed."""

    run_dir: str
    folds: int
    busy_seconds: float
    """Of the innocent work in a fold."""
    growth: float
    """How much of the usual amount grows in a fold."""
    chance: random.Random
    seed: str

    def amount(self, usual: int) -> int:
        """Return how many, or how much, grow in a fold, where ``usual`` is that of an average run."""
        return max(1, round(usual * self.growth))

    def rounds(self) -> Iterator[int]:
        """Count rounds of innocent work until its seconds are over."""
        end, count = time.monotonic() + self.busy_seconds, 0
        while time.monotonic() < end:
            yield count
            count += 1

    def in_order(self, *stages: Callable[[], object]) -> list[Callable[[], object]]:
        """Return stages that do not depend on each other in the order of this run, the same in each fold."""
        return random.Random(self.seed).sample(stages, len(stages))


def from_command_line() -> Plan:
    """Return the plan of the run directory and the seed that the command line names."""
    run_dir, seed = sys.argv[1:]
    seed = f"{os.path.basename(sys.argv[0])} {seed}"
    chance = random.Random(seed)
    return Plan(
        run_dir=run_dir,
        folds=chance.randint(6, 8),
        busy_seconds=chance.uniform(3.0, 5.0),
        growth=chance.uniform(0.7, 1.5),
        chance=chance,
        seed=seed,
    )
