"""The JSON of ``/api/state``: every run in short, and one of them in full.

Names and labels go out as they came in: the page sets them as text.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from telemetry.web.catalogue import TREE, answer_head
from telemetry.web.json_in_parts import encoded_in_parts
from telemetry.web.limit_use import limit_use, limits_used, nearest_limit
from telemetry.web.present import failed_fold, last_stage, last_time, present_fold, written
from telemetry.web.ranks import first_shown, ranks_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.daemon.live_state import LiveState
    from telemetry.reading import ChildUsage
    from telemetry.snapshot import FoldSnapshot, RunKey, Snapshot

RUNS_LISTED = 100
FOLDS_SHOWN = 100
CHECKPOINTS_SHOWN = 2_000
"""Of one run, the latest: an answer has a bounded size, and what is left out is counted."""
LAYERS = 4
"""Of the JSON: the state, a run, its curves, a curve. Each column is encoded by itself."""


def state(board: LiveState, wanted: RunKey | None) -> dict[str, Any]:
    """Return what is known of every run, and of the ``wanted`` one in full, else of the one that wrote last."""
    snapshots = sorted(board.snapshots, key=last_time, reverse=True)
    shown = next((one for one in snapshots if one.key == wanted), None)
    if shown is None:
        of_run = [one for one in snapshots if wanted is not None and one.run == wanted.run]
        shown = first_shown(of_run or snapshots)
    listed = snapshots[:RUNS_LISTED]
    return {
        **answer_head(board),
        "runs_in_all": len(snapshots),
        "run_names": len({one.run for one in snapshots}),
        "runs": [_in_short(board, one) for one in listed],
        "alerts": [asdict(alert) for alert in board.alerts()],
        "run": None if shown is None else _in_full(board, shown) | ranks_of(shown, snapshots),
    }


def runs_in_short(board: LiveState) -> dict[str, Any]:
    """Return every run in short, and none in full."""
    runs = [_in_short(board, one) for one in board.snapshots]
    alerts = [asdict(alert) for alert in board.alerts()]
    return {"now": board.clock(), "runs_in_all": len(runs), "runs": runs, "alerts": alerts}


def one_run(board: LiveState, wanted: RunKey) -> dict[str, Any] | None:
    """Return one run in full, with its ranks; None if there is none of that name."""
    shown = next((one for one in board.snapshots if one.key == wanted), None)
    return None if shown is None else _in_full(board, shown) | ranks_of(shown, board.snapshots)


def encoded_state(board: LiveState, wanted: RunKey | None) -> bytes:
    """Return `state` as JSON; other threads run between its pieces, of which each takes moments."""
    return encoded_in_parts(state(board, wanted), LAYERS).encode()


def _in_short(board: LiveState, snapshot: Snapshot) -> dict[str, Any]:
    fold_snapshot = present_fold(snapshot.folds)
    return {
        **snapshot.key._asdict(),
        "state": snapshot.state,
        "folds": snapshot.fold_count,
        "states": Counter(
            fold_snapshot.state for fold_snapshot in snapshot.folds if fold_snapshot.state
        ),
        "last_time": last_time(snapshot) or None,
        "unreadable": snapshot.unreadable or None,
        "series_left_out": board.exposition.left_out.get(snapshot.key),
        "is_live": fold_snapshot is not None and fold_snapshot.ended_at is None,
        "binding": None
        if fold_snapshot is None or fold_snapshot.latest is None
        else nearest_limit(fold_snapshot.latest),
        **_standing(snapshot, fold_snapshot),
    }


def _standing(snapshot: Snapshot, present: FoldSnapshot | None) -> dict[str, Any]:
    """Return where a run is, what its limits come to at its growth so far, and how to go on with it."""
    left = [one.folds_to_limit for one in snapshot.growth if one.is_alarming]
    failed = failed_fold(snapshot)
    return {
        "fold": present.fold if present else None,
        "stage": last_stage(present),
        "is_growing": bool(left),
        "folds_to_limit": min((one for one in left if one is not None), default=None),
        "cause": failed.cause or None if failed else None,
        "directory": snapshot.directory or None,
        "resume": snapshot.resume or None,
    }


def _child(child: ChildUsage) -> dict[str, Any]:
    return {
        "child": child.name,
        "threads": child.threads,
        "maps": child.maps,
        "rss_bytes": child.rss_bytes,
        "pss_bytes": child.pss_bytes,
        "open_fds": child.open_fds,
        "binding": None if child.binding is None else limit_use(child, child.binding),
    }


def _in_full(board: LiveState, snapshot: Snapshot) -> dict[str, Any]:
    present = present_fold(snapshot.folds)
    latest = present.latest if present else None
    history = board.histories.get(snapshot.key)
    shown = _latest(snapshot.folds)
    checkpoints = _checkpoints(shown)
    return {
        **_in_short(board, snapshot),
        "present": None if present is None else present.fold,
        "parts": [_fold(fold_snapshot) for fold_snapshot in shown],
        "parts_left_out": len(snapshot.folds) - len(shown),
        "threads": latest.threads if latest else None,
        "rss_bytes": latest.rss_bytes if latest else None,
        "ceilings": limits_used(latest) if latest else [],
        "holders": [] if present is None else _holders(present),
        "hits": {
            "pids_limit_hits": latest.pids_limit_hits if latest else None,
            "oom_kills": latest.oom_kills if latest else None,
        },
        "pools": _pools(present) if present else [],
        "children": [_child(one) for one in (latest.children if latest else None) or ()],
        "tree": {name: getattr(latest, name, None) for name in TREE},
        "growth": [asdict(growth) for growth in snapshot.growth],
        "odd": list(snapshot.odd),
        "judged_until": snapshot.judged_until,
        "command": snapshot.command,
        "curves": history.as_json({one.fold for one in shown}) if history else [],
        "checkpoints": checkpoints[-CHECKPOINTS_SHOWN:],
        "checkpoints_left_out": max(0, len(checkpoints) - CHECKPOINTS_SHOWN),
    }


def _holders(fold_snapshot: FoldSnapshot) -> list[dict[str, Any]]:
    """Return who held which limit when that was looked at last, and what to do about the largest holder."""
    return [
        {"ceiling": name, "time": one.time, "sentence": one.sentence, "advice": one.advice}
        for name, one in fold_snapshot.holders.items()
    ]


def _latest(folds: Sequence[FoldSnapshot]) -> list[FoldSnapshot]:
    """Return the FOLDS_SHOWN folds that wrote last, in their order."""
    ranked = sorted(range(len(folds)), key=lambda place: written(folds[place]), reverse=True)
    return [folds[place] for place in sorted(ranked[:FOLDS_SHOWN])]


def _fold(fold_snapshot: FoldSnapshot) -> dict[str, Any]:
    stages = sorted(fold_snapshot.checkpoints.values(), key=lambda reading: reading.time)
    return {
        "fold": fold_snapshot.fold,
        "state": fold_snapshot.present_state,
        "cause": fold_snapshot.cause,
        "exit_code": fold_snapshot.exit_code,
        "was_interrupted": fold_snapshot.was_interrupted,
        "seconds": fold_snapshot.seconds,
        "ended_at": fold_snapshot.ended_at,
        "began_at": stages[0].time if stages else None,
        "stage": stages[-1].stage if stages else None,
        "last_time": fold_snapshot.latest.time if fold_snapshot.latest else None,
        "errors": sum(fold_snapshot.error_counts.values()),
    }


def _pools(fold_snapshot: FoldSnapshot) -> list[dict[str, Any]]:
    """Return the threads by pool now and at the fold's first label, the largest first."""
    now = (fold_snapshot.latest and fold_snapshot.latest.pools) or {}
    stages = sorted(fold_snapshot.checkpoints.values(), key=lambda reading: reading.time)
    first = next((reading.pools for reading in stages if reading.pools), {})
    pools = [
        {"pool": name, "threads": count, "at_first": first.get(name, 0)}
        for name, count in now.items()
    ]
    return sorted(pools, key=lambda pool: -pool["threads"])


def _checkpoints(folds: Sequence[FoldSnapshot]) -> list[dict[str, Any]]:
    found = [
        {"fold": fold_snapshot.fold, "stage": stage, "time": reading.time}
        for fold_snapshot in folds
        for stage, reading in fold_snapshot.checkpoints.items()
    ]
    return sorted(found, key=lambda checkpoint: checkpoint["time"])
