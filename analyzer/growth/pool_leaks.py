"""Thread pools that a fold left behind.

Each fold is compared with the one before it, at the same stage of the same process. Only journals
have thread pools; a ``[THREADS]`` line does not.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from telemetry.reading_difference import changes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyzer.processes.from_log import Process


class PoolLeak(NamedTuple):
    """Threads by pool that were there after ``fold`` and not after the fold before it."""

    fold: int
    stage: str
    """The latest stage that both folds reached: where they are compared."""
    pools: Mapping[str, int]


def find_pool_leaks(process: Process) -> list[PoolLeak]:
    """Compare each fold of ``process`` with the one before; folds that left nothing are left out."""
    pools: dict[int, dict[str, Mapping[str, int]]] = {}
    for label, at_last in process.checkpoints.last_pools():
        if label.fold is not None and at_last:
            pools.setdefault(label.fold, {})[label.stage] = at_last
    found = []
    folds = sorted(pools)
    for before, fold in pairwise(folds):
        stage = next((s for s in reversed(pools[fold]) if s in pools[before]), None)
        if stage is None:
            continue
        more = {
            name: change
            for name, change in changes(pools[before][stage], pools[fold][stage]).items()
            if change > 0
        }
        if more:
            found.append(PoolLeak(fold, stage, more))
    return found
