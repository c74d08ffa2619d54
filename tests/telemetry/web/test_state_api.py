"""The JSON of one run: which one it is, and what it has for who was woken by it."""

from __future__ import annotations

from dataclasses import replace

from telemetry.daemon.live_state import LiveState
from telemetry.snapshot import FoldSnapshot, FoldState, RunKey, Snapshot
from telemetry.web.state_api import state
from tests.support.builders import NOW, reading


def board(*snapshots: Snapshot) -> LiveState:
    found = LiveState(clock=lambda: NOW)
    found.publish(snapshots)
    return found


def run(name: str, *, rank: str = "", time: float = NOW) -> Snapshot:
    fold = FoldSnapshot(fold=1, latest=reading(1, time))
    return Snapshot(run=name, host="h", rank=rank, folds=(fold,))


def test_a_rank_that_is_not_known_is_another_one_of_its_run() -> None:
    """An alert of a whole run names none; another run is shown only where that run is gone."""
    known = board(run("a", rank="0"), run("a", rank="1"), run("b", time=NOW + 1))
    for wanted, shown in (
        (RunKey("a", "h", "1"), ("a", "1")),
        (RunKey("a", "elsewhere", ""), ("a", "0")),
        (RunKey("gone", "h", ""), ("b", "")),
    ):
        found = state(known, wanted)
        assert (found["run"]["run"], found["run"]["rank"]) == shown
        assert found["run_names"] == 2


def test_a_run_that_ended_says_where_its_files_are_and_how_to_go_on() -> None:
    """And which fold was interrupted, which is no failure."""
    folds = tuple(
        FoldSnapshot(fold=fold, state=FoldState.FAILED, outcome=outcome, ended_at=NOW)
        for fold, outcome in ((1, "signal"), (2, "interrupted"))
    )
    ended = replace(run("a"), folds=folds, directory="/runs/a", command="python a.py", resume="go")
    found = state(board(ended), None)["run"]
    assert [found[name] for name in ("directory", "command", "resume")] == [
        *("/runs/a", "python a.py", "go"),
    ]
    assert [part["was_interrupted"] for part in found["parts"]] == [False, True]


def test_the_state_says_when_the_daemon_collected_last() -> None:
    """A page that is answered may still show what is long past."""
    found = state(board(run("a")), None)
    assert (found["published_at"], found["now"]) == (NOW, NOW)
