"""Which processes of a run are one after another: those of one rank, one at a time.

Ranks know no rank of their own where nobody set one, as with multiprocessing: processes that label the same folds in
turns are each in a lane of their own. In folds that had processes of their own they are matched in the order of their
start, in which they are started for each fold. A retried or resumed fold is one after another, on whatever host, also
where clocks overlap: within one journal the order of the records tells who was first.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.processes.process import Process

MOST_LANES = 1024
"""Of one rank; what else runs at the same time is put with the first ones."""


class Lane(NamedTuple):
    """Processes of a run that are one after another."""

    rank: str | None
    number: int
    """Of several that share a rank, or have none, from 0."""


ALONE = Lane(None, 0)


class _Stretch(NamedTuple):
    """Where in its journal, and when, a process wrote its labels."""

    source: str
    first: int
    last: int
    began: float
    ended: float

    def overlaps(self, other: _Stretch) -> bool:
        """Whether both wrote labels at the same time."""
        if self.source == other.source:
            return self.first < other.last and other.first < self.last
        return self.began < other.ended and other.began < self.ended


def lanes_of(processes: Sequence[Process]) -> dict[Lane, list[Process]]:
    """Return the processes of each lane, in the order given."""
    lanes_by_rank: dict[str | None, list[dict[int | None, _Stretch]]] = {}
    lane_of: dict[int, Lane] = {}
    for process in sorted(processes, key=_began):
        number = _take(process, lanes_by_rank.setdefault(process.rank, [{}]))
        lane_of[id(process)] = Lane(process.rank, number)
    found: dict[Lane, list[Process]] = defaultdict(list)
    for process in processes:
        found[lane_of[id(process)]].append(process)
    return found


def ranks_in(lanes: Mapping[Lane, list[Process]]) -> dict[Lane, list[Process]]:
    """Return the lanes of numbered ranks, which do the same work; a parameter server or a job of a sweep does its own.

    So does an evaluation that has a rank's number by its environment: of two at once with one number the first counts.
    """
    return {
        lane: found
        for lane, found in lanes.items()
        if lane.number == 0 and lane.rank is not None and lane.rank.removeprefix("rank").isdigit()
    }


def _take(process: Process, lanes: list[dict[int | None, _Stretch]]) -> int:
    """Return the number of the first of ``lanes`` in which nothing labelled its folds meanwhile."""
    table = process.checkpoints
    # A reading without its process's start is of one that is known, which could not read it.
    is_known = process.last_reading is None or process.last_reading.start_ticks is not None
    if not table or not is_known or math.isnan(table.times[0]):
        return 0
    own = _Stretch(process.source, table.lines[0], table.lines[-1], table.times[0], table.times[-1])
    folds: list[int | None] = [*process.folds] or [None]
    free = (
        number
        for number, lane in enumerate(lanes)
        if not any(fold in lane and own.overlaps(lane[fold]) for fold in folds)
    )
    number = next(free, len(lanes))
    if number == MOST_LANES:
        return 0
    if number == len(lanes):
        lanes.append({})
    lanes[number] |= dict.fromkeys(folds, own)
    return number


def _began(process: Process) -> tuple[float, int, int]:
    ticks = process.header.start_ticks if process.header else None
    return (process.span or (math.inf, 0))[0], ticks or 0, process.pid or 0
