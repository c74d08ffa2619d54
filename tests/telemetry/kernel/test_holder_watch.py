"""When who holds a limit is looked at: as it becomes near, as it becomes critical, then once a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from telemetry.kernel import holder_watch
from telemetry.kernel.holder_watch import HolderWatch
from tests.support.builders import holders, reading

if TYPE_CHECKING:
    from telemetry.reading import Reading


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.cost = 0.0

    def __call__(self) -> float:
        return self.now

    def look(self, *_: Any, **__: Any) -> list[Any]:
        """Take as long as a look is to take."""
        self.now += self.cost
        return []


def at(used: int) -> Reading:
    return reading(None, cgroup_pids=used, limits={"pids_cgroup": 100})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(holder_watch, "read_holders", clock.look)
    return clock


def looks(watch: HolderWatch, clock: Clock, levels: list[tuple[float, int]]) -> list[float]:
    """Give readings at these times and levels; return the times at which it looked."""
    times = []
    for now, used in levels:
        clock.now = now
        if due := watch.due(at(used)):
            watch.look(at(used), due)
            times.append(now)
    return times


def test_each_threshold_has_a_look_and_then_a_minute_has_one(clock: Clock) -> None:
    """What swings around a threshold is looked at no oftener."""
    watch = HolderWatch(clock=clock)
    levels = [(0.0, 80), (1.0, 81), (2.0, 94), (3.0, 96), (4.0, 90), (5.0, 97), (6.0, 81)]
    assert looks(watch, clock, levels) == [1.0, 3.0]
    assert looks(watch, clock, [(62.9, 97), (63.0, 97), (64.0, 99), (122.0, 99)]) == [63.0]


def test_a_look_that_is_dear_is_taken_less_often(clock: Clock) -> None:
    """A thousandth of the time at most, but for the first ones."""
    clock.cost = 0.25
    watch = HolderWatch(clock=clock)
    assert looks(watch, clock, [(0.0, 96), (61.0, 96), (249.0, 96), (251.0, 96)]) == [0.0, 251.0]


def test_what_another_has_looked_at_is_not_looked_at_again(clock: Clock) -> None:
    """Until it is critical."""
    watch = HolderWatch(clock=clock)
    watch.note(holders(used=81, most=100))
    assert looks(watch, clock, [(101.0, 94), (102.0, 96)]) == [102.0]


@pytest.mark.parametrize(
    "one",
    [
        reading(None, maps=99, limits={"max_map_count": 100}),
        reading(None, user_tasks=99, is_exempt_from_nproc=True, limits={"nproc": 100}),
        reading(None, cgroup_memory_bytes=99, limits={"cgroup_memory": 100}),
        reading(None),
    ],
)
def test_what_has_no_holder_or_no_known_use_is_not_looked_at(clock: Clock, one: Reading) -> None:
    """Maps are of one process; root is exempt; page cache that cannot be told apart is no use."""
    assert HolderWatch(clock=clock).due(one) == []
