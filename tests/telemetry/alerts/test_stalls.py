"""Hangs: false alarms first, then what is said, of which rank, and when it ends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.healthy_stages import KINDS, Kind, alarms
from telemetry.alerts.engine import AlertEngine
from telemetry.journal.records import Event
from telemetry.journal.stall_record import EVENT, odd_of
from telemetry.snapshot import FoldSnapshot, FoldState, Snapshot
from tests.support.builders import NOW, exited, reading, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from telemetry.alerts.alert import Alert

USUAL = 60


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.works.__name__)
def test_a_slow_stage_that_is_healthy_is_no_stall(kind: Kind) -> None:
    """One of each kind; benchmarks.healthy_stages has 200."""
    assert alarms(kind, 1) == []


def hanging(seconds: int, *, rank: str = "", **values: Any) -> Iterator[Snapshot]:
    """Give a run whose first fold took USUAL, and whose second hangs 10 s after the same label."""
    idle: dict[str, Any] = {"start_ticks": 1, "state": "S", "cpu_seconds": 9.0} | values
    done, fold = FoldSnapshot(fold=1), FoldSnapshot(fold=2, state=FoldState.RUNNING)
    for time, stage in ((0, "START"), (USUAL, "END")):
        step = range(1, USUAL) if stage == "START" else ()
        done = done.with_record(reading(1, NOW + time, stage=stage, **idle))
        for second in step:
            done = done.with_record(reading(1, NOW + second, stage=None, **idle))
    done = replace(done, state=FoldState.FINISHED, ended_at=NOW + USUAL)
    begin = NOW + USUAL
    for second in range(seconds):
        label = "START" if second == 0 else None
        known = idle | {"cpu_seconds": 9.0 + min(second, 10) * 0.5}
        fold = fold.with_record(reading(2, begin + second, stage=label, **known))
        yield snapshot(done, fold, rank=rank)


def told_of(snapshots: Iterator[Snapshot] | list[Snapshot]) -> tuple[AlertEngine, list[Alert]]:
    told: list[Alert] = []
    engine = AlertEngine(told.append)
    for one in snapshots:
        latest = one.folds[-1].latest
        assert latest is not None
        engine.observe([one], latest.time)
    return engine, told


def test_a_hang_is_told_within_three_times_the_stage_s_usual_time() -> None:
    """With the stage, how long that took before, and for how long nothing has moved."""
    _, (alert,) = told_of(hanging(3 * USUAL))
    assert alert.name == "FoldwatchStalled"
    assert alert.labels == {"run": "r", "host": "h", "rank": "", "fold": "2"}
    assert alert.began - (NOW + USUAL) <= 3 * USUAL
    assert alert.summary.startswith(
        'it has stalled after "START", which took 60 s at most: no label, output, CPU or I/O for '
    )


def test_what_moves_again_ends_it() -> None:
    """At once."""
    snapshots = [*hanging(3 * USUAL)]
    last = snapshots[-1]
    fold = last.folds[-1]
    assert fold.latest is not None
    moved = fold.with_record(replace(fold.latest, time=fold.latest.time + 1, cpu_seconds=20.0))
    engine, told = told_of([*snapshots, replace(last, folds=(last.folds[0], moved))])
    assert [alert.ended is None for alert in told] == [True, False]
    assert engine.active == ()


def test_a_run_that_dies_of_it_holds_the_alert() -> None:
    """Somebody killed it, say."""
    snapshots = [*hanging(3 * USUAL)]
    last = snapshots[-1]
    fold = last.folds[-1]
    died = replace(fold.with_record(exited(NOW + 999)), state=FoldState.FAILED, ended_at=NOW + 999)
    engine, _ = told_of([*snapshots, replace(last, folds=(last.folds[0], died))])
    assert [alert.is_held for alert in engine.active if alert.name == "FoldwatchStalled"] == [True]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"state": "T"}, "it is stopped by a signal (state T); kill -CONT PID continues it"),
        ({"state": "D"}, "it waits in the kernel for a device or a file system (state D)"),
    ],
)
def test_the_state_of_its_main_thread_is_said(values: dict[str, Any], words: str) -> None:
    """Where it says something."""
    _, (alert,) = told_of(hanging(3 * USUAL, **values))
    assert words in alert.summary


def test_where_it_stands_is_said_until_it_moves() -> None:
    """As the event of its supervisor says it; one of the training's own is left alone."""
    facts = {"where": "load (a.py:3)", "file": "stalled-stacks.txt", "paused_seconds": 0.16}
    (*_, last) = hanging(100)
    fold = last.folds[-1].with_record(Event(time=NOW, pid=7, name=EVENT, facts=facts))
    assert fold.stall is not None
    assert fold.stall.sentence == (
        "it stands in load (a.py:3); stacks in stalled-stacks.txt (it was stopped for 0.2 s)"
    )
    assert fold.with_record(Event(time=NOW, pid=7, name=EVENT, facts={"where": 3})) is fold
    assert fold.with_record(reading(2, NOW + 999, stage="END")).stall is None


def test_what_has_neither_fold_nor_label_or_waits_for_a_person_may_idle() -> None:
    """A server that is watched, a notebook."""
    quiet = [reading(None, NOW + n, stage=None, cpu_seconds=1.0) for n in range(0, 4000, 8)]
    fold = FoldSnapshot(fold=None)
    snapshots = [snapshot(fold := fold.with_record(one)) for one in quiet]
    assert told_of(snapshots)[1] == []
    notebook = [replace(one, command="python -m ipykernel_launcher") for one in hanging(200)]
    assert told_of(notebook)[1] == []


def test_the_rank_that_stands_elsewhere_is_named() -> None:
    """By what its main thread is stopped by, where it stands, or its last label."""
    told: list[Alert] = []
    engine = AlertEngine(told.append)
    ranks = [hanging(3 * USUAL, rank=str(n), state="T" if n == 1 else "S") for n in range(3)]
    for second, group in enumerate(zip(*ranks, strict=True)):
        engine.observe(group, NOW + USUAL + second)
    assert {alert.labels["rank"] for alert in told} == {"0", "1", "2"}
    assert all(
        alert.summary.endswith("rank 1 stands stopped (state T), the other 2 not stopped")
        for alert in told
    )


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ({}, ""),
        ({"0": "a"}, ""),
        ({"0": "a", "1": "a"}, ""),
        ({"0": "a", "1": "b"}, "rank 0 stands a, rank 1 b"),
        ({"0": "a", "1": "b", "2": "c"}, ""),
        ({"0": "a", "1": "b", "2": "a"}, "rank 1 stands b, the other 2 a"),
    ],
)
def test_of_no_majority_nobody_is_odd(places: Mapping[str, str], words: str) -> None:
    """Of two, both are said."""
    assert odd_of(places) == words
