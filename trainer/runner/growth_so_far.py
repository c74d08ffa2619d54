"""The verdict so far on a run that is still writing: journals in, `GrowthSnapshot`s out.

Owns which process of a run is the present one. It must not know who shows the verdict.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from analyzer.pipeline import NOT_RECORDED, judge_growth
from analyzer.processes.from_journal import read_journal
from telemetry.daemon.daemon import Daemon
from telemetry.errors import InputError
from telemetry.snapshot import GrowthSnapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from analyzer.processes.from_log import Process

logger = logging.getLogger("foldwatch")


def judge_run(journals: Sequence[str]) -> tuple[GrowthSnapshot, ...]:
    """Judge the run that wrote ``journals``, by its present process; nothing where nothing is labelled.

    Raises OSError where a journal cannot be read.
    """
    processes = [process for path in journals for process in _processes(path)]
    with_folds = [process for process in processes if process.folds]
    if not with_folds:
        return ()
    present = max(with_folds, key=_last_time)
    return tuple(
        GrowthSnapshot(
            resource=resource,
            verdict=growth.verdict,
            reason=growth.reason,
            per_fold=growth.slope,
            folds_to_limit=growth.folds_to_limit,
        )
        for resource, growth in judge_growth(present, with_folds).items()
        if growth.reason != NOT_RECORDED.reason
    )


def growth_so_far(directory: str) -> Callable[[], tuple[GrowthSnapshot, ...]]:
    """Return what gives the verdict so far on the run in ``directory``, for one thread to call.

    For a runner, which knows all but that. It never raises: a verdict is not worth a run. What judges
    has its thread from now on; where there can be none, there is no verdict.
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
        return []  # nothing in it yet, or gone since: the other journals still say what they say


def _last_time(process: Process) -> float:
    return process.last_reading.time if process.last_reading else 0.0
