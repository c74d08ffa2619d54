"""What is said of folds and of runs that failed: one alert for each, until it runs again or the hold is over."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from telemetry.alerts.condition import Condition, labels_of
from telemetry.alerts.rules import facts_of
from telemetry.snapshot import NOT_REACHED, FoldState, LiveRunState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from telemetry.snapshot import FoldSnapshot, Snapshot

WORDS_KEPT = 600
"""Characters of a cause: a fold's last line is anybody's text."""
NAMED = 10
"""Folds that are named of those of a run."""
RESUME_ADVICE = (
    "Mend what its cause names, then go on with the run; what has finished is not run again."
)
RESTART_ADVICE = "Mend what its cause names, then start it again."
_GO_ON = {LiveRunState.RUNNING, LiveRunState.STALE, LiveRunState.WAITING}


def failure_conditions(
    ranks: Sequence[Snapshot], *, now: float, hold_seconds: float
) -> Iterator[Condition]:
    """Give the folds that failed, and the run if nothing of it is to come, within ``hold_seconds``.

    What somebody interrupted has not failed, nor has what was not reached.

    Args:
        ranks: The snapshots of one run on one host.
        now: In seconds since the epoch.
        hold_seconds: For how long after its end a failure is told.
    """
    for snapshot in ranks:
        for fold_snapshot in _failed(snapshot, now - hold_seconds):
            if fold_snapshot.label:
                yield _of_fold(snapshot, fold_snapshot, hold_seconds)
    if not any(snapshot.state in _GO_ON for snapshot in ranks):
        yield from _of_run(ranks, now, hold_seconds)


def by_host(snapshots: Iterable[Snapshot]) -> list[list[Snapshot]]:
    """Return the ranks of each run, by host."""
    found: dict[tuple[str, str], list[Snapshot]] = {}
    for snapshot in snapshots:
        found.setdefault((snapshot.run, snapshot.host), []).append(snapshot)
    return [*found.values()]


def _failed(snapshot: Snapshot, since: float) -> list[FoldSnapshot]:
    return [
        one
        for one in snapshot.folds
        if one.present_state.is_failure
        and not one.was_interrupted
        and one.outcome != NOT_REACHED
        and (one.ended_at or 0.0) > since
    ]


def _of_fold(snapshot: Snapshot, fold_snapshot: FoldSnapshot, hold_seconds: float) -> Condition:
    count = f" of {snapshot.fold_count}" if snapshot.fold_count else ""
    return Condition(
        name="FoldwatchFoldFailed",
        labels=_labels(snapshot, fold_snapshot.label),
        summary=f"fold {fold_snapshot.label}{count} {_how(fold_snapshot)}",
        description=RESUME_ADVICE if snapshot.resume else RESTART_ADVICE,
        fold=fold_snapshot.label,
        weight=-(fold_snapshot.ended_at or 0.0),  # of several ranks the first is the cause
        facts=_facts(snapshot, fold_snapshot),
        until=(fold_snapshot.ended_at or 0.0) + hold_seconds,
    )


def _of_run(ranks: Sequence[Snapshot], now: float, hold_seconds: float) -> Iterator[Condition]:
    failed = [
        (one.ended_at or 0.0, rank, one) for rank in ranks for one in _failed(rank, -math.inf)
    ]
    if not failed or max(ended for ended, *_ in failed) <= now - hold_seconds:
        return
    _, snapshot, first = min(failed, key=lambda one: one[0])
    names = [*dict.fromkeys(one.label for *_, one in failed if one.label)]
    finished = {one.label for rank in ranks for one in rank.folds if one.state in _DONE} - {*names}
    words = "the run failed"
    if names:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        words += f": fold {', '.join(names[:NAMED])}{more} failed, {len(finished)} finished"
    named = f"; first fold {first.label}" if len(names) > 1 else ""
    yield Condition(
        name="FoldwatchRunFailed",
        labels=_labels(snapshot, ""),
        summary=f"{words}{named}: it {_how(first)}",
        description=RESUME_ADVICE if snapshot.resume else RESTART_ADVICE,
        facts=_facts(snapshot, first),
        until=max(ended for ended, *_ in failed) + hold_seconds,
    )


_DONE = {FoldState.FINISHED, FoldState.SKIPPED}


def _labels(snapshot: Snapshot, fold: str) -> tuple[tuple[str, str], ...]:
    return labels_of({"run": snapshot.run, "host": snapshot.host, "rank": "", "fold": fold})


def _how(fold_snapshot: FoldSnapshot) -> str:
    if fold_snapshot.cause:
        return f"failed: {fold_snapshot.cause[:WORDS_KEPT]}"
    code = fold_snapshot.exit_code
    if code:
        return (
            f"failed: ended by signal {code - 128}" if code > 128 else f"failed: exit code {code}"
        )
    if fold_snapshot.present_state is FoldState.DIED:
        return "died: its process is gone, and wrote no word of how"
    return "failed: an exception ended it" if code is None else "failed: it left no result"


def _facts(snapshot: Snapshot, fold_snapshot: FoldSnapshot) -> dict[str, str]:
    code = fold_snapshot.exit_code
    return {
        **facts_of(snapshot, fold_snapshot),
        "exit_code": "" if code is None else str(code),
        "command_now": snapshot.resume,
    }
