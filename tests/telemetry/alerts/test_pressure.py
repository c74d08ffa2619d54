"""Pressure: a share that lasts for minutes is told, bursts and a training that uses every core are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from telemetry.alerts.engine import AlertEngine
from telemetry.snapshot import FoldSnapshot, FoldState
from tests.support.builders import NOW, reading, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.alerts.alert import Alert


def told(
    stalled: Callable[[int], dict[str, float]], *, minutes: int = 15, **values: Any
) -> list[Alert]:
    """Return the alerts over some minutes, by the time stalled at each second."""
    found: list[Alert] = []
    engine = AlertEngine(found.append)
    known = {"stage": None, "cgroup": "/a", "pressure_scope": "cgroup"} | values
    for second in range(0, minutes * 60, 3):
        latest = reading(1, NOW + second, pressure_seconds=stalled(second), **known)
        fold = FoldSnapshot(fold=1, state=FoldState.RUNNING, latest=latest)
        engine.observe([snapshot(fold)], NOW + second)
    return found


@pytest.mark.parametrize(
    "stalled",
    [
        pytest.param(lambda s: {"memory_full": min(s, 15)}, id="a burst of 15 s"),
        pytest.param(lambda s: {"memory_full": s // 120 * 8}, id="8 s every two minutes"),
        pytest.param(lambda s: {"memory_some": 0.3 * s}, id="page cache that is read again"),
        pytest.param(lambda s: {"io_full": 0.4 * s}, id="data from a disk"),
        pytest.param(lambda s: {"cpu_some": 1.0 * s}, id="more threads than cores"),
        pytest.param(lambda s: {"memory_full": 1e9 * (s == 300)}, id="counters that go back"),
        pytest.param(lambda _: {}, id="none"),
    ],
)
def test_no_false_alarm(stalled: Callable[[int], dict[str, float]]) -> None:
    """A quarter of an hour of each."""
    assert told(stalled) == []


@pytest.mark.parametrize(
    ("counter", "share", "words"),
    [
        ("memory_full", 0.2, "every task of this cgroup waited for memory for 20%"),
        ("memory_some", 0.6, "some task of this cgroup waited for memory for 60%"),
        ("io_full", 0.7, "every task of this cgroup waited for storage for 70%"),
        ("cpu_full", 0.4, "every task of this cgroup waited for CPU for 40%"),
    ],
)
def test_what_lasts_is_told_once_with_its_advice(counter: str, share: float, words: str) -> None:
    """After three minutes and one more; it says whose it is."""
    (alert,) = told(lambda second: {counter: share * second})
    assert alert.summary == f"{words} of the last 3 min"
    assert alert.labels["resource"] == counter.partition("_")[0]
    assert alert.labels["scope"] == "cgroup"
    assert 240 <= alert.began - NOW <= 250


def test_it_ends_five_minutes_after_it_was_seen_last() -> None:
    """What swings around its threshold is one episode."""
    _, end = told(lambda second: {"memory_full": 0.3 * min(second, 600)}, minutes=30)
    assert end.ended is not None
    assert end.ended > NOW + 600 + 300


def test_the_host_s_is_said_to_be_so() -> None:
    """Neighbours may make it."""
    (alert,) = told(lambda second: {"memory_full": 0.3 * second}, pressure_scope="host")
    assert "of the host, of which neighbours may be a part" in alert.summary


def test_another_cgroup_s_counters_are_begun_anew() -> None:
    """They have other totals."""
    found: list[Alert] = []
    engine = AlertEngine(found.append)
    for second in range(0, 900, 3):
        latest = reading(
            1,
            NOW + second,
            stage=None,
            cgroup=f"/{second // 120}",
            pressure_scope="cgroup",
            pressure_seconds={"memory_full": 0.5 * second},
        )
        fold = FoldSnapshot(fold=1, state=FoldState.RUNNING, latest=latest)
        engine.observe([snapshot(fold)], NOW + second)
    assert found == []
