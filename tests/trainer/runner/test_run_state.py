"""The state that a runner shows: of folds in processes of their own, and of a command that runs them all."""

from __future__ import annotations

from telemetry.snapshot import FoldState
from tests.support.builders import NOW, reading
from trainer.agent.fold_failure import not_run
from trainer.runner.observer import RunObserver
from trainer.runner.run_state import RunState


def shown(state: RunState) -> list[tuple[int | None, str | None]]:
    return [(one.fold, one.state) for one in state.current.folds]


def begun(folds: int) -> RunState:
    state = RunState("r", folds=folds, observer=RunObserver())
    state.begin(skipped=())
    state.start(1)
    return state


def test_a_command_that_runs_all_folds_shows_those_that_its_labels_name() -> None:
    """The one that ended it has failed, and the others have not."""
    state = begun(1)
    state.apply(1, reading(None, NOW, stage=None))
    for fold in (1, 2, 3):
        state.apply(1, reading(fold, NOW + fold, folds=5))
        state.apply(1, reading(None, NOW + fold + 0.5, stage=None, threads=fold))
    state.publish()
    assert shown(state) == [(1, "finished"), (2, "finished"), (3, "running")]
    assert [one.latest and one.latest.threads for one in state.current.folds] == [1, 2, 3]
    assert state.current.fold_count == 5
    state.fail(not_run(1, "signal", "the cause"), exit_code=134, seconds=9.0)
    state.end()
    assert shown(state)[2] == (3, FoldState.FAILED)
    assert (state[3].cause, state[3].outcome, state.failed) == ("the cause", "signal", [3])
    assert state.current.state == "failed"


def test_a_command_that_is_tried_again_begins_anew() -> None:
    """Nothing of the first attempt is shown."""
    state = begun(1)
    state.apply(1, reading(2, NOW, folds=5))
    state.wait(1)
    assert shown(state) == [(1, "waiting")]
    state.start(1)
    assert shown(state) == [(1, "running")]


def test_the_labels_of_an_isolated_fold_are_its_own() -> None:
    """Whatever it calls its folds."""
    state = begun(3)
    state.apply(1, reading(2, NOW, folds=5))
    state.publish()
    assert shown(state) == [(1, "running"), (2, "waiting"), (3, "waiting")]
    assert state.current.fold_count == 3


def test_a_hostile_label_names_no_fold() -> None:
    """Numbers beyond what there is are no folds."""
    state = begun(1)
    for fold, folds in ((7, 3), (2, 10**9), (1, 1)):
        state.apply(1, reading(fold, NOW, folds=folds))
    state.publish()
    assert shown(state) == [(1, "running")]


def test_a_run_that_stops_with_folds_that_wait_is_over() -> None:
    """At its first failure."""
    state = begun(3)
    state.fail(not_run(1, "exit code", "why"), exit_code=1, seconds=1.0)
    assert state.current.state == "waiting"
    state.end()
    assert state.current.state == "failed"
