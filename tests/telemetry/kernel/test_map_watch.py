"""Memory maps are counted when there may be many more of them, and otherwise as rarely as the budget says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

import pytest

from telemetry.kernel.map_watch import MapWatch
from telemetry.kernel.quick_look import Counters, QuickLook, parse_counters
from telemetry.kernel.read_budget import SavedBudget
from telemetry.kernel.syscalls import Buffer

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 65_530
STATUS = b"""Name:\tVmSize: 1 kB
State:\tS (sleeping)
VmPeak:\t  250000 kB
VmSize:\t  240000 kB
VmRSS:\t   11000 kB
RssAnon:\t   4000 kB
VmPTE:\t     568 kB
VmSwap:\t       0 kB
Threads:\t36
SigQ:\t0/96364
"""


class Maps:
    """A process with a number of maps that a test sets, whose counts take a microsecond each."""

    def __init__(self, clock: Clock) -> None:
        self.number, self.counts, self._clock = 100, 0, clock

    def count_maps(self) -> int | None:
        self.counts += 1
        self._clock.cost += self.number * 1e-6
        return self.number


class Clock:
    """The time and the CPU time of a test."""

    def __init__(self) -> None:
        self.now, self.cost = 0.0, 0.0


def made(
    *, share: float = 0.001, capacity: float = 0.2
) -> tuple[Maps, Clock, Callable[..., int | None]]:
    """Give a process, the clock, and the look at it at a size in pages."""
    clock = Clock()
    maps = Maps(clock)
    budget = SavedBudget(
        share=share, capacity=capacity, clock=lambda: clock.now, cost_clock=lambda: clock.cost
    )
    watch = MapWatch(cast("QuickLook", maps), budget=budget, clock=lambda: clock.now)

    def look(pages: int, page_table_bytes: int = 0) -> int | None:
        return watch.count(Counters(pages * 4096, 0, page_table_bytes, 1), limit=LIMIT)

    return maps, clock, look


def test_a_size_that_stays_is_counted_now_and_then() -> None:
    """Once a second while maps are few; a change of protection splits them and changes no size."""
    maps, clock, look = made()
    for number in range(1000):
        clock.now = 1.0 + number / 100
        look(5_000)
    assert 9 <= maps.counts <= 11


def test_a_size_that_comes_and_goes_is_counted_at_its_height_once() -> None:
    """A training that takes a gigabyte for each step and gives it back."""
    maps, clock, look = made()
    maps.number = 60_000
    for number in range(1000):
        clock.now = 1.0 + number / 100
        look(300_000 if number % 2 else 5_000)
    assert maps.counts <= 5
    assert clock.cost <= 0.2 + 0.001 * 10 + 0.06


def test_a_burst_is_counted_along_its_way_to_the_limit() -> None:
    """With half of what is left between two counts, and at the limit itself when it stays there."""
    maps, clock, look = made()
    counts = []
    for number in range(250):
        clock.now = 1.0 + number / 100
        maps.number = min(LIMIT, 100 + 330 * number)
        if (count := look(5_000 + maps.number)) is not None:
            counts.append(count)
    assert counts == sorted(counts)
    assert len(counts) >= 4
    assert counts[-1] >= 0.8 * LIMIT
    rich = made(capacity=2.0)
    for number in range(250):
        rich[1].now = 1.0 + number / 100
        rich[0].number = min(LIMIT, 100 + 330 * number)
        count = rich[2](5_000 + rich[0].number)
        counts = [*counts, count] if count is not None else counts
    assert counts[-1] == LIMIT


def test_a_burst_that_changes_no_size_is_followed_by_its_rate() -> None:
    """As far as two counts tell it."""
    maps, clock, look = made(capacity=2.0)
    counts = []
    for number in range(400):
        clock.now = 1.0 + number / 100
        maps.number = min(LIMIT, 100 + 200 * number)
        if (count := look(5_000)) is not None:
            counts.append(count)
    assert len(counts) >= 6
    assert counts[-1] == LIMIT


def test_page_tables_that_grow_stand_for_maps_that_were_reserved_before() -> None:
    """A table of 4 KiB holds 512 pages."""
    maps, clock, look = made()
    clock.now = 1.0
    assert look(10**6) == 100
    clock.now = 1.1
    assert look(10**6) is None
    assert look(10**6, page_table_bytes=40_000 * 8) == 100
    assert maps.counts == 2


def test_without_a_budget_nothing_is_counted() -> None:
    """Whatever the sizes do; the last count may be over it."""
    maps, clock, look = made(share=0.0, capacity=0.01)
    maps.number = 60_000
    for number in range(1000):
        clock.now = 1.0 + number / 100
        look(5_000 * number)
    assert maps.counts == 1


def test_counters_are_those_of_the_kernel() -> None:
    """Not of a name that looks like one; a zombie has none."""
    assert parse_counters(STATUS) == Counters(240000 * 1024, 11000 * 1024, 568 * 1024, 36)
    assert parse_counters(b"Name:\tx\nState:\tZ (zombie)\nThreads:\t1\n") is None


def test_a_process_is_looked_at_and_its_maps_are_counted() -> None:
    """Here this one."""
    look = QuickLook(os.getpid(), patient=Buffer(65536, gives_way=True))
    found, count = look.read(), look.count_maps()
    look.close()
    assert found is not None
    assert found.virtual_bytes > found.rss_bytes > 0 < found.page_table_bytes
    with open("/proc/self/maps", "rb") as file:
        lines = sum(b"[vsyscall]" not in line for line in file)
    assert count == pytest.approx(lines, abs=50)
