"""`LastMinute`: the last minute of a process that died, as it lies beside its journal; and the bursts in it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from telemetry.errors import InputError
from telemetry.journal.atomic_write import is_regular
from telemetry.journal.follower import JournalFollower
from telemetry.journal.run_layout import BLACK_BOX, JOURNAL, RunLayout, fold_of
from telemetry.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from telemetry.reading import ChildUsage

LARGEST_BYTES = 16 * 2**20
MOST_READINGS = 10_000
AT_END_SECONDS = 5.0
"""A burst that was over so long before the end has another reason than the end."""
FOOT = 0.05
"""Of a rise, that belongs to what was before it."""
LEAST = {
    "threads": 100,
    "cgroup_pids": 100,
    "maps": 1_000,
    "rss_bytes": 2**28,
    "cgroup_memory_bytes": 2**28,
    "virtual_bytes": 2**30,
}
"""By resource, the least rise that is a burst; a library that loads makes smaller ones."""
OF_A_CHILD = ("threads", "maps", "rss_bytes")
_CLOCK_SECONDS = 1.0
"""By how much the last look may seem to be later than the end."""


class Burst(NamedTuple):
    """A rise to the highest value of the last minute, near the end."""

    resource: str
    child: str | None
    """Role and PID of the child whose it is; None for the process itself."""
    first: int
    last: int
    seconds: float
    seconds_before_end: float
    """How long before the end the highest value was read."""

    @property
    def per_second(self) -> float:
        """How fast it rose."""
        return (self.last - self.first) / max(self.seconds, 0.01)


@dataclass(frozen=True, slots=True)
class LastMinute:
    """The readings of one process in its last minute, in their order."""

    readings: Sequence[Reading]
    ended: float

    def burst(self, resource: str) -> Burst | None:
        """Return the burst of a resource, in the process or else in one of its children; None without one."""
        found = self._burst(resource, None)
        if found is not None or resource not in OF_A_CHILD:
            return found
        children = {child.name for one in self.readings for child in one.children or ()}
        bursts = [one for child in children if (one := self._burst(resource, child)) is not None]
        return max(bursts, key=lambda one: one.last, default=None)

    def bursts(self) -> list[Burst]:
        """Return the bursts of all resources."""
        return [found for resource in LEAST if (found := self.burst(resource)) is not None]

    def series(self, resource: str, child: str | None) -> list[tuple[float, int]]:
        """Return time and value of each reading that has the resource."""
        pairs = ((one.time, _value(one, resource, child)) for one in self.readings)
        return [(time, value) for time, value in pairs if value is not None]

    def _burst(self, resource: str, child: str | None) -> Burst | None:
        series = self.series(resource, child)
        if not series:
            return None
        top = max(range(len(series)), key=lambda place: series[place][1])
        peaked, last = series[top]
        low = min(value for _, value in series[: top + 1])
        foot = low + FOOT * (last - low)
        began, first = next(point for point in reversed(series[: top + 1]) if point[1] <= foot)
        before = max(0.0, self.ended - peaked)
        if last - first < LEAST[resource] or last < 2 * first or before > AT_END_SECONDS:
            return None
        return Burst(resource, child, first, last, peaked - began, before)


def _value(reading: Reading, resource: str, child: str | None) -> int | None:
    subject: Reading | ChildUsage | None = reading
    if child is not None:
        subject = next((one for one in reading.children or () if one.name == child), None)
    value: int | None = getattr(subject, resource, None)
    return value


def read_black_box(
    journal: str, folds: Sequence[int], *, is_of: Callable[[Reading], bool], ended: float
) -> LastMinute | None:
    """Return the last minute of the process whose readings ``is_of`` knows, which ``ended`` then; None without one.

    It lies beside the journal; of a process that runs several folds, in the directory of the one that it died in. A file
    that cannot be read counts as none: the end is judged without it.
    """
    if os.path.basename(journal) != JOURNAL:
        return None
    for path in _places(journal, folds):
        with suppress(OSError, InputError):
            if is_regular(path) and os.path.getsize(path) <= LARGEST_BYTES:
                records = islice(JournalFollower(path).stream_to_end(), MOST_READINGS)
                found = [
                    one
                    for one in records
                    if isinstance(one, Reading)
                    and is_of(one)
                    and one.time <= ended + _CLOCK_SECONDS
                ]
                if found:
                    return LastMinute(sorted(found, key=lambda one: one.time), ended)
    return None


def _places(journal: str, folds: Sequence[int]) -> Iterator[str]:
    folder = os.path.dirname(journal)
    yield os.path.join(folder, BLACK_BOX)
    if fold_of(journal) is None and folds:
        yield os.path.join(RunLayout(folder).fold_dir(folds[-1]), BLACK_BOX)
