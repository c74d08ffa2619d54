"""Does the next fold fit? A pure function of the peaks of earlier folds and the limits.

Definitions. The *peak* of a fold is the highest value in any reading of its process during the fold. In a process
that runs several folds, the next fold's peak is forecast as

    the highest peak so far + the largest step from fold to fold

The step into the second fold is warm-up: it counts only while there is no other step. No step counts if
`analyzer.growth` judges the peaks stable or warmed up. A process may run one more fold while each forecast
stays at or below 80% of its limit (USABLE); after one fold the forecast is that fold's peak.

A *fresh* process needs as much as the largest first fold of an earlier process. It fits while that is at most
the headroom: limit minus use, of each limit as it applies to the runner, since the process will be in the same
cgroups. A quantity that was never measured counts as fitting.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from analyzer.growth.verdict import judge
from analyzer.resources import RESOURCES
from telemetry.formatting import format_amount
from telemetry.limits import GROWS_WITH, LIMITS, Refusal, refusing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from telemetry.reading import Reading

USABLE = 0.8
"""Of a limit; above it the analyzer, too, calls the use critical."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """A limit that is too near for the next fold."""

    limit: str
    """Its name, or ``memory`` for the memory of cgroup and host."""
    needed: float
    available: float
    of: str
    """How ``available`` is described: ``80% of the limit is``, ``headroom``, ``free``."""

    def __str__(self) -> str:
        """Return one clause with the numbers."""
        is_size = self.limit == "memory" or LIMITS[self.limit].is_bytes
        needed = format_amount(self.needed, is_bytes=is_size)
        available = format_amount(self.available, is_bytes=is_size)
        return f"{self.limit}: forecast peak {needed}, {self.of} {available}"


def next_peak(peaks: Sequence[int], *, floor: float = 1.0) -> float:
    """Forecast the next fold's peak in a process, from the peaks of its folds in their order."""
    steps = [after - before for before, after in pairwise(peaks)]
    if len(steps) > 1:
        series = {"peak": dict(enumerate(map(float, peaks), start=1))}
        steps = [0] if judge(series, floor=floor).verdict.is_steady else steps[1:]
    return max(peaks) + max(0, *steps, 0)


def shortage_for_next_fold(
    peaks: Sequence[Mapping[str, int]], limits: Mapping[str, object]
) -> Shortage | None:
    """Return the limit that one more fold in the process would exceed USABLE of, the worst one if several.

    ``peaks`` holds, for each fold that it ran, the peak by field of `Reading`.
    """
    shortages = []
    for limit_name, name in GROWS_WITH.items():
        limit = limits.get(limit_name)
        values = [fold[name] for fold in peaks if name in fold]
        if not values or not isinstance(limit, int):
            continue
        expected = next_peak(values, floor=RESOURCES[name].floor if name in RESOURCES else 1.0)
        if expected > USABLE * limit:
            shortages.append(
                Shortage(limit_name, expected, USABLE * limit, f"{USABLE:.0%} of the limit is")
            )
    return max(shortages, key=lambda shortage: shortage.needed / shortage.available, default=None)


def shortage_for_first_fold(
    need: Mapping[str, int], runner: Reading, *, free_memory_bytes: int | None
) -> Shortage | None:
    """Return the limit whose headroom is too small for a fresh process.

    Args:
        need: ``tree_threads`` and ``rss_bytes``, if known. The memory is that of the process alone,
            since memory that it shares with its children would count twice.
        runner: A reading of the process that will start it.
        free_memory_bytes: The bytes that the memory cgroup and the host have left.
    """
    shortages = []
    if (threads := need.get("tree_threads")) is not None:
        for limit_name in refusing(Refusal.TASK):
            if limit_name == "nproc" and runner.is_exempt_from_nproc:
                continue
            headroom = runner.usage(limit_name).headroom
            if headroom is not None and threads > headroom:
                shortages.append(Shortage(limit_name, threads, headroom, "headroom"))
    size = need.get("rss_bytes")
    if size is not None and free_memory_bytes is not None and size > free_memory_bytes:
        shortages.append(Shortage("memory", size, free_memory_bytes, "free"))
    return max(shortages, key=lambda shortage: shortage.needed - shortage.available, default=None)
