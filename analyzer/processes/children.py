"""The child processes of one process, as the readings of its journal tell of them.

Of children that last for one fold only, the first
one of a role is held against the first one of that role in the next fold, and so on.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from analyzer.logs.label_budget import LabelBudget
from analyzer.processes.checkpoints import Checkpoint, CheckpointTable, raise_peaks
from telemetry.limits import USED_BY
from telemetry.reading import OWN_LIMITS, LimitState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.reading import ChildUsage, Reading

MOST_CHILDREN = 200
"""Of one process; the one that was read longest ago makes place for another."""
MOST_PLACES = 50
"""Roles with their numbers in a fold."""
LIMIT_OF = {"threads": None, "maps": "max_map_count", "rss_bytes": None, "open_fds": "open_files"}
"""The resources of a child that are judged, each with the limit that every process has for itself."""


@dataclass(slots=True)
class ChildRecord:
    """The readings of one child; or of one in each fold, each in the same place among those of its role."""

    role: str
    pid: int | None
    """None if there is another process in each fold."""
    checkpoints: CheckpointTable
    """Its labelled readings."""
    samples: CheckpointTable
    """All of its readings."""
    peaks: dict[str, int] = field(default_factory=dict)
    """By resource, the highest value."""
    gone_by: float | None = None
    """When the first reading without it was taken, in seconds since the epoch; None if there is none."""
    fold_of: dict[tuple[int, int | None], int | None] = field(default_factory=dict)
    """By PID and start, the fold in which it was read last."""
    has_lasted: bool = False
    """Whether one process was read in several folds."""

    def take(self, child: ChildUsage, sample: Checkpoint) -> None:
        """Take a reading, and its values as a peak."""
        fold, identity = sample.label.fold, child.identity
        known = self.fold_of.get(identity)
        self.has_lasted |= known is not None and fold != known
        if len(self.fold_of) < MOST_CHILDREN:
            self.fold_of[identity] = fold
        self.gone_by = None
        if not self.samples or self.samples.times[-1] != sample.time:  # else told once more
            self.samples.append(sample)
        if sample.label.text:
            self.checkpoints.append(sample)
        raise_peaks(self.peaks, sample.values)

    def rise_at(self, resource: str, time: float) -> tuple[float, float | None]:
        """Return how ``resource`` rose until its value at ``time``, in seconds since the epoch, and when that ended.

        That is by how much in a second since the value before, 0.0 if that is not known; and when the next value was
        read, or the first reading without it, None if there was neither.
        """
        values, times = self.samples.over_time(resource)
        if times is None or time not in times:
            return 0.0, self.gone_by
        place = bisect_left(times, time)
        after = times[place + 1] if place + 1 < len(times) else self.gone_by
        if not place or times[place] <= times[place - 1]:
            return 0.0, after
        return (values[place] - values[place - 1]) / (times[place] - times[place - 1]), after


class FullestChild(NamedTuple):
    """The child that was nearest to a limit of its own, at the reading that says so."""

    time: float
    """Seconds since the epoch."""
    usage: ChildUsage
    record: ChildRecord


class Children:
    """The children of one process."""

    def __init__(self) -> None:
        self.fullest: dict[str, FullestChild] = {}
        """By limit, of OWN_LIMITS."""
        self._fullest_ratio: dict[str, float] = {}
        self._known: dict[tuple[int, int | None], ChildRecord] = {}
        """By PID and start, the one that was read last comes last."""
        self._places: dict[tuple[str, int], ChildRecord] = {}
        """By role and place among those of the role, by their start."""
        self._budget = LabelBudget()

    def take(self, reading: Reading, of_parent: Checkpoint) -> None:
        """Take the children of a reading; ``of_parent`` has its label."""
        if reading.children is None:
            return
        time = reading.time if reading.children_time is None else reading.children_time
        for record in reversed(self._known.values()):
            if record.gone_by is not None:
                break
            record.gone_by = reading.time
        number: dict[str, int] = defaultdict(int)
        for child in sorted(
            reading.children, key=lambda child: (child.start_ticks or 0, child.pid)
        ):
            sample = _sample(child, of_parent, time)
            number[child.role] += 1
            record = self._record(child)
            record.take(child, sample)
            self._note_fullest(time, child, record)
            if sample.label.text and (there := self._there(child.role, number[child.role])):
                there.take(child, sample)

    def note_fullest(self, reading: Reading) -> None:
        """Note how near the known ones of its children are to their limits, and take nothing else of it."""
        for child in reading.children or ():
            if (record := self._known.get(child.identity)) is not None:
                self._note_fullest(reading.time, child, record)

    def __iter__(self) -> Iterator[ChildRecord]:
        """Give those of which there is more than one fold, or no fold; then the places that change hands at each fold."""
        yield from self._known.values()
        for record in self._places.values():
            if len(record.fold_of) > 1 and not record.has_lasted:
                yield record

    def _record(self, child: ChildUsage) -> ChildRecord:
        identity = child.identity
        record = self._known.pop(identity, None)
        if record is None:
            if len(self._known) >= MOST_CHILDREN:
                del self._known[next(iter(self._known))]
            record = self._new(child.role, child.pid)
        record.role = child.role  # of one that has just been forked it is its parent's at first
        self._known[identity] = record
        return record

    def _there(self, role: str, number: int) -> ChildRecord | None:
        """Return the record of whichever child has that place; None if there are too many places."""
        record = self._places.get((role, number))
        if record is None and len(self._places) < MOST_PLACES:
            record = self._places[role, number] = self._new(role)
        return record

    def _new(self, role: str, pid: int | None = None) -> ChildRecord:
        return ChildRecord(role, pid, CheckpointTable(self._budget), CheckpointTable(self._budget))

    def _note_fullest(self, time: float, child: ChildUsage, record: ChildRecord) -> None:
        for name, limit in child.limits.items():
            used = getattr(child, USED_BY[name]) if name in OWN_LIMITS else None
            if used is None or not isinstance(limit, int) or not (used or limit):
                continue
            ratio = used / limit if limit else math.inf
            if ratio >= self._fullest_ratio.get(name, 0.0):
                self._fullest_ratio[name] = ratio
                self.fullest[name] = FullestChild(time, child, record)


def _sample(child: ChildUsage, of_parent: Checkpoint, time: float) -> Checkpoint:
    limits = {
        name: child.limits.get(limit, LimitState.UNREADABLE)
        for name, limit in LIMIT_OF.items()
        if limit is not None
    }
    if "rss_bytes" in of_parent.limits:
        limits["rss_bytes"] = of_parent.limits["rss_bytes"]
    return Checkpoint(
        line=of_parent.line,
        time=time,
        label=of_parent.label,
        values={name: getattr(child, name) for name in LIMIT_OF},
        limits=limits,
    )
