"""The JSON of one run: which one it is, and what it has for who was woken by it."""

from __future__ import annotations

from dataclasses import replace

from telemetry.daemon.live_state import LiveState
from telemetry.snapshot import FoldSnapshot, FoldState, RunKey, Snapshot
from telemetry.web.state_api import one_run, runs_in_short, state
from tests.support.builders import NOW, full_snapshot, reading, snapshot, with_records


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


def test_a_run_in_short_says_where_it_is_and_what_it_comes_to() -> None:
    """The fold and stage that wrote last, the growth that ends it first, and how to go on; unknown is None."""
    fold = with_records(FoldSnapshot(fold=2), [reading(2, 5.0), reading(2, 6.0, stage="fit")])
    growing = full_snapshot().growth[0]
    later = replace(growing, resource="threads", folds_to_limit=99.0)
    known = snapshot(
        fold, growth=(later, growing), directory="/runs/r", resume="foldwatch run", run="known"
    )
    board = LiveState(clock=lambda: 7.0)
    board.publish([known, snapshot(run="new")])
    names = ("fold", "stage", "is_growing", "folds_to_limit", "directory", "resume", "cause")
    found = runs_in_short(board)
    shown = {run["run"]: [run[name] for name in names] for run in found["runs"]}
    assert shown == {
        "known": [2, "fit", True, 9.5, "/runs/r", "foldwatch run", None],
        "new": [None, None, False, None, None, None, None],
    }
    assert (found["now"], found["runs_in_all"]) == (7.0, 2)
    assert state(board, None)["runs"] == found["runs"]


def test_one_run_is_the_one_that_is_asked_for_or_none() -> None:
    """Not the one that wrote last."""
    board = LiveState()
    board.publish([snapshot(run="a"), snapshot(run="b")])
    known = one_run(board, RunKey("b", "h", ""))
    assert known is not None
    assert known["run"] == "b"
    assert one_run(board, RunKey("c", "h", "")) is None
