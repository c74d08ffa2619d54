"""Does a resource grow from fold to fold? Pure: series in, `Growth` out, nothing read or written.

Definition. Per process lifetime and resource: the values at the same stage across that process's
folds. The step into the second fold is warm-up (libraries finish loading) and does not count where
there are more steps. The slope per fold is Sen's slope over the folds after warm-up, with the stages
as seasons: the median of the slopes between all pairs of folds at the same stage, pooled over the
stages (Sen 1968; Hirsch, Slack & Smith 1982). Its 95 % interval is the median over stages of the
interval of each stage's own slopes by Kendall's variance (Gilbert 1987, section 16.4.2): stages of
one fold move together, so pooling them would make it too narrow.

    stable        the interval contains 0, or the slope is under the resource's measurement floor
    warm-up       only the first step rises
    slow          real, but under 5 % of the level after warm-up per fold and more than 100 folds from
                  the limit
    growing       real, and at least 5 % per fold or 100 folds or fewer from the limit
    critical      growing, and the limit falls inside the folds planned, or usage is at 80 % of it
    inconclusive  too few folds to tell, said with what would tell

With exactly two steps: growing if both rise and the second is at least half of the first. With three,
two of them after warm-up, no order of three values is rare enough for 95 %: growing only if all three
rise and the last two are within a factor of 2, else inconclusive where they rise at all. A rise that
levels off (every recent step under every early one, and under half of them in the median) is not
growing. Growth across processes is not growth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESOURCES = ("threads", "cgroup_pids", "maps", "rss_bytes")
FLOORS: Mapping[str, float] = {
    "threads": 0.5,
    "cgroup_pids": 0.5,
    "maps": 1.0,
    "rss_bytes": 2.0**20,
}
"""Per fold, what measuring alone can move: half a thread, one map, and the log's unit of 1 MB."""
RELATIVE_GROWTH = 0.05
NEAR_LIMIT_FOLDS = 100
CRITICAL_USAGE = 0.8
CONFIDENCE = 0.95
ISOLATED_SPREAD = 0.05
FOLDS_FOR_INTERVAL = 4
"""After warm-up: of 24 orders of four values one rises throughout, of 6 orders of three one does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What one resource of one process does; in the resource's own unit, per fold where so named."""

    verdict: str
    reason: str
    per_fold: float | None = None
    per_fold_low: float | None = None
    per_fold_high: float | None = None
    first: int | None = None
    last: int | None = None
    peak: int | None = None
    limit: int | None = None
    """None where there is none or none is known."""
    folds_to_limit: float | None = None


@dataclass(frozen=True, slots=True)
class Slope:
    """A slope per fold with its interval."""

    value: float
    low: float
    high: float


def judge(
    series: Mapping[str, Mapping[int, float]],
    *,
    floor: float,
    level_at_end: float | None = None,
    limit: int | None = None,
    folds_planned: int | None = None,
) -> Growth:
    """Judge one resource of one process.

    ``series`` holds, by stage, the value at each fold. ``level_at_end`` is the peak that counts
    against ``limit`` (labelled or between labels). The result has no first, last and peak: those
    are the caller's, who knows the order of the checkpoints.
    """
    folds = sorted({fold for values in series.values() for fold in values})
    steps = max((len(values) for values in series.values()), default=0) - 1
    if steps < 1:
        words = "one fold in this process; two more folds in it would tell"
        if len(folds) > 1:
            words = "no label is the same in two folds, so there is nothing to compare"
        return Growth(verdict="inconclusive", reason=words)
    if steps == 1:
        return Growth(
            verdict="inconclusive",
            reason="one step only, and the first is warm-up; one more fold would tell",
        )
    first_step = median(_first_steps(series))
    if steps == 2:
        slope, reason = _judge_two_steps(series, first_step, floor)
    else:
        slope, reason = _judge_many_steps(series, first_step, floor)
    if reason is not None:
        verdict, words = reason
        return _with_slope(Growth(verdict=verdict, reason=words), slope)
    return _judge_size(
        slope,
        level=_level_after_warm_up(series),
        level_at_end=level_at_end,
        limit=limit,
        folds_left=None if folds_planned is None else folds_planned - folds[-1],
    )


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
        return Growth(verdict="inconclusive", reason="no stage was reached by two folds")
    spread = median(spreads)
    alike = f"a process per fold; at the same stage folds differ by {spread:.1%}"
    if spread <= ISOLATED_SPREAD:
        return Growth(verdict="stable", reason=alike)
    return Growth(verdict="inconclusive", reason=alike + ", which is not growth in any process")


def _first_steps(series: Mapping[str, Mapping[int, float]]) -> list[float]:
    steps = []
    for values in series.values():
        folds = sorted(values)
        if len(folds) > 1:
            steps.append((values[folds[1]] - values[folds[0]]) / (folds[1] - folds[0]))
    return steps


def _judge_two_steps(
    series: Mapping[str, Mapping[int, float]], first: float, floor: float
) -> tuple[Slope, tuple[str, str] | None]:
    seconds = []
    for values in series.values():
        folds = sorted(values)
        if len(folds) > 2:
            seconds.append((values[folds[2]] - values[folds[1]]) / (folds[2] - folds[1]))
    second = median(seconds)
    slope = Slope(second, min(first, second), max(first, second))
    if second < floor:
        if first >= floor:
            return slope, ("warm-up", "only the first step rises")
        return slope, ("stable", "neither step rises")
    if first < floor:
        words = "the second step rises and the first does not; one more fold would tell"
        return slope, ("inconclusive", words)
    if second < first / 2:
        words = "the second step is under half of the first; one more fold would tell"
        return slope, ("inconclusive", words)
    return slope, None


def _judge_many_steps(
    series: Mapping[str, Mapping[int, float]], first: float, floor: float
) -> tuple[Slope, tuple[str, str] | None]:
    warm = [
        [(fold, values[fold]) for fold in sorted(values)[1:]]
        for values in series.values()
        if len(values) > 2
    ]
    slope = seasonal_slope(warm)
    if slope.low > 0 and slope.value >= floor:
        if _levels_off(warm):
            return slope, ("warm-up", "the rise levels off")
        if max(map(len, warm)) < FOLDS_FOR_INTERVAL and not _is_regular(slope, first, floor):
            return slope, (
                "inconclusive",
                "rises unevenly over few folds; one more fold would tell",
            )
        return slope, None
    if slope.value < floor and slope.low > 0:
        words = "rises by less than can be measured"
    elif slope.high < 0:
        words = "falls"
    elif slope.low == slope.high == 0:
        words = "flat"
    else:
        words = "no rise beyond the spread between folds"
    if first >= max(floor, 2 * abs(slope.value)):
        return slope, ("warm-up", f"the first step rises, then {words}")
    return slope, ("stable", words)


def seasonal_slope(seasons: Sequence[Sequence[tuple[float, float]]]) -> Slope:
    """Return Sen's slope of (fold, value) series, one per stage, with its interval.

    Each series needs two points at least and there must be one series. See the module's definition.
    """
    slopes = [sorted(_pair_slopes(points)) for points in seasons]
    intervals = [
        _interval(ordered, len(points)) for ordered, points in zip(slopes, seasons, strict=True)
    ]
    return Slope(
        median(slope for ordered in slopes for slope in ordered),
        median(low for low, _ in intervals),
        median(high for _, high in intervals),
    )


def _pair_slopes(points: Sequence[tuple[float, float]]) -> list[float]:
    return [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for index, earlier in enumerate(points)
        for later in points[index + 1 :]
    ]


def _interval(ordered: Sequence[float], count: int) -> tuple[float, float]:
    """Gilbert (1987) 16.4.2: ranks (N' -+ z sigma) / 2 of the N' sorted slopes, outwards."""
    deviation = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    reach = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * deviation
    low = math.floor((len(ordered) - reach) / 2)
    high = math.ceil((len(ordered) + reach) / 2)
    return ordered[max(low, 0)], ordered[min(high, len(ordered) - 1)]


def _levels_off(seasons: Sequence[Sequence[tuple[float, float]]]) -> bool:
    early, recent = [], []
    for points in seasons:
        half = len(points) // 2
        early += _pair_slopes(points[: half + 1])
        recent += _pair_slopes(points[half:])
    return max(recent) < min(early) and median(recent) < median(early) / 2


def _is_regular(slope: Slope, first: float, floor: float) -> bool:
    """Whether three steps rise, and the two after warm-up are alike."""
    return first >= floor and slope.low >= slope.high / 2


def _level_after_warm_up(series: Mapping[str, Mapping[int, float]]) -> float:
    return median(values[sorted(values)[1]] for values in series.values() if len(values) > 2)


def _judge_size(
    slope: Slope,
    *,
    level: float,
    level_at_end: float | None,
    limit: int | None,
    folds_left: int | None,
) -> Growth:
    relative = slope.value / level if level > 0 else math.inf
    to_limit = usage = None
    if limit is not None and level_at_end is not None:
        to_limit = max(0.0, (limit - level_at_end) / slope.value)
        usage = level_at_end / limit if limit else math.inf
    words = f"rises by {relative:.1%} a fold"
    if to_limit is not None:
        words += f"; at this rate {to_limit:,.0f} folds to the limit"
    is_near = to_limit is not None and to_limit <= NEAR_LIMIT_FOLDS
    verdict = "growing" if relative >= RELATIVE_GROWTH or is_near else "slow"
    if verdict == "growing" and to_limit is not None and usage is not None:
        if usage >= CRITICAL_USAGE:
            verdict, words = "critical", f"{words}; {usage:.0%} of it is used"
        elif folds_left is not None and to_limit < folds_left:
            verdict, words = "critical", f"{words}, and {folds_left} are still planned"
    return _with_slope(Growth(verdict=verdict, reason=words, folds_to_limit=to_limit), slope)


def _with_slope(growth: Growth, slope: Slope) -> Growth:
    return Growth(
        verdict=growth.verdict,
        reason=growth.reason,
        per_fold=slope.value,
        per_fold_low=slope.low,
        per_fold_high=slope.high,
        folds_to_limit=growth.folds_to_limit,
    )
