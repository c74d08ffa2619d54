"""The ranks of a run side by side, for the page: what each holds, and its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telemetry.snapshot import LiveRunState
from telemetry.web.limit_use import nearest_limit
from telemetry.web.present import last_stage, present_fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from telemetry.snapshot import Snapshot

RANKS_SHOWN = 256
LARGEST_RANK = 10**9
_FIRST_STATES = {LiveRunState.FAILED: 0, LiveRunState.DIED: 0, LiveRunState.STALE: 1}
"""Of a rank that needs somebody more than one that grows."""


def first_shown(snapshots: Sequence[Snapshot]) -> Snapshot | None:
    """Return the snapshot to show where none is asked for: of the run that wrote last, the rank with the worst verdict.

    It must not change with who wrote last: ranks write in turns.

    Args:
        snapshots: The one that wrote last first.
    """
    ranks = [one for one in snapshots if one.run == snapshots[0].run] if snapshots else []
    return min(ranks, key=rank_place, default=None)


def ranks_of(shown: Snapshot, snapshots: Iterable[Snapshot]) -> dict[str, Any]:
    """Return the ranks of the run that is shown, the worst first; none where there is one alone."""
    ranks = sorted((one for one in snapshots if one.run == shown.run), key=rank_place)
    if len(ranks) < 2:
        ranks = []
    return {
        "ranks": [_rank(one) for one in ranks[:RANKS_SHOWN]],
        "ranks_left_out": max(0, len(ranks) - RANKS_SHOWN),
    }


def _rank(snapshot: Snapshot) -> dict[str, Any]:
    fold = present_fold(snapshot.folds)
    latest = fold.latest if fold else None
    return {
        "host": snapshot.host,
        "rank": snapshot.rank,
        "fold": latest.fold if latest else None,
        "stage": last_stage(fold),
        "threads": latest.threads if latest else None,
        "maps": latest.maps if latest else None,
        "rss_bytes": latest.rss_bytes if latest else None,
        "state": snapshot.state,
        "is_live": fold is not None and fold.ended_at is None,
        "last_time": latest.time if latest else None,
        "binding": nearest_limit(latest) if latest else None,
        "growing": [
            {"resource": growth.resource, "per_fold": growth.per_fold, "verdict": growth.verdict}
            for growth in snapshot.growth
            if growth.is_alarming
        ],
        "is_judged": bool(snapshot.growth),
        "odd": list(snapshot.odd),
    }


def rank_place(snapshot: Snapshot) -> tuple[int, bool, bool, int, str, str]:
    """Return what orders ranks: what failed, what is silent, what grows, what differs, then by number.

    A launcher has no number, and is last.
    """
    state = _FIRST_STATES.get(snapshot.state, len(_FIRST_STATES))
    is_growing = any(growth.is_alarming for growth in snapshot.growth)
    number = (
        int(snapshot.rank)
        if snapshot.rank.isdecimal() and len(snapshot.rank) < 10
        else LARGEST_RANK
    )
    return state, not is_growing, not snapshot.odd, number, snapshot.rank, snapshot.host
