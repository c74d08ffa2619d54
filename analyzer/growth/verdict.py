"""Does a resource grow from fold to fold, from epoch to epoch, or over time? Pure: series in, `Growth` out.

Definition. Per process lifetime and resource: the values at the same stage across that process's
folds. The step into the second fold is warm-up (libraries finish loading) and does not count where
there are more steps. The slope per fold over the folds after warm-up, and its 95 % interval, are
`trend`'s. Epochs are judged by the same rules, at the same fit across its epochs (`epochs`).

    stable        the interval contains 0, or the slope is under the resource's measurement floor, or
                  the low points do not rise with the rest (a saw-tooth)
    warm-up       only the first step rises, or the rise levels off
    slow          real, but under 5 % of the level after warm-up per fold, or next to nothing, and more
                  than 100 folds from the limit
    growing       real, and at least 5 % per fold (and two threads, four maps, 4 MB), or 100 folds or
                  fewer from the limit
    critical      growing, and the limit falls inside the folds planned, or usage is at 80 % of it
    inconclusive  too few folds to tell, said with what would tell

Epochs are many and small, so that for them growing is 1 % an epoch, or half of the level over the
epochs seen, or as near to the limit as the epochs seen are many; and under five epochs after warm-up
nothing is said. Of numbers that a program prints by itself, under eleven, and three of four of the later
epochs must rise: most of these never fall, and a staircase is no leak. Where neither folds nor epochs tell,
`over_time` gives the laps.

Few folds. No order of few values is rare enough, so their steps must also be alike:

    3 folds       both steps rise, neither is twice the other, at three of four stages or more; and
                  either they are within a tenth of each other, or the rise happened inside the folds
                  and was carried over: from the last label of a fold to the first one of the next the
                  value moves by less than half a step, both times. Noise that a whole fold shares
                  jumps there; a leak does not. What fails this is inconclusive: one more fold tells
    4 and 5 folds all steps rise, and after warm-up none is under 1/n of the largest of n
    6 or more     the interval alone

Of a saw-tooth that has not fallen yet nobody can tell; from 8 folds on one of up to 6 is told.

A rise levels off where its later half rises less than two thirds as fast as the earlier half, and a
curve that approaches a level fits it far better than a straight line (`Trend.levels_off`). Of 12 folds
or more the later half is then judged by itself, as it is what will go on.
Growth across processes is not growth. benchmarks/growth_rates.py measures how often these rules
are wrong, by kind of series.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, TypeVar

from analyzer.growth.trend import FEW, LONG, Slope, Trend

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyzer.growth.grown_parts import GrownPart
    from analyzer.growth.nature import NatureFound


class Verdict(enum.StrEnum):
    """What is said of a resource's growth, worst first; the definitions are above."""

    CRITICAL = "critical"
    GROWING = "growing"
    SLOW = "slow"
    INCONCLUSIVE = "inconclusive"
    WARM_UP = "warm-up"
    STABLE = "stable"

    @property
    def is_alarming(self) -> bool:
        """Whether the resource grows."""
        return self in {Verdict.CRITICAL, Verdict.GROWING}

    @property
    def is_steady(self) -> bool:
        """Whether it is known not to grow any more."""
        return self in {Verdict.STABLE, Verdict.WARM_UP}

    @property
    def severity(self) -> int:
        """Its rank, 0 for the worst."""
        return list(Verdict).index(self)


NEAR_LIMIT_LAPS = 100
CRITICAL_USAGE = 0.8
ISOLATED_SPREAD = 0.05
ALIKE = 1 / 10
"""Two steps that differ by no more of the larger are alike; two of noise are so once in a hundred."""
MOST_STAGES_RISE = 0.75
LAPS_FOR_INTERVAL = 5
"""After warm-up: of 120 orders of five values one rises throughout."""
Lap = TypeVar("Lap", bound=float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What a lap is, and how much growth over laps of that kind matters."""

    unit: str
    relative: float
    """Share of the level after warm-up that a lap adds where a resource grows."""
    altogether: float
    """Share of the level that all laps seen add where a resource grows."""
    fewest: int
    """Laps with fewer steps than this say nothing."""
    near: float = NEAR_LIMIT_LAPS
    """A limit is near if it is no more laps away than this, or than the laps seen."""
    least_floors: float = 0.0
    """Of measurement floors, a lap adds where a resource grows: of a small level anything is a large share."""
    rising: float = 0.0
    """Share of the steps of the later half that rise where a resource grows."""


FOLDS = Axis(unit="fold", relative=0.05, altogether=math.inf, fewest=2, least_floors=4.0)
EPOCHS = Axis(unit="epoch", relative=0.01, altogether=0.5, fewest=5)
PRINTED_EPOCHS = replace(EPOCHS, fewest=LONG - 1, rising=0.75)
"""For numbers that a program prints by itself. Most never fall: peaks, and what an allocator has taken and
keeps; and a staircase is also made by chance, as by the largest image so far."""
THOUSAND = "thousand readings"


def a_unit(unit: str) -> str:
    """Return what follows a slope: ``a fold``, ``an epoch``."""
    return f"{'an' if unit in {'epoch', 'hour'} else 'a'} {unit}"


def units(unit: str) -> str:
    """Return the plural of a unit."""
    return unit if unit == THOUSAND else f"{unit}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What one resource of one process does; in its own unit, per ``unit`` where a fold is named."""

    verdict: Verdict
    reason: str
    slope: float | None = None
    slope_low: float | None = None
    slope_high: float | None = None
    first: int | None = None
    last: int | None = None
    peak: int | None = None
    limit: int | None = None
    """None where there is none or none is known."""
    folds_to_limit: float | None = None
    unit: str = "fold"
    """``epoch`` where the laps compared are epochs; over time ``minute``, ``hour`` or a count of readings."""
    nature: NatureFound | None = None
    """What the grown memory is; None for what is no memory, or where nothing tells."""
    grown: tuple[GrownPart, ...] = ()
    """What it has grown by, the largest part first; empty where nothing tells."""

    @property
    def a_unit(self) -> str:
        """What follows its slope: ``a fold``, ``an epoch``."""
        return a_unit(self.unit)


def judge(  # noqa: PLR0913 - a series, and what a limit is judged by
    series: Mapping[str, Mapping[Lap, float]],
    *,
    floor: float,
    level_at_end: float | None = None,
    limit: int | None = None,
    folds_planned: int | None = None,
    axis: Axis = FOLDS,
) -> Growth:
    """Judge one resource of one process.

    ``series`` holds, by stage in the order in which stages are reached, the value at each fold (or
    epoch: see ``axis``). ``level_at_end`` is the peak that counts against ``limit`` (labelled or
    between labels). The result has no first, last and peak: those are the caller's, who knows the
    order of the checkpoints.
    """
    laps = sorted({lap for values in series.values() for lap in values})
    steps = max((len(values) for values in series.values()), default=0) - 1
    if steps < axis.fewest:
        return Growth(
            verdict=Verdict.INCONCLUSIVE, reason=_too_few(len(laps), steps, axis), unit=axis.unit
        )
    if steps == 2:
        slope, reason = _judge_two_steps(series, floor)
    else:
        slope, reason = _judge_many_steps(series, floor)
    if reason is not None:
        verdict, words = reason
        growth = Growth(verdict=verdict, reason=words)
    else:
        growth = _judge_size(
            slope,
            axis=axis,
            least=axis.least_floors * floor,
            level=_level_after_warm_up(series),
            laps_seen=laps[-1] - laps[0],
            level_at_end=level_at_end,
            limit=limit,
            laps_left=None if folds_planned is None else folds_planned - laps[-1],
        )
    if growth.verdict.is_alarming and (share := _rising_share(series)) < axis.rising:
        words = f"rises now and then: in {share:.0%} of the later {axis.unit}s"
        growth = Growth(verdict=Verdict.WARM_UP, reason=words)
    return _with_slope(growth, slope, axis)


def _rising_share(series: Mapping[str, Mapping[Lap, float]]) -> float:
    """Return how many of the steps in the later half of each stage rise."""
    rises = [
        after > before
        for values in series.values()
        for before, after in pairwise([*values.values()][len(values) // 2 :])
    ]
    return sum(rises) / max(1, len(rises))


def _too_few(laps: int, steps: int, axis: Axis) -> str:
    if axis.unit == "epoch":
        return f"{max(steps, 0) + 1} epochs of one fit; {axis.fewest + 1} would tell"
    if steps == 1:
        return "one step only, and the first is warm-up; one more fold would tell"
    if laps > 1:
        return "no label is the same in two folds, so there is nothing to compare"
    return "one fold in this process; two more folds in it would tell"


def judge_isolated(series: Mapping[str, Mapping[int, float]]) -> Growth:
    """Judge folds that each ran in a process of their own: are they alike at the same stage?

    Nothing can carry over inside such a process, so the verdict is never growing: stable where the
    folds lie within 5 % of each other (median over stages), else inconclusive.
    """
    spreads = [
        (max(values.values()) - min(values.values())) / max(median(values.values()), 1e-9)
        for values in series.values()
        if len(values) > 1
    ]
    if not spreads:
        return Growth(verdict=Verdict.INCONCLUSIVE, reason="no stage was reached by two folds")
    spread = median(spreads)
    alike = f"a process per fold; at the same stage folds differ by {spread:.1%}"
    if spread <= ISOLATED_SPREAD:
        return Growth(verdict=Verdict.STABLE, reason=alike)
    return Growth(
        verdict=Verdict.INCONCLUSIVE, reason=alike + ", which is not growth in any process"
    )


def _steps(series: Mapping[str, Mapping[Lap, float]], number: int) -> list[float]:
    """Return each stage's step of that number, from 0, per lap; a stage that has none is left out."""
    steps = []
    for values in series.values():
        laps = sorted(values)[number : number + 2]
        if len(laps) == 2:
            steps.append((values[laps[1]] - values[laps[0]]) / (laps[1] - laps[0]))
    return steps


def _judge_two_steps(
    series: Mapping[str, Mapping[Lap, float]], floor: float
) -> tuple[Slope, tuple[Verdict, str] | None]:
    steps = [_steps(series, 0), _steps(series, 1)]
    first, second = map(median, steps)
    slope = Slope(second, min(first, second), max(first, second))
    if second < floor:
        if first >= floor:
            return slope, (Verdict.WARM_UP, "only the first step rises")
        return slope, (Verdict.STABLE, "neither step rises")
    rising = min(sum(step > 0 for step in some) / len(some) for some in steps)
    is_alike = slope.low >= (1 - ALIKE) * slope.high
    doubts = {
        "the second step rises and the first does not": first < floor,
        "the second step is under half of the first": second < first / 2,
        "the second step is over twice the first": second > first * 2,
        f"only {rising:.0%} of the stages rise": rising < MOST_STAGES_RISE,
        "two uneven steps, which may be noise": not is_alike
        and not _is_carried_over(series, slope.low),
    }
    doubt = next((words for words, holds in doubts.items() if holds), None)
    if doubt is None:
        return slope, None
    return slope, (Verdict.INCONCLUSIVE, f"{doubt}; one more fold would tell")


def _is_carried_over(series: Mapping[str, Mapping[Lap, float]], step: float) -> bool:
    """Whether each fold begins about where the one before it ended: under half of ``step`` off."""
    first: dict[Lap, str] = {}
    last: dict[Lap, str] = {}
    for stage, values in series.items():
        for lap in values:
            first.setdefault(lap, stage)
            last[lap] = stage
    return all(
        last[before] != first[after]
        and abs(series[first[after]][after] - series[last[before]][before]) < step / 2
        for before, after in pairwise(sorted(first))
    )


def _judge_many_steps(
    series: Mapping[str, Mapping[Lap, float]], floor: float
) -> tuple[Slope, tuple[Verdict, str] | None]:
    first = median(_steps(series, 0))
    trend = Trend(
        {
            stage: {lap: values[lap] for lap in sorted(values)[1:]}
            for stage, values in series.items()
        }
    )
    slope = trend.slope()
    if _is_rise(slope, floor) and trend.levels_off():
        if len(trend.laps) < FEW:
            return slope, (Verdict.INCONCLUSIVE, "the rise slows down; one more fold would tell")
        trend = _last_trend(trend, floor)
        slope = trend.slope()
        if len(trend.laps) < LONG or not _is_rise(slope, floor):
            return slope, (Verdict.WARM_UP, "the rise levels off")
    if not _is_rise(slope, floor):
        words = _flat_words(slope, floor)
        if first >= max(floor, 2 * abs(slope.value)):
            return slope, (Verdict.WARM_UP, f"the first step rises, then {words}")
        return slope, (Verdict.STABLE, words)
    return slope, _doubt(trend, first, floor)


def _doubt(trend: Trend, first: float, floor: float) -> tuple[Verdict, str] | None:
    if trend.falls_back():
        return Verdict.STABLE, "rises and falls back"
    if len(trend.laps) < LAPS_FOR_INTERVAL and not (first >= floor and trend.is_regular()):
        return Verdict.INCONCLUSIVE, "rises unevenly over few folds; one more fold would tell"
    return None


def _is_rise(slope: Slope, floor: float) -> bool:
    return slope.low > 0 and slope.value >= floor


def _last_trend(trend: Trend, floor: float) -> Trend:
    """Return the later half, of that the later half and so on, while the rise levels off in it."""
    while len(trend.laps) >= LONG and _is_rise(trend.slope(), floor) and trend.levels_off():
        trend = trend.recent()
    return trend


def _flat_words(slope: Slope, floor: float) -> str:
    if slope.value < floor and slope.low > 0:
        return "rises by less than can be measured"
    if slope.high < 0:
        return "falls"
    if slope.low == slope.high == 0:
        return "flat"
    return "no rise beyond the spread"


def _level_after_warm_up(series: Mapping[str, Mapping[Lap, float]]) -> float:
    return median(values[sorted(values)[1]] for values in series.values() if len(values) > 2)


def _judge_size(  # noqa: PLR0913 - a slope, what it is measured by, and a limit
    slope: Slope,
    *,
    axis: Axis,
    least: float,
    level: float,
    laps_seen: float,
    level_at_end: float | None,
    limit: int | None,
    laps_left: float | None,
) -> Growth:
    relative = slope.value / level if level > 0 else math.inf
    to_limit = usage = None
    if limit is not None and level_at_end is not None:
        to_limit = max(0.0, (limit - level_at_end) / slope.value)
        usage = level_at_end / limit if limit else math.inf
    words = f"rises by {relative:.1%} {a_unit(axis.unit)}"
    if to_limit is not None:
        words += f"; at this rate {to_limit:,.0f} {units(axis.unit)} to the limit"
    is_near = to_limit is not None and to_limit <= max(axis.near, laps_seen)
    is_much = relative >= axis.relative or relative * laps_seen >= axis.altogether
    is_much = is_much and slope.value >= least
    verdict = Verdict.GROWING if is_much or is_near else Verdict.SLOW
    if verdict == Verdict.GROWING and to_limit is not None and usage is not None:
        if usage >= CRITICAL_USAGE:
            verdict, words = Verdict.CRITICAL, f"{words}; {usage:.0%} of it is used"
        elif laps_left is not None and to_limit < laps_left:
            verdict, words = Verdict.CRITICAL, f"{words}, and {laps_left} are still planned"
    return Growth(verdict=verdict, reason=words, folds_to_limit=to_limit)


def _with_slope(growth: Growth, slope: Slope, axis: Axis) -> Growth:
    return replace(
        growth,
        slope=slope.value,
        slope_low=slope.low,
        slope_high=slope.high,
        unit=axis.unit,
    )
