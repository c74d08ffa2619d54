"""`BoxRing`: what was seen at each look, in memory of a fixed size: the oldest makes room for the newest."""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING, NamedTuple

from telemetry.limits import USED_BY
from telemetry.reading import ChildUsage, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from telemetry.kernel.quick_look import Counters
    from telemetry.reading import Limit

ROWS = 4096
"""A minute of looks at 68 a second, in half a megabyte."""
ABSENT = -1


class BoxRow(NamedTuple):
    """One look, in whole numbers; what is not known is ABSENT."""

    microseconds: int
    """Since the epoch."""
    pid: int
    start_ticks: int
    threads: int
    rss_bytes: int
    virtual_bytes: int
    maps: int
    cgroup_pids: int
    cgroup_memory_bytes: int
    child_pid: int
    child_start_ticks: int
    child_threads: int
    child_rss_bytes: int
    child_maps: int


_ROW = struct.Struct(f"{len(BoxRow._fields)}q")


class Seen(NamedTuple):
    """One process at one look."""

    identity: tuple[int, int | None]
    counters: Counters
    maps: int | None


class BoxRing:
    """Rows that one thread appends and another one reads at the end."""

    def __init__(self, rows: int = ROWS) -> None:
        self._values = bytearray(_ROW.size * rows)
        self._rows, self._count = rows, 0
        self._lock = threading.Lock()

    def append(
        self,
        own: Seen,
        child: Seen | None,
        *,
        at: float,
        pids: int | None,
        memory_bytes: int | None,
    ) -> None:
        """Take a look at a process, its child and its cgroups, ``at`` so many seconds since the epoch."""
        values = [int(at * 1e6), *own.identity, own.counters.threads]
        values += own.counters.rss_bytes, own.counters.virtual_bytes, own.maps, pids, memory_bytes
        if child is None:
            values += [None] * 5
        else:
            values += *child.identity, child.counters.threads, child.counters.rss_bytes, child.maps
        row = [ABSENT if value is None else value for value in values]
        with self._lock:
            _ROW.pack_into(self._values, self._count % self._rows * _ROW.size, *row)
            self._count += 1

    def rows(self) -> Iterator[BoxRow]:
        """Give what there is, the oldest first."""
        with self._lock:
            values, count = bytes(self._values), self._count
        for number in range(max(0, count - self._rows), count):
            yield BoxRow(*_ROW.unpack_from(values, number % self._rows * _ROW.size))


def readings_of(
    rows: Iterator[BoxRow],
    *,
    limits: Mapping[str, Limit],
    roles: Mapping[tuple[int, int | None], str],
) -> Iterator[Reading]:
    """Make readings of rows; of those that say the same, the first and the last."""
    before: BoxRow | None = None
    is_told = True
    for row in rows:
        if before is not None and row[1:] == before[1:]:
            before, is_told = row, False
            continue
        if before is not None and not is_told:
            yield _reading(before, limits, roles)
        yield _reading(row, limits, roles)
        before, is_told = row, True
    if before is not None and not is_told:
        yield _reading(before, limits, roles)


def _reading(
    row: BoxRow, limits: Mapping[str, Limit], roles: Mapping[tuple[int, int | None], str]
) -> Reading:
    known = {name: value for name, value in row._asdict().items() if value != ABSENT}
    seconds = known.pop("microseconds") / 1e6
    of_child = {
        name.removeprefix("child_"): known.pop(name) for name in [*known] if name[:6] == "child_"
    }
    of_own = {name: limit for name, limit in limits.items() if USED_BY.get(name) in known}
    return Reading(
        time=seconds,
        **known,
        limits=of_own,
        children=(_child(of_child, limits, roles),) if of_child else None,
    )


def _child(
    known: dict[str, int],
    limits: Mapping[str, Limit],
    roles: Mapping[tuple[int, int | None], str],
) -> ChildUsage:
    role = roles.get((known["pid"], known.get("start_ticks")), "child")
    of_maps = {name: limits[name] for name in ("max_map_count",) if name in limits}
    return ChildUsage(role=role, **known, limits=of_maps)
