"""The growth verdict on a run that still writes: its journals in, `GrowthSnapshot`s out."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from analyzer.formatting import grown_words, odd_words
from analyzer.growth.by_process import NOT_RECORDED, judge_growth
from analyzer.growth.child_growth import judge_children
from analyzer.growth.verdict import Verdict
from analyzer.processes.from_journal import read_journal
from analyzer.runs import split_runs
from telemetry.daemon.daemon import Daemon
from telemetry.errors import InputError
from telemetry.snapshot import GrowthSnapshot, ProcessGrowth
from telemetry.thread_line import clean_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from analyzer.growth.child_growth import ChildGrowth
    from analyzer.growth.verdict import Growth
    from analyzer.processes.from_log import Process

logger = logging.getLogger("foldwatch")

LONGEST_LABEL = 80
"""Characters of the label that a verdict is told to know."""


def judge_run(journals: Sequence[str]) -> tuple[ProcessGrowth, ...]:
    """Judge the run that wrote ``journals``: of each rank the process that wrote last.

    Returns:
        What grows in the children of a process, and one verdict per recorded resource; none of what has no labelled
        reading of a fold.

    Raises:
        OSError: A journal cannot be read.
    """
    *_, processes = split_runs([process for path in journals for process in _processes(path)])
    return tuple(
        ProcessGrowth(
            host=process.header.host if process.header else "",
            pid=process.pid or 0,
            start_ticks=process.last_reading.start_ticks if process.last_reading else None,
            growth=(
                *(one for child in judge_children(process) for one in _of_child(child)),
                *(
                    _snapshot(resource, growth)
                    for resource, growth in found.items()
                    if growth.reason != NOT_RECORDED.reason
                ),
            ),
            odd=tuple(map(odd_words, odd)),
            known_until=clean_label(process.checkpoints.label(-1).text)[:LONGEST_LABEL]
            if process.checkpoints
            else "",
        )
        for process, found, odd in judge_growth(processes)
    )


def _snapshot(resource: str, growth: Growth) -> GrowthSnapshot:
    return GrowthSnapshot(
        resource=resource,
        verdict=growth.verdict,
        reason=growth.reason,
        per_fold=growth.slope,
        folds_to_limit=growth.folds_to_limit,
        grown=tuple(grown_words(growth)),
    )


def _of_child(child: ChildGrowth) -> Iterator[GrowthSnapshot]:
    """Give what grows in a child, each resource once; its slope is told in numbers if it is one from fold to fold."""
    told: set[str] = set()
    for axis in child.axes:
        for resource, growth in axis.items():
            if resource in told:
                continue
            told.add(resource)
            is_by_fold = growth.unit == "fold"
            yield GrowthSnapshot(
                resource=resource,
                verdict=growth.verdict,
                reason=growth.reason,
                per_fold=growth.slope if is_by_fold else None,
                folds_to_limit=growth.folds_to_limit if is_by_fold else None,
                child=child.name,
            )


def worst(growth: Iterable[GrowthSnapshot]) -> tuple[GrowthSnapshot, ...]:
    """Return the worst verdict on each resource, of those of several ranks."""
    found: dict[tuple[str, str], GrowthSnapshot] = {}
    for one in growth:
        key = one.resource, one.child
        found[key] = min(found.get(key, one), one, key=_severity)
    return tuple(found.values())


def _severity(growth: GrowthSnapshot) -> tuple[int, float, float]:
    left = math.inf if growth.folds_to_limit is None else growth.folds_to_limit
    return Verdict(growth.verdict).severity, left, -(growth.per_fold or 0.0)


def growth_so_far(directory: str) -> Callable[[], tuple[GrowthSnapshot, ...]]:
    """Return a function that gives the verdict so far on the run in ``directory``, for one thread to call.

    The function never raises: a verdict is not worth a run. The judging thread starts now; if none can be
    started, the function returns no verdict.
    """
    try:
        daemon = Daemon(directory, judge=judge_run)
    except (RuntimeError, MemoryError):  # can't start new thread: the runner is at a limit itself
        return tuple

    def growth() -> tuple[GrowthSnapshot, ...]:
        try:
            daemon.collect()
        except Exception:
            logger.debug("foldwatch: no verdict on %s this time", directory, exc_info=True)
        return worst(growth for one in daemon.snapshots for growth in one.growth)

    return growth


def _processes(path: str) -> list[Process]:
    try:
        return read_journal(path).processes
    except (InputError, FileNotFoundError):
        return []  # empty, or gone since: the other journals still count
