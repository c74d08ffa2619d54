"""A verdict is there soon after its label, for one run and for sixty; judging keeps to its share of the time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from telemetry.daemon.daemon import Daemon
from telemetry.daemon.run_follower import RunFollower
from telemetry.daemon.verdict_scheduler import VerdictScheduler
from telemetry.journal.records import encode
from telemetry.snapshot import GrowthSnapshot, ProcessGrowth
from tests.support.builders import reading
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

GROWTH = GrowthSnapshot(resource="threads", verdict="growing", reason="", per_fold=8.0)
COST = 0.05


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class LabelledRun(RunFollower):
    """A run that has a new label at each round."""

    def __init__(self, name: str) -> None:
        super().__init__(name, name, ())
        self.is_live = True
        self.verdicts = 0

    def judge(self, growth: Sequence[ProcessGrowth]) -> None:
        assert not growth
        self.verdicts += 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


def rounds(
    scheduler: VerdictScheduler, clock: Clock, runs: Sequence[LabelledRun], seconds: int
) -> None:
    """Attend once a second; each round ends when its verdicts are there, as they are within a second."""
    for _ in range(seconds):
        clock.now += 1.0
        for run in runs:
            run.checkpoints += 1
        scheduler.attend(runs)
        wait_until(lambda: scheduler.has_verdicts or not scheduler.is_awaited, 20, "the verdicts")


def costing(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each verdict take so many CPU seconds."""
    used = iter(range(1_000_000))
    monkeypatch.setattr(time, "thread_time", lambda: (next(used) + 1) // 2 * seconds)


def test_sixty_runs_are_judged_within_ten_seconds(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 12 ms each, as runs of some folds take."""
    costing(0.012, monkeypatch)
    scheduler = VerdictScheduler(lambda _: (), clock=clock)
    runs = [LabelledRun(f"run-{number}") for number in range(60)]
    rounds(scheduler, clock, runs, 10)
    scheduler.attend(runs)
    assert min(run.verdicts for run in runs) >= 1
    scheduler.close()


def test_judging_keeps_to_its_share_of_the_time(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs that take long are judged the more seldom."""
    costing(2.0, monkeypatch)
    scheduler = VerdictScheduler(lambda _: (), share=0.1, clock=clock)
    runs = [LabelledRun(f"run-{number}") for number in range(20)]
    rounds(scheduler, clock, runs, 600)
    scheduler.attend(runs)
    judged = sum(run.verdicts for run in runs)
    assert (
        25 <= judged <= 60
    )  # 30 of 2 s in a tenth of 600 s, and those that were under way at once
    scheduler.close()


def test_the_wait_for_a_round_is_not_counted_as_work(clock: Clock) -> None:
    """A verdict that was there at once, and is taken a second later, has taken no second."""
    scheduler = VerdictScheduler(lambda _: (), clock=clock)
    runs = [LabelledRun("run")]
    rounds(scheduler, clock, runs, 20)
    assert runs[0].verdicts >= 18
    scheduler.close()


@pytest.mark.slow
def test_a_verdict_does_not_wait_for_the_next_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next round is far away, and the verdict is published all the same."""
    monkeypatch.setattr("telemetry.daemon.daemon.INTERVAL_SECONDS", 1000.0)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "journal.jsonl").write_bytes(encode(reading(1, time.time())))
    verdict = ProcessGrowth("a", 7, None, (GROWTH,), known_until="Fold 1/3 START")
    one = Daemon(str(tmp_path), judge=lambda _: (verdict,))
    stop = threading.Event()
    running = threading.Thread(target=one.run, args=(stop,))
    running.start()
    try:
        wait_until(lambda: one.snapshots and one.snapshots[0].growth, 30, "the verdict")
    finally:
        stop.set()
        running.join()
    assert (one.snapshots[0].growth, one.snapshots[0].judged_until) == ((GROWTH,), "Fold 1/3 START")
