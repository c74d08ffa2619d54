"""`standings`: whether each fold, and each run, goes on, has finished or has failed: by that an alert ends or does not."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from telemetry.snapshot import FoldState, LiveRunState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from telemetry.snapshot import FoldSnapshot, Snapshot

Place: TypeAlias = tuple[str, str, str]
"""A run, its host and its rank; without a rank all of them."""


class Standing(enum.IntEnum):
    """What is known of a fold or of a run; of several ranks the first that is so of any."""

    RUNS = 0
    WAITS = 1
    FAILED = 2
    FINISHED = 3


class Stand(NamedTuple):
    """How a fold, or a run, stands."""

    standing: Standing
    cause: str = ""
    """Of one that failed, in one line."""


def standings(snapshots: Sequence[Snapshot]) -> Mapping[tuple[Place, str], Stand]:
    """Return how each fold stands, by its label, and each run, for which that is "".

    What somebody interrupted, and what nobody hears of any more, stands in no way: it has neither failed nor finished.
    """
    found: dict[tuple[Place, str], Stand] = {}
    for snapshot in snapshots:
        run, host, rank = snapshot.key
        for fold, stand in _of_run(snapshot):
            for place in {(run, host, rank), (run, host, "")}:
                known = found.get((place, fold), stand)
                found[place, fold] = min(known, stand, key=lambda one: one.standing)
    return found


def _of_run(snapshot: Snapshot) -> Iterator[tuple[str, Stand]]:
    stands = {one.label: stand for one in snapshot.folds if (stand := _of_fold(one)) is not None}
    stands.pop("", None)
    yield from stands.items()
    state = snapshot.state
    if state in {LiveRunState.RUNNING, LiveRunState.STALE, LiveRunState.WAITING}:
        if state != LiveRunState.STALE or any(one.is_running for one in snapshot.folds):
            yield "", Stand(Standing.RUNS)
    elif state == LiveRunState.FINISHED:
        yield "", Stand(Standing.FINISHED)
    else:
        causes = [
            one.cause
            for one in snapshot.folds
            if one.present_state.is_failure and not one.was_interrupted
        ]
        if causes:
            yield "", Stand(Standing.FAILED, next(filter(None, causes), ""))


def _of_fold(fold_snapshot: FoldSnapshot) -> Stand | None:
    state = fold_snapshot.present_state
    if fold_snapshot.is_running:
        return Stand(Standing.RUNS)
    if state is FoldState.WAITING:
        return Stand(Standing.WAITS)
    if state in {FoldState.FINISHED, FoldState.SKIPPED}:
        return Stand(Standing.FINISHED)
    if state.is_failure and not fold_snapshot.was_interrupted:
        return Stand(Standing.FAILED, fold_snapshot.cause)
    return None
