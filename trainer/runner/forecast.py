"""Does the next fold fit into the same process? A pure function of the peaks of earlier folds and the limits.

Definitions. The *peak* of a fold is the highest value in any reading of its process during the fold. In a process
that runs several folds, the next fold's peak is forecast as

    the highest peak so far + the largest step from fold to fold

The step into the second fold is warm-up: it counts only while there is no other step. No step counts if
`analyzer.growth` judges the peaks stable or warmed up. A process may run one more fold while each forecast
stays at or below 80% of its limit (USABLE); after one fold the forecast is that fold's peak.

Whether a *fresh* process fits, its agent finds out (`trainer.agent.room`).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from analyzer.growth.verdict import judge
from analyzer.resources import RESOURCES
from telemetry.limits import GROWS_WITH
from trainer.agent.room import Shortage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

USABLE = 0.8
"""Of a limit; above it the analyzer, too, calls the use critical."""


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
