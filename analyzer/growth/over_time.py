"""Growth over time, or from reading to reading, where neither folds nor epochs tell.

Owns how a record is cut into laps, and what has to hold besides what `verdict.judge` finds.

The record is cut into LAPS stretches of equal time, or of equally many readings where they have no time.
Of each the low point counts, so that a saw-tooth is flat, and the first quarter is warm-up. A rise is
growth if it is all of the following; one that is material only is inconclusive.

    material      a fifth of the level after the first quarter, and 32 measurement floors; or the limit
                  is no further away than the record is long
    steady        every lap rises, and none by under 1/8 of what the largest does: stairs, phases of a
                  run and a value that wanders do not
    lasting       the later half of it rises at least 80 % as fast as the earlier one, and the last twelfth
                  still rises, at a quarter of that rate or more
    long          over five minutes or more
    not a load    (of memory) data is loaded from next to nothing up to its size, so a rise to over four times the
                  level at the start counts only if it goes on for an hour

A phase as long as the record, such as a cache that fills all the while, is like a leak and cannot be told
from one. benchmarks/growth_rates.py measures how often these rules are wrong.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import replace
from itertools import pairwise
from statistics import mean, median
from typing import TYPE_CHECKING, NamedTuple

from analyzer.growth.trend import Trend
from analyzer.growth.verdict import THOUSAND, Axis, Growth, Verdict, judge
from analyzer.resources import RESOURCES
from telemetry.formatting import spell_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from analyzer.processes.process import Process

LAPS = 12
WARM_UP_LAPS = 3
FEWEST_READINGS = 2 * LAPS
LOW_POINT = 0.1
"""The part of a lap's readings that lies under its low point."""
MOST_OF_A_LAP = 1_000
"""Readings; of more, as many evenly spaced ones tell its low point."""
FEWEST_STEPS = LAPS - WARM_UP_LAPS - 1
"""One lap may be without a reading."""
LEAST_SECONDS = 300
LOADING_SECONDS = 3_600
LOADED = 0.75
"""Of the last level: a rise that makes more of it since the first reading may be a load."""
HOURS_FROM, THOUSANDS_FROM = 7_200, 500
"""Seconds and readings from which the larger scale is used: for one of them a slope is next to nothing."""
CAVEAT = "a phase of the run may explain it; label folds or epochs to tell"
_SHARE = 0.2
_FLOORS = 4.0


class _Scale(NamedTuple):
    """What a slope is given for, and how many seconds or readings that is."""

    unit: str
    size: int


_MINUTE, _HOUR = _Scale("minute", 60), _Scale("hour", 3_600)
_READING, _THOUSAND = _Scale("reading", 1), _Scale(THOUSAND, 1_000)


def judge_over_time(process: Process, resource: str) -> Growth | None:
    """Judge one resource over time; None where its readings are too few to be cut into laps.

    Of numbers that a program prints by itself each writer is judged alone, and the worst counts.
    """
    limit = process.limit(resource)
    tables = [process.readings]
    if resource in process.formats:
        tables = process.readings.of_labels(resource)
    judged = [
        judge_readings(
            *table.over_time(resource),
            places=table.places(resource),
            floor=RESOURCES[resource].floor,
            level_at_end=process.peaks.get(resource),
            limit=limit if isinstance(limit, int) else None,
            is_memory=resource.endswith("_bytes"),
        )
        for table in tables
    ]
    return min(filter(None, judged), key=lambda growth: growth.verdict.severity, default=None)


def judge_readings(  # noqa: PLR0913 - a record, and what it is judged by
    values: Sequence[float],
    times: Sequence[float] | None,
    *,
    floor: float,
    places: Sequence[float] | None = None,
    level_at_end: float | None = None,
    limit: int | None = None,
    is_memory: bool = True,
) -> Growth | None:
    """Judge ``values`` in their order, by their ``times`` in seconds, ascending, else by their ``places`` among all."""
    if len(values) < FEWEST_READINGS:
        return None
    is_timed = times is not None and times[-1] > times[0]
    untimed = range(len(values)) if places is None else places
    positions = times if times is not None and is_timed else untimed
    span = positions[-1] - positions[0]
    if is_timed:
        scale = _HOUR if span >= HOURS_FROM else _MINUTE
    else:
        scale = _THOUSAND if span >= THOUSANDS_FROM else _READING
    lap = span / LAPS / scale.size
    lows = {number * lap: low for number, low in _low_points(values, positions)}
    if len(lows) <= FEWEST_STEPS:
        return None
    growth = judge(
        {"": lows},
        floor=floor / lap,
        level_at_end=level_at_end,
        limit=limit,
        axis=Axis(
            unit=scale.unit,
            relative=math.inf,
            altogether=_SHARE,
            fewest=FEWEST_STEPS,
            near=span / scale.size,
            least_floors=_FLOORS,
        ),
    )
    if not growth.verdict.is_alarming:
        return growth
    doubt = _doubt(lows, seconds=span if is_timed else None, is_memory=is_memory)
    if doubt is None and not _rises_at_its_end(values, lows):
        doubt = "no more at its end"
    if doubt is None:
        return replace(growth, reason=f"{growth.reason}; {CAVEAT}")
    return replace(
        growth, verdict=Verdict.INCONCLUSIVE, reason=f"{growth.reason}, but {doubt}; {CAVEAT}"
    )


def _low_points(values: Sequence[float], positions: Sequence[float]) -> Iterator[tuple[int, float]]:
    """Give the low point of each lap with its number, from the last one of the warm-up on."""
    first, span = positions[0], positions[-1] - positions[0]
    laps = range(WARM_UP_LAPS - 1, LAPS)
    starts = [bisect_left(positions, first + number * span / LAPS) for number in laps]
    for number, (start, end) in zip(laps, pairwise([*starts, len(values)]), strict=True):
        part = sorted(values[start : end : (end - start) // MOST_OF_A_LAP or 1])
        if part:
            yield number, part[int(len(part) * LOW_POINT)]


def _rises_at_its_end(values: Sequence[float], lows: Mapping[float, float]) -> bool:
    """Whether the last half of the last lap lies above the half before, by a quarter of what it should.

    Also where noise would hide that: three deviations of a mean, by what the readings differ from one to the next.
    """
    half = max(1, len(values) // (2 * LAPS))
    first, *_, end = lows.values()
    step = (end - first) / (len(lows) - 1) / 2
    last = values[-2 * half :]
    noise = mean(abs(b - a) for a, b in pairwise(last)) / math.sqrt(half)
    return 3 * noise > step / 4 or median(last[half:]) - median(last[:half]) >= step / 4


def _doubt(lows: Mapping[float, float], *, seconds: float | None, is_memory: bool) -> str | None:
    """Say why a material rise may be none that goes on; None where nothing speaks against it."""
    laps = sorted(lows)
    trend = Trend({"": {lap: lows[lap] for lap in laps[1:]}})
    if not trend.is_regular():
        return "not steadily"
    if not trend.keeps_up():
        return "slower and slower"
    if seconds is not None and seconds < LEAST_SECONDS:
        return f"only {spell_duration(seconds)} are recorded"
    made = trend.slope().value * laps[-1] / lows[laps[-1]]
    if is_memory and made > LOADED and (seconds is None or seconds < LOADING_SECONDS):
        return f"that makes {made:.0%} of its level, as loading data does"
    return None
