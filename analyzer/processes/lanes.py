"""Which processes of a run are one after another: those of one rank, one at a time.

Ranks know no rank of their own where nobody set one, as with multiprocessing: several processes that label the same
folds at the same time are each in a lane of their own. In folds that had processes of their own they are matched in
the order of their start, in which they are started for each fold.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.processes.process import Process


class Lane(NamedTuple):
    """Processes of a run that are one after another."""

    host: str
    """Empty where the rank says enough, or folds that have a process each may be on any host."""
    rank: str | None
    number: int
    """Of several that share host and rank, from 0."""


ALONE = Lane("", None, 0)


def lanes_of(processes: Sequence[Process]) -> dict[Lane, list[Process]]:
    """Return the processes of each lane, in the order given."""
    labelled = [process for process in processes if process.checkpoints]
    is_isolated = all(len(process.folds) == 1 for process in labelled)
    ends: dict[tuple[str, str | None], list[dict[int | None, float]]] = {}
    lane_of: dict[int, Lane] = {}
    for process in sorted(processes, key=_began):
        host = process.header.host if process.header else ""
        if is_isolated or process.rank is not None:
            host = ""
        number = _take(process, ends.setdefault((host, process.rank), [{}]))
        lane_of[id(process)] = Lane(host, process.rank, number)
    found: dict[Lane, list[Process]] = defaultdict(list)
    for process in processes:
        found[lane_of[id(process)]].append(process)
    return found


def _take(process: Process, lanes: list[dict[int | None, float]]) -> int:
    """Return the number of the first of ``lanes``, with the ends of their folds, in which nothing ran meanwhile."""
    if not process.checkpoints or process.span is None:
        return 0
    began, ended = process.span
    folds: list[int | None] = [*process.folds] or [None]
    free = (
        number
        for number, lane in enumerate(lanes)
        if all(lane.get(fold, -math.inf) <= began for fold in folds)
    )
    number = next(free, len(lanes))
    if number == len(lanes):
        lanes.append({})
    lanes[number] |= dict.fromkeys(folds, ended)
    return number


def _began(process: Process) -> tuple[float, int, int]:
    ticks = process.header.start_ticks if process.header else None
    return (process.span or (math.inf, 0))[0], ticks or 0, process.pid or 0
