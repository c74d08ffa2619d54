"""Episodes over the folds of a run, as tables: what each moment shows, and what is told of it in order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.alerts.engine import AlertEngine
from telemetry.alerts.told_failures import ToldFailures
from telemetry.snapshot import FoldSnapshot, FoldState, GrowthSnapshot, Snapshot
from tests.support.builders import reading

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.alerts.alert import Alert

START = 1_000_000.0
HOUR = 3600.0
CAUSE = "pids_cgroup (certain): pids_limit_hits rose from 0 to 1; last line: can't start new thread"


class Night:
    """A run of five folds and the engine that watches it, minute by minute."""

    def __init__(self, **options: Any) -> None:
        self.told: list[Alert] = []
        self.engine = AlertEngine(self.told.append, **options)
        self.now = START
        self.folds: dict[int | None, FoldSnapshot] = {}
        self.run = Snapshot(
            run="r", host="h", fold_count=5, directory="/runs/r", resume="foldwatch run --resume"
        )

    def fold(self, number: int | None, used: int | None = None, **values: Any) -> None:
        """Set a fold: running with so many of 1,000 PIDs, or as ``values`` say."""
        known = self.folds.get(number) or FoldSnapshot(fold=number, state=FoldState.RUNNING)
        if used is not None:
            values["latest"] = reading(
                number, self.now, stage=None, cgroup_pids=used, limits={"pids_cgroup": 1000}
            )
        self.folds[number] = replace(known, **values)

    def ends(self, number: int | None, state: FoldState, **values: Any) -> None:
        """Let a fold end now."""
        self.fold(number, state=state, ended_at=self.now, **values)

    def pass_by(self, seconds: float, *, step: float = 5.0, **values: Any) -> list[str]:
        """Let time pass, with new readings of what runs; return what is told meanwhile, in short."""
        before = len(self.told)
        for _ in range(int(seconds / step)):
            for number, one in self.folds.items():
                if one.ended_at is None and one.latest:
                    self.fold(number, latest=replace(one.latest, time=self.now))
            shown = replace(self.run, folds=tuple(self.folds.values()), **values)
            self.engine.observe([shown], self.now)
            self.now += step
        return [in_short(alert) for alert in self.told[before:]]


def in_short(alert: Alert) -> str:
    """Say which alert it is, and whether it begins, ends, is held or is let go of."""
    what = "begins" if alert.ended is None else "ends"
    if alert.is_held:
        what = "held"
    if not alert.is_watched:
        what = "let go"
    fold = f" {alert.labels['fold']}" if alert.labels["fold"] else ""
    return f"{alert.name.removeprefix('Foldwatch')}{fold} {what}"


def test_a_limit_that_is_critical_in_two_folds_is_one_episode() -> None:
    """It resolves once: with the run."""
    night = Night()
    night.fold(4, 960)
    assert night.pass_by(60) == ["CeilingCritical begins"]
    night.ends(4, FoldState.FINISHED)
    night.fold(5, 100)
    assert night.pass_by(120) == []
    night.fold(5, 980)
    assert night.pass_by(60) == []
    (alert,) = night.engine.active
    assert "98% full (980 of 1,000)" in alert.summary
    assert alert.facts["fold"] == "5"
    night.ends(5, FoldState.FINISHED)
    assert night.pass_by(5) == ["CeilingCritical ends"]


def test_a_limit_that_one_of_parallel_folds_is_far_from_is_told_of_the_other() -> None:
    """The fullest counts; and it ends five minutes after none is near."""
    night = Night()
    night.fold(1, 100)
    night.fold(2, 990)
    assert night.pass_by(60) == ["CeilingCritical begins"]
    assert night.told[0].facts["fold"] == "2"
    night.fold(2, 100)
    assert night.pass_by(295) == []
    assert night.pass_by(15) == ["CeilingCritical ends"]


def test_what_the_run_died_of_is_held_and_never_resolved() -> None:
    """Until the day is over; then it is let go of, which resolves nothing either."""
    night = Night()
    night.fold(4, 990)
    assert night.pass_by(60) == ["CeilingCritical begins"]
    night.ends(4, FoldState.FAILED, exit_code=134, cause=CAUSE, outcome="signal")
    died = night.now
    assert night.pass_by(60) == ["CeilingCritical held", "FoldFailed 4 begins", "RunFailed begins"]
    held = night.told[1]
    assert held.summary.endswith(f"; the run died of it: {CAUSE}")
    assert held.until == died + 24 * HOUR
    assert night.pass_by(23 * HOUR, step=600) == []
    assert len([*night.engine.active]) == 3
    assert sorted(night.pass_by(HOUR, step=60)) == [
        "CeilingCritical let go",
        "FoldFailed 4 let go",
        "RunFailed let go",
    ]
    assert not [*night.engine.active]
    assert all(alert.ended is None for alert in night.told)


def test_a_fold_that_runs_again_ends_what_it_had_failed_of() -> None:
    """What it died of ends as ever: once it was seen not to hold for five minutes."""
    night = Night()
    night.fold(4, 990)
    night.pass_by(60)
    night.ends(4, FoldState.DIED)
    assert night.pass_by(60) == ["CeilingCritical held", "FoldFailed 4 begins", "RunFailed begins"]
    assert "for all that is known" in night.told[1].summary
    night.folds[4] = FoldSnapshot(fold=4, state=FoldState.WAITING)
    night.folds[5] = FoldSnapshot(fold=5, state=FoldState.WAITING)
    assert night.pass_by(60) == ["RunFailed ends"]
    night.folds[4] = FoldSnapshot(fold=4, state=FoldState.RUNNING)
    night.fold(4, 100)
    assert night.pass_by(5) == ["FoldFailed 4 ends"]
    assert night.pass_by(240) == []
    assert night.pass_by(120) == ["CeilingCritical ends"]


def test_a_held_alert_is_the_same_one_if_the_next_fold_meets_the_limit_too() -> None:
    """And is held on once that is over: the first one has not been run again."""
    night = Night()
    night.fold(2, 990)
    night.pass_by(60)
    night.ends(2, FoldState.FAILED, cause=CAUSE)
    night.fold(3, 100)
    assert night.pass_by(60) == ["CeilingCritical held", "FoldFailed 2 begins"]
    night.fold(3, 990)
    assert night.pass_by(60) == []
    night.ends(3, FoldState.FINISHED)
    assert night.pass_by(60) == ["CeilingCritical held", "RunFailed begins"]
    assert (
        night.told[-1].summary == f"the run failed: fold 2 failed, 1 finished: it failed: {CAUSE}"
    )


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (CAUSE, "the run died of it: pids_cgroup"),
        ("exited with 1; last line: ValueError", "the run died while it held: exited with 1"),
        ("", "the run died of it, for all that is known"),
    ],
)
def test_what_it_died_of_is_said_as_far_as_that_is_known(cause: str, words: str) -> None:
    """A warning is not to blame for an exception."""
    night = Night()
    night.fold(1, 850)
    night.pass_by(60)
    night.ends(1, FoldState.FAILED, cause=cause)
    night.pass_by(5)
    assert words in night.told[1].summary


def test_a_fold_that_is_retried_and_then_finishes_is_no_failure() -> None:
    """Its runner shows it waiting, a daemon sees it failed for a moment; what it met the limit in is held meanwhile."""
    night = Night()
    night.fold(1, 990)
    assert night.pass_by(20) == ["CeilingCritical begins"]
    night.ends(1, FoldState.FAILED, exit_code=1, cause=CAUSE)
    assert night.pass_by(10) == ["CeilingCritical held"]
    night.folds[1] = FoldSnapshot(fold=1, state=FoldState.WAITING)
    assert night.pass_by(20) == []
    night.folds[1] = FoldSnapshot(fold=1, state=FoldState.RUNNING)
    night.fold(1, 10)
    assert night.pass_by(60) == []
    night.ends(1, FoldState.FINISHED)
    assert night.pass_by(60) == ["CeilingCritical ends"]


@pytest.mark.parametrize("outcome", ["interrupted", "not reached"])
def test_what_nobody_s_fault_ended_is_no_failure(outcome: str) -> None:
    """Ctrl-C, a preemption; and what another fold's end has kept from running."""
    night = Night()
    night.fold(1, 10)
    night.pass_by(10)
    night.ends(1, FoldState.FAILED, outcome=outcome)
    assert night.pass_by(120) == []


def test_folds_that_are_not_reached_do_not_hide_the_one_that_failed() -> None:
    """One alert for it, and one for the run."""
    night = Night()
    night.fold(1, 10)
    night.ends(1, FoldState.FAILED, exit_code=139)
    night.ends(2, FoldState.FAILED, exit_code=139, outcome="not reached")
    assert night.pass_by(60) == ["FoldFailed 1 begins", "RunFailed begins"]
    assert night.told[0].summary == "fold 1 of 5 failed: ended by signal 11"


def test_a_process_without_folds_that_dies_is_a_run_that_failed() -> None:
    """Of a journal alone nobody wrote how."""
    night = Night()
    night.fold(None, 10)
    night.pass_by(10)
    night.ends(None, FoldState.DIED)
    assert night.pass_by(60) == ["RunFailed begins"]
    assert night.told[0].summary == (
        "the run failed: it died: its process is gone, and wrote no word of how"
    )
    assert night.told[0].facts["run_directory"] == "/runs/r"


def test_a_run_has_failed_once_nothing_of_it_is_to_come() -> None:
    """Not while folds wait for a runner; and if that one has stopped, it has."""
    night = Night()
    night.fold(1, 10)
    night.fold(2, state=FoldState.WAITING)
    night.ends(1, FoldState.FAILED, exit_code=1)
    assert night.pass_by(60) == ["FoldFailed 1 begins"]
    assert night.pass_by(60, is_over=True) == ["RunFailed begins"]
    facts = night.told[1].facts
    assert facts["command_now"] == "foldwatch run --resume"


@pytest.mark.parametrize(("hours", "count"), [(1, 2), (23, 2), (25, 0)])
def test_a_daemon_that_is_started_after_a_death_tells_of_the_failure_alone(
    hours: float, count: int
) -> None:
    """If it was within the day; nothing of the limit that its last reading was near to."""
    night = Night()
    night.fold(3, 990)
    night.ends(3, FoldState.DIED)
    night.now += hours * HOUR
    assert night.pass_by(60) == ["FoldFailed 3 begins", "RunFailed begins"][:count]


def test_a_hold_of_no_time_lets_go_of_what_died_at_once() -> None:
    """And tells of no failure: there is no time for which it would be told."""
    night = Night(hold_seconds=0.0)
    night.fold(3, 990)
    night.pass_by(30)
    night.ends(3, FoldState.FAILED)
    assert night.pass_by(60) == ["CeilingCritical let go"]


def test_what_failed_moments_before_the_end_is_told_all_the_same() -> None:
    """The runner ends with its last fold."""
    night = Night()
    night.fold(1, 10)
    night.ends(1, FoldState.FAILED, exit_code=1)
    assert night.pass_by(5) == []
    night.engine.close(night.now)
    assert [in_short(alert) for alert in night.told] == [
        "FoldFailed 1 begins",
        "FoldFailed 1 let go",
        "RunFailed begins",
        "RunFailed let go",
    ]
    assert {alert.until for alert in night.told} == {START + 24 * HOUR}


def test_ranks_of_one_host_that_die_together_are_one_failure() -> None:
    """The first that died is the cause; another host's are its own."""
    night = Night()
    night.fold(1, 10)
    night.ends(1, FoldState.FAILED, cause="the cause")
    first = replace(night.run, folds=tuple(night.folds.values()), rank="3")
    later = replace(night.folds[1], ended_at=START + 1, cause="NCCL lost rank 3")
    others = [replace(first, rank=str(n), folds=(later,)) for n in range(3)]
    elsewhere = replace(others[0], host="g")
    for second in range(0, 30, 5):
        night.engine.observe([*others, first, elsewhere], START + 2 + second)
    assert [(in_short(one), one.labels["host"]) for one in night.told] == [
        ("FoldFailed 1 begins", "h"),
        ("RunFailed begins", "h"),
        ("FoldFailed 1 begins", "g"),
        ("RunFailed begins", "g"),
    ]
    assert night.told[0].summary.endswith("the cause")
    assert night.told[0].facts["rank"] == "3"


def test_growth_that_the_run_ends_before_is_held_too() -> None:
    """A forecast for the folds that are left is right when the run dies."""
    night = Night()
    growth = GrowthSnapshot(resource="maps", verdict="growing", reason="", folds_to_limit=1.4)
    night.fold(1, 10)
    assert night.pass_by(60, growth=(growth,)) == ["CeilingWithinFolds begins"]
    night.ends(1, FoldState.FAILED, cause="max_map_count (certain): 65,530 of 65,530")
    assert night.pass_by(60) == [
        "CeilingWithinFolds held",
        "FoldFailed 1 begins",
        "RunFailed begins",
    ]


def test_the_text_has_what_helps_at_night() -> None:
    """Which process, where, how long it has, and the command with the real file."""
    night = Night()
    night.engine.page = "http://node:9464"
    night.run = replace(night.run, command="python train.py --lr 3", rank="2")
    night.fold(4, 10, checkpoints={"fit": reading(4, START, stage="fit")})
    latest = reading(
        4,
        START,
        stage=None,
        cgroup_pids=960,
        cgroup="/sys/fs/cgroup/job",
        limits={"pids_cgroup": 1000},
    )
    night.fold(4, latest=latest)
    night.pass_by(5)
    (alert,) = night.told
    assert alert.facts == {
        "command_now": "echo 2000 > /sys/fs/cgroup/job/pids.max",
        "fold": "4",
        "stage": "fit",
        "rank": "2",
        "pid": "7",
        "command": "python train.py --lr 3",
        "run_directory": "/runs/r",
        "page": "http://node:9464/?run=r&host=h&rank=2",
    }


def test_a_daemon_that_is_started_anew_tells_nobody_twice(tmp_path: Path) -> None:
    """Only of what failed since; Alertmanager, which forgets nothing, is told as of what is held."""
    path = tmp_path / "told.json"
    first = Night(told=ToldFailures(str(path)))
    first.fold(1, 10)
    first.ends(1, FoldState.FAILED, cause=CAUSE)
    assert first.pass_by(60) == ["FoldFailed 1 begins", "RunFailed begins"]
    again = Night(told=ToldFailures(str(path)))
    again.folds, again.now = dict(first.folds), first.now
    assert again.pass_by(60) == ["FoldFailed 1 held", "RunFailed held"]
    assert len(again.engine.active) == 2
    again.fold(2, 10)
    again.ends(2, FoldState.FAILED, exit_code=1)
    assert again.pass_by(60) == ["FoldFailed 2 begins"]
    again.folds[1] = replace(again.folds[1], state=FoldState.RUNNING, ended_at=None)
    assert set(again.pass_by(5)) == {"FoldFailed 1 ends", "RunFailed ends"}


@pytest.mark.parametrize("content", ["", "[[", "3", '[["a", {}, "x"]]', '[["a", [], 3]]', "[1]"])
def test_a_file_of_another_s_tells_of_no_failure(tmp_path: Path, content: str) -> None:
    """It is replaced at the next one; where that cannot be, it is said once."""
    path = tmp_path / "told.json"
    path.write_text(content)
    lines: list[str] = []
    night = Night(told=ToldFailures(str(path)))
    night.fold(None, 10)
    night.ends(None, FoldState.DIED)
    assert night.pass_by(60) == ["RunFailed begins"]
    assert "FoldwatchRunFailed" in path.read_text()
    nowhere = ToldFailures(str(tmp_path / "no" / "told.json"), log=lines.append)
    for number in range(2):
        nowhere.note(("a", ()), float(number))
        nowhere.flush()
    (line,) = lines
    assert "No such file or directory" in line
