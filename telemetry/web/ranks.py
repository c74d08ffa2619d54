"""The ranks of a run side by side, for the page: what each holds, and its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from telemetry.reading import Reading
    from telemetry.snapshot import Snapshot

RANKS_SHOWN = 256
LARGEST_RANK = 10**9


def first_shown(snapshots: Sequence[Snapshot]) -> Snapshot | None:
    """Return the snapshot to show where none is asked for: of the run that wrote last, the rank with the worst verdict.

    It must not change with who wrote last: ranks write in turns.

    Args:
        snapshots: The one that wrote last first.
    """
    ranks = [one for one in snapshots if one.run == snapshots[0].run] if snapshots else []
    return min(ranks, key=_place, default=None)


def ranks_of(shown: Snapshot, snapshots: Iterable[Snapshot]) -> dict[str, Any]:
    """Return the ranks of the run that is shown, the worst first; none where there is one alone."""
    ranks = sorted((one for one in snapshots if one.run == shown.run), key=_place)
    if len(ranks) < 2:
        ranks = []
    return {
        "ranks": [_rank(one) for one in ranks[:RANKS_SHOWN]],
        "ranks_left_out": max(0, len(ranks) - RANKS_SHOWN),
    }


def _rank(snapshot: Snapshot) -> dict[str, Any]:
    latest = _latest(snapshot)
    return {
        "host": snapshot.host,
        "rank": snapshot.rank,
        "fold": latest.fold if latest else None,
        "stage": _stage(snapshot, latest),
        "threads": latest.threads if latest else None,
        "maps": latest.maps if latest else None,
        "rss_bytes": latest.rss_bytes if latest else None,
        "state": snapshot.state,
        "is_live": any(one.ended_at is None for one in snapshot.folds if one.latest is not None),
        "growing": [
            {"resource": growth.resource, "per_fold": growth.per_fold, "verdict": growth.verdict}
            for growth in snapshot.growth
            if growth.is_alarming
        ],
        "is_judged": bool(snapshot.growth),
        "odd": list(snapshot.odd),
    }


def _stage(snapshot: Snapshot, latest: Reading | None) -> str | None:
    """Return the last stage of the fold that its latest reading is of."""
    of_fold = (one for one in snapshot.folds if latest is not None and one.fold == latest.fold)
    stages = [reading for one in of_fold for reading in one.checkpoints.values()]
    return max(stages, key=lambda reading: reading.time).stage if stages else None


def _latest(snapshot: Snapshot) -> Reading | None:
    readings = (one.latest for one in snapshot.folds if one.latest is not None)
    return max(readings, key=lambda reading: reading.time, default=None)


def _place(snapshot: Snapshot) -> tuple[bool, bool, int, str, str]:
    """Return what orders ranks: what grows first, then what differs, then by number; a launcher has none, and is last."""
    is_growing = any(growth.is_alarming for growth in snapshot.growth)
    number = (
        int(snapshot.rank)
        if snapshot.rank.isdecimal() and len(snapshot.rank) < 10
        else LARGEST_RANK
    )
    return not is_growing, not snapshot.odd, number, snapshot.rank, snapshot.host
