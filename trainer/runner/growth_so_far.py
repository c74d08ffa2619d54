"""The growth verdict on a run that still writes: its journals in, `GrowthSnapshot`s out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from analyzer.formatting import grown_words
from analyzer.growth.child_growth import judge_children
from analyzer.pipeline import NOT_RECORDED, judge_growth
from analyzer.processes.from_journal import read_journal
from analyzer.runs import split_runs
from telemetry.daemon.daemon import Daemon
from telemetry.errors import InputError
from telemetry.snapshot import GrowthSnapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from analyzer.growth.child_growth import ChildGrowth
    from analyzer.processes.from_log import Process

logger = logging.getLogger("foldwatch")


def judge_run(journals: Sequence[str]) -> tuple[GrowthSnapshot, ...]:
    """Judge the run that wrote ``journals``, by the process that wrote last.

    Returns:
        What grows in child processes, and one verdict per recorded resource; none if there is no labelled reading of a fold.

    Raises:
        OSError: A journal cannot be read.
    """
    *_, processes = split_runs([process for path in journals for process in _processes(path)])
    with_folds = [process for process in processes if process.folds]
    if not with_folds:
        return ()
    present = max(with_folds, key=_last_time)
    of_children = (one for child in judge_children(present) for one in _of_child(child))
    return *of_children, *(
        GrowthSnapshot(
            resource=resource,
            verdict=growth.verdict,
            reason=growth.reason,
            per_fold=growth.slope,
            folds_to_limit=growth.folds_to_limit,
            grown=tuple(grown_words(growth)),
        )
        for resource, growth in judge_growth(present, with_folds).items()
        if growth.reason != NOT_RECORDED.reason
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
        return next((one.growth for one in daemon.snapshots if one.growth), ())

    return growth


def _processes(path: str) -> list[Process]:
    try:
        return read_journal(path).processes
    except (InputError, FileNotFoundError):
        return []  # empty, or gone since: the other journals still count


def _last_time(process: Process) -> float:
    return process.last_reading.time if process.last_reading else 0.0
