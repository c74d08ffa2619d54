"""Does a quantity measured at several stages of every lap rise from lap to lap? Pure statistics.

A lap is a fold or an epoch. Here are the slope, its interval and the shapes that are no lasting rise.

Definition. The slope is Sen's with the stages as seasons: the median over all pairs of laps at the same
stage, pooled over the stages (Sen 1968; Hirsch, Slack & Smith 1982). For its interval each pair of
laps counts once, with the median over the stages that both reached: stages of one lap move together,
so they are one witness, not many, and a lap that was cut short is compared where it got to. The
interval is Kendall's by ranks (Gilbert 1987, section 16.4.2) at 95 %.

A long series is first cut into at most 60 blocks of laps, each stage's median for each, and of many
stages 100 are taken: there are some thousands of pairs at most, time and memory are linear in the number
of values, and a single spike is gone.
"""

from __future__ import annotations

import math
from itertools import combinations, pairwise
from statistics import NormalDist, linear_regression, median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONFIDENCE = 0.95
MOST_LAPS = 60
MOST_STAGES = 100
"""Of more stages, this many evenly spaced ones witness as well."""
FEW = 6
"""Of fewer laps no curve can be told from noise."""
LONG = 12
"""From this many laps on, halves are long enough to be judged by themselves."""
APPROACHES = (0.3**8, 0.5**8, 0.7**8)
"""What is left to the level at the last lap, of a curve that approaches one."""


class Slope(NamedTuple):
    """A slope per lap with its interval."""

    value: float
    low: float
    high: float


class Trend:
    """What the pairs of laps of one quantity say.

    Invariant: there are two laps at least, and every stage has two values at least.
    """

    def __init__(self, series: Mapping[str, Mapping[float, float]]) -> None:
        """Take, by stage, the value at each lap; stages with one lap say nothing of a slope."""
        stages = [values for values in series.values() if len(values) > 1]
        stages = stages[:: math.ceil(len(stages) / MOST_STAGES) or 1]
        self._stages = _blocks(stages)
        self.laps: Sequence[float] = sorted({lap for values in self._stages for lap in values})
        self._pairs: dict[tuple[float, float], float] = {}
        self._all: list[float] = []
        for earlier, later in combinations(self.laps, 2):
            slopes = [
                (values[later] - values[earlier]) / (later - earlier)
                for values in self._stages
                if earlier in values and later in values
            ]
            if slopes:
                self._pairs[earlier, later] = median(slopes)
                self._all += slopes

    def slope(self) -> Slope:
        """Return Sen's slope with its interval."""
        ordered = sorted(self._pairs.values())
        count = len(self.laps)
        deviation = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
        reach = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * deviation
        low = math.floor((len(ordered) - reach) / 2)
        high = math.ceil((len(ordered) + reach) / 2)
        return Slope(median(self._all), ordered[max(low, 0)], ordered[min(high, len(ordered) - 1)])

    def is_regular(self) -> bool:
        """Whether the steps between neighbours are alike: of n steps, none under 1/n of the largest."""
        steps = [self._pairs[pair] for pair in pairwise(self.laps) if pair in self._pairs]
        return min(steps) * len(steps) >= max(steps)

    def recent(self) -> Trend:
        """Return the trend of the later half of the laps."""
        start = self.laps[len(self.laps) // 2]
        return Trend(
            {
                str(number): {lap: value for lap, value in values.items() if lap >= start}
                for number, values in enumerate(self._stages)
            }
        )

    def levels_off(self) -> bool:
        """Whether the later half rises less than two thirds as fast as the earlier one, for good.

        Of under ``FEW`` laps that is all there is to see. Of more, every recent pair lies under every
        early one, or a curve that approaches a level fits twice as well as a straight line.
        """
        early, recent = self._halves()
        if not early or not recent or median(recent) >= median(early) * 2 / 3:
            return False
        return len(self.laps) < FEW or max(recent) < min(early) or self._is_curved()

    def keeps_up(self) -> bool:
        """Whether the later half rises at least four fifths as fast as the earlier one."""
        early, recent = self._halves()
        return not early or not recent or median(recent) >= median(early) * 4 / 5

    def _halves(self) -> tuple[list[float], list[float]]:
        half = len(self.laps) // 2
        return self._pairs_within(self.laps[: half + 1]), self._pairs_within(self.laps[half:])

    def _is_curved(self) -> bool:
        first, last = self.laps[0], self.laps[-1]
        levels = self._levels()
        straight = _misfit(levels)
        return any(
            2
            * _misfit({-(rate ** ((lap - first) / (last - first))): y for lap, y in levels.items()})
            < straight
            for rate in APPROACHES
        )

    def falls_back(self) -> bool:
        """Whether the low points do not rise with the rest: a saw-tooth gives back what it took.

        Only of many laps: in few, two teeth and a rise are the same.
        """
        if len(self.laps) < LONG:
            return False
        levels = list(self._levels().values())
        half = len(levels) // 2
        troughs = [sorted(part)[half // 10] for part in (levels[:half], levels[half:])]
        distance = (self.laps[-1] - self.laps[0]) / 2
        return troughs[1] - troughs[0] < median(self._pairs.values()) * distance / 3

    def _levels(self) -> dict[float, float]:
        """Return each lap's level over the first one's."""
        first, *others = self.laps
        return {first: 0.0} | {
            lap: self._pairs[first, lap] * (lap - first)
            for lap in others
            if (first, lap) in self._pairs
        }

    def _pairs_within(self, laps: Sequence[float]) -> list[float]:
        inside = set(laps)
        return [slope for pair, slope in self._pairs.items() if inside.issuperset(pair)]


def _blocks(stages: Sequence[Mapping[float, float]]) -> list[Mapping[float, float]]:
    """Cut many laps into blocks of one width; a block stands at the middle of its laps.

    Where no stage reaches from one block into another, each stage is cut into two of its own.
    """
    laps = sorted({lap for values in stages for lap in values})
    if len(laps) <= MOST_LAPS:
        return list(stages)
    blocked = [_blocked(values, laps, math.ceil(len(laps) / MOST_LAPS)) for values in stages]
    spanning = [values for values in blocked if len(values) > 1]
    return spanning or [
        _blocked(values, sorted(values), math.ceil(len(values) / 2)) for values in stages
    ]


def _blocked(
    values: Mapping[float, float], laps: Sequence[float], width: int
) -> Mapping[float, float]:
    """Return the median of ``values`` in each block of so many of the ascending ``laps``."""
    blocks = (laps[at : at + width] for at in range(0, len(laps), width))
    return {
        median(block): median(found)
        for block in blocks
        if (found := [values[lap] for lap in block if lap in values])
    }


def _misfit(points: Mapping[float, float]) -> float:
    """Return what the straight line that fits ``points`` best leaves, as a sum of squares."""
    slope, at_zero = linear_regression(list(points), list(points.values()))
    return sum((y - at_zero - slope * x) ** 2 for x, y in points.items())
