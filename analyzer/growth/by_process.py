"""The growth of a process in every resource: from fold to fold, or over time where no fold tells."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from analyzer.growth.epochs import judge_epochs
from analyzer.growth.odd_one_out import find_odd_ones
from analyzer.growth.over_time import FEWEST_READINGS, judge_over_time
from analyzer.growth.verdict import Growth, Verdict, judge, judge_isolated
from analyzer.growth.what_grew import with_what_grew
from analyzer.logs.known_formats import Kind
from analyzer.processes.lanes import lanes_of, ranks_in
from analyzer.resources import COLUMNS, OF_CHILDREN, RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from analyzer.growth.odd_one_out import OddOne
    from analyzer.processes.process import Process

NOT_RECORDED = Growth(verdict=Verdict.INCONCLUSIVE, reason="not recorded")
_UNJUDGED = {
    Kind.CURRENT: "no fold is named",
    Kind.PEAK: "a peak so far, which is judged from epoch to epoch alone, and no epoch is named",
    Kind.SUMMARY: "the peak of the whole run, which says nothing of growth",
}
"""Why a number that a log prints by itself is not judged by folds."""
NO_FOLD = "no label names a fold (Fold 1/3 ...; in --pattern (?P<fold>...), or (?P<epoch>...))"
FEW_READINGS = f"{NO_FOLD}, and fewer than {FEWEST_READINGS} readings do not tell over time"


def judge_growth(
    processes: Sequence[Process],
) -> Iterator[tuple[Process, dict[str, Growth], Sequence[OddOne]]]:
    """Judge every resource of the processes of a run, and tell what grew as far as is known.

    Yields:
        For each rank, the process that wrote last of those with folds, its growth by resource, and how the rank
        differs from the others.
    """
    lanes = lanes_of(processes)
    odd = find_odd_ones(ranks_in(lanes))
    for lane, found in lanes.items():
        if with_folds := [process for process in found if process.folds]:
            present = max(with_folds, key=_last_time)
            growth = growth_of(present, judge_isolated_folds(with_folds))
            yield present, with_what_grew(growth, present), odd.get(lane, ())


def _last_time(process: Process) -> float:
    return math.inf if process.span is None else process.span[1]


def judge_isolated_folds(with_folds: Sequence[Process]) -> Mapping[str, Growth] | None:
    """Judge growth over the processes; None but where each of several folds had one of its own."""
    if len(with_folds) > 1 and all(len(process.folds) == 1 for process in with_folds):
        names = [name for name in RESOURCES if any(_is_judged(one, name) for one in with_folds)]
        return {name: _judge_isolated(with_folds, name) for name in names}
    return None


def growth_of(process: Process, isolated: Mapping[str, Growth] | None) -> dict[str, Growth]:
    """Judge from fold to fold; ``isolated`` is what its run's folds say, if each had a process of its own."""
    if isolated is None or not process.folds:
        isolated = {name: _judge(process, name) for name in RESOURCES if _is_judged(process, name)}
    return {name: _with_levels(found, process, name) for name, found in isolated.items()}


def _is_judged(process: Process, resource: str) -> bool:
    """Whether a resource is one of a ``[THREADS]`` line, or was recorded besides and says more."""
    if resource in OF_CHILDREN and process.readings.peak("descendants") == 0:
        return False  # the process is its own tree
    return resource in COLUMNS or resource in process.readings.columns


def growth_from_epochs(process: Process, growth: Mapping[str, Growth]) -> dict[str, Growth]:
    """Judge from epoch to epoch, where labels carry epochs."""
    return {
        name: _with_levels(found, process, name)
        for name in growth
        if (found := judge_epochs(process, name, by_fold=growth[name]))
    }


def growth_over_time(
    process: Process, growth: Mapping[str, Growth], epochs: Mapping[str, Growth]
) -> dict[str, Growth]:
    """Judge over time what has no slope from fold to fold, nor from epoch to epoch."""
    return {
        name: _with_levels(found, process, name)
        for name in growth
        if growth[name].slope is None
        and (name not in epochs or epochs[name].slope is None)
        and _is_current(process, name)
        and (found := judge_over_time(process, name))
    }


def _is_current(process: Process, resource: str) -> bool:
    """Whether its readings may fall again: a peak so far is a staircase, which over time is no growth."""
    known = process.formats.get(resource)
    return known is None or known.kind == Kind.CURRENT


def _judge_isolated(processes: Sequence[Process], resource: str) -> Growth:
    series: dict[str, dict[int, float]] = defaultdict(dict)
    for process in processes:
        for stage, values in process.series(resource).items():
            series[stage].update(values)
    return judge_isolated(series) if series else NOT_RECORDED


def _judge(process: Process, resource: str) -> Growth:
    series = process.series(resource)
    if not series and not process.peaks.get(resource):
        return NOT_RECORDED
    limit = process.limit(resource)
    growth = judge(
        series,
        floor=RESOURCES[resource].floor,
        level_at_end=process.peaks.get(resource),
        limit=limit if isinstance(limit, int) else None,
        folds_planned=process.folds_planned,
    )
    if growth.verdict == Verdict.INCONCLUSIVE and not process.folds:
        known = process.formats.get(resource)
        if known is not None:
            return replace(growth, reason=_UNJUDGED[known.kind])
        is_few = len(process.readings.known(resource)) < FEWEST_READINGS
        return replace(growth, reason=FEW_READINGS if is_few else NO_FOLD)
    return growth


def _with_levels(growth: Growth, process: Process, resource: str) -> Growth:
    readings = (
        process.checkpoints if growth.unit == "fold" and process.checkpoints else process.readings
    )
    values = readings.known(resource)
    limit = process.limit(resource)
    return replace(
        growth,
        first=values[0] if values else None,
        last=values[-1] if values else None,
        peak=process.peaks.get(resource),
        limit=limit if isinstance(limit, int) else None,
    )
