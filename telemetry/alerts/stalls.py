"""What is said of a process that has stalled: since when, in which stage, where it stands, and which rank stands elsewhere.

`telemetry.progress` defines it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from telemetry.alerts.condition import Condition, labels_of
from telemetry.alerts.rules import facts_of, run_labels
from telemetry.formatting import format_duration
from telemetry.journal.stall_record import odd_of
from telemetry.progress import FLOOR_SECONDS
from telemetry.snapshot import FoldState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from telemetry.snapshot import FoldSnapshot, Snapshot

STALLED_ADVICE = (
    "See where it stands in its stacks (stalled-stacks.txt beside its journal, or py-spy dump --pid PID);"
    " what it waits for will hardly come: end it, and go on with the run."
)
STATES = {
    "D": "it waits in the kernel for a device or a file system (state D)",
    "T": "it is stopped by a signal (state T); kill -CONT PID continues it",
    "t": "a debugger has stopped it (state t)",
}


def stall_conditions(ranks: Sequence[Snapshot]) -> Iterator[Condition]:
    """Give the folds that go on and have stalled, of the ranks of one run on one host."""
    words: str | None = None
    for snapshot in ranks:
        for fold_snapshot in snapshot.folds:
            if _has_stalled(snapshot, fold_snapshot):
                words = odd_words(ranks) if words is None else words
                yield _condition(snapshot, fold_snapshot, words)


def _has_stalled(snapshot: Snapshot, fold_snapshot: FoldSnapshot) -> bool:
    is_running = fold_snapshot.is_running and fold_snapshot.present_state is FoldState.RUNNING
    quiet = fold_snapshot.progress.quiet_seconds
    return (
        is_running
        and quiet > FLOOR_SECONDS
        and snapshot.is_to_progress(fold_snapshot)
        and quiet > snapshot.stalls_after(fold_snapshot)
    )


def _condition(snapshot: Snapshot, fold_snapshot: FoldSnapshot, odd: str) -> Condition:
    progress, latest = fold_snapshot.progress, fold_snapshot.latest
    usual = snapshot.usual_seconds(fold_snapshot)
    known = "" if usual is None else f", which took {format_duration(usual)} at most"
    stage = f'after "{progress.stage}"' if progress.stage else "before its first label"
    quiet = format_duration(progress.quiet_seconds)
    words = (
        f"it has stalled {stage}{known}: no label, output, CPU or I/O for {quiet}",
        STATES.get((latest and latest.state) or "", ""),
        fold_snapshot.stall.sentence if fold_snapshot.stall else "",
        odd,
    )
    labels = {**run_labels(snapshot), "fold": fold_snapshot.label}
    found = Condition(
        name="FoldwatchStalled",
        labels=labels_of(labels),
        summary="; ".join(filter(None, words)),
        description=STALLED_ADVICE,
        fold=fold_snapshot.label,
        weight=progress.quiet_seconds,
    )
    return replace(found, facts=facts_of(snapshot, fold_snapshot))


def odd_words(ranks: Sequence[Snapshot]) -> str:
    """Say which rank stands where the others do not; empty where there is one alone, or none differs.

    What tells most is asked first: a process that is stopped, then the function that each stands in, then the last label.
    """
    present = {
        snapshot.rank: one
        for snapshot in ranks
        if snapshot.rank
        for one in snapshot.folds
        if one.is_running and one.latest is not None
    }
    for where in (_stopped, _function, _stage):
        places = {rank: place for rank, one in present.items() if (place := where(one))}
        if words := odd_of(places):
            return words
    return ""


def _stopped(one: FoldSnapshot) -> str:
    is_stopped = one.latest is not None and one.latest.state in {"T", "t"}
    return "stopped (state T)" if is_stopped else "not stopped"


def _function(one: FoldSnapshot) -> str:
    return f"in {one.stall.where}" if one.stall else ""


def _stage(one: FoldSnapshot) -> str:
    stage = one.progress.stage
    return f'after "{stage}"' if stage else "before its first label"
