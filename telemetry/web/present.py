"""What is present of a run: the fold that wrote last, its stage, and when that was."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.snapshot import FoldSnapshot, Snapshot


def last_time(snapshot: Snapshot) -> float:
    """Return when the last reading was taken; 0 without any."""
    return max((fold.latest.time for fold in snapshot.folds if fold.latest), default=0.0)


def present_fold(folds: Iterable[FoldSnapshot]) -> FoldSnapshot | None:
    """Return the fold that wrote last: the one that runs, or the last one of a run that ended."""
    return max((one for one in folds if one.latest is not None), key=written, default=None)


def written(fold: FoldSnapshot) -> tuple[bool, float]:
    """Return what orders folds: those that run come last, then by their last readings."""
    latest = fold.latest
    return latest is not None and fold.ended_at is None, latest.time if latest else 0.0


def last_stage(fold: FoldSnapshot | None) -> str | None:
    """Return the stage that the fold's last label names."""
    stages = fold.checkpoints.values() if fold else ()
    return max(stages, key=lambda reading: reading.time).stage if stages else None


def failed_fold(snapshot: Snapshot) -> FoldSnapshot | None:
    """Return the fold that failed last, of those that nobody interrupted; None where none did."""
    failed = [one for one in snapshot.folds if one.present_state.is_failure]
    return max((one for one in failed if not one.was_interrupted), key=_ended, default=None)


def _ended(fold: FoldSnapshot) -> float:
    return fold.ended_at or (fold.latest.time if fold.latest else 0.0)
