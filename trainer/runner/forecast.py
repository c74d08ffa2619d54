"""Will the next fold fit? Pure: peaks and limits in, what would not fit out.

Definitions. The *peak* of a fold is the highest value that any reading of its process had during it.
In a process that goes on, the next fold's peak is forecast as

    the highest peak so far + the largest step from fold to fold

where the step into the second fold, which is warm-up, counts only while there is no other, and no
step counts where `analyzer.growth` judges the peaks stable or warmed up. A process may take one more
fold while each forecast stays at or under USABLE of its ceiling; after one fold, at that fold's peak.

A *fresh* process needs what the largest first fold of an earlier one needed. It fits while that is no
more than the headroom: limit minus use, of each ceiling as it stands for the runner, whose cgroups
the process will be in. What nobody has measured fits.
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
"""Of a ceiling; from here on the analyzer calls a use critical, too."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """One ceiling that the next fold would not leave enough of."""

    ceiling: str
    needed: float
    available: float
    of: str
    """What ``available`` is: ``80 % of 7,680``, ``headroom``."""

    def __str__(self) -> str:
        """Say it in one clause, with its numbers."""
        is_size = self.ceiling == "memory" or LIMITS[self.ceiling].is_bytes
        needed = format_amount(self.needed, is_bytes=is_size)
        available = format_amount(self.available, is_bytes=is_size)
        return f"{self.ceiling}: forecast peak {needed}, {self.of} {available}"


def next_peak(peaks: Sequence[int], *, floor: float = 1.0) -> float:
    """Forecast the next fold's peak in a process with these ``peaks``, one a fold, in their order."""
    steps = [after - before for before, after in pairwise(peaks)]
    if len(steps) > 1:
        series = {"peak": dict(enumerate(map(float, peaks), start=1))}
        steps = [0] if judge(series, floor=floor).verdict.is_steady else steps[1:]
    return max(peaks) + max(0, *steps, 0)


def shortage_for_next_fold(
    peaks: Sequence[Mapping[str, int]], limits: Mapping[str, object]
) -> Shortage | None:
    """Return the ceiling that one more fold in the process would bring over USABLE, the worst first.

    ``peaks`` holds, for each fold that it ran, the peak by field of `Reading`.
    """
    found = []
    for ceiling, name in GROWS_WITH.items():
        limit = limits.get(ceiling)
        values = [fold[name] for fold in peaks if name in fold]
        if not values or not isinstance(limit, int):
            continue
        expected = next_peak(values, floor=RESOURCES[name].floor if name in RESOURCES else 1.0)
        if expected > USABLE * limit:
            found.append(
                Shortage(ceiling, expected, USABLE * limit, f"{USABLE:.0%} of the limit is")
            )
    return max(found, key=lambda shortage: shortage.needed / shortage.available, default=None)


def shortage_for_first_fold(
    need: Mapping[str, int], runner: Reading, *, free_memory_bytes: int | None
) -> Shortage | None:
    """Return the ceiling whose headroom a fresh process would not fit into.

    ``need`` has ``tree_threads`` and ``rss_bytes`` where known: the memory of the process alone, for
    what its children share with it would count twice. ``runner`` is a reading of the process that
    will start it; ``free_memory_bytes`` what the memory cgroup and the host still give.
    """
    found = []
    if (threads := need.get("tree_threads")) is not None:
        for ceiling in refusing(Refusal.TASK):
            if ceiling == "nproc" and runner.is_exempt_from_nproc:
                continue
            headroom = runner.usage(ceiling).headroom
            if headroom is not None and threads > headroom:
                found.append(Shortage(ceiling, threads, headroom, "headroom"))
    size = need.get("rss_bytes")
    if size is not None and free_memory_bytes is not None and size > free_memory_bytes:
        found.append(Shortage("memory", size, free_memory_bytes, "free"))
    return max(found, key=lambda shortage: shortage.needed - shortage.available, default=None)
