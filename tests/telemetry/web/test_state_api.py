"""The state of runs, in short and in full."""

from __future__ import annotations

from dataclasses import replace

from telemetry.daemon.live_state import LiveState
from telemetry.snapshot import FoldSnapshot, RunKey
from telemetry.web.state_api import one_run, runs_in_short, state
from tests.support.builders import full_snapshot, reading, snapshot, with_records


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
