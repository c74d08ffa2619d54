"""The JSON of ``/api/state``: every run in short, and one of them in full.

Names and labels go out as they came in: the page sets them as text.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any

from telemetry.limits import LIMITS, USED_BY
from telemetry.reading import LimitState
from telemetry.web.ranks import first_shown, ranks_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from telemetry.daemon.live_state import LiveState
    from telemetry.reading import ChildUsage, Reading
    from telemetry.snapshot import FoldSnapshot, RunKey, Snapshot

RUNS_LISTED = 100
FOLDS_SHOWN = 100
CHECKPOINTS_SHOWN = 2_000
"""Of one run, the latest: an answer has a bounded size, and what is left out is counted."""
LAYERS = 4
"""Of the JSON: the state, a run, its curves, a curve. Each column is encoded by itself."""
_NO_LIMITS = {
    "pids_cgroup": ("threads", "Threads of the process"),
    "cgroup_memory": ("rss_bytes", "Resident memory"),
}
"""What the page shows of a process beside its limits: field and title, by the limit it is shown after."""


TREE = (
    "descendants",
    "tree_threads",
    "tree_maps",
    "tree_rss_bytes",
    "tree_pss_bytes",
    "tree_open_fds",
)
"""What the page shows of a process and its descendants together."""


def _catalogue() -> list[dict[str, Any]]:
    """Return name, title and unit of everything the page shows, in its order."""
    shown: dict[str, tuple[str, bool]] = {}
    for name, field in USED_BY.items():
        spec = LIMITS[name]
        shown[name] = spec.label, spec.is_bytes
        if name in _NO_LIMITS:
            own, title = _NO_LIMITS[name]
            shown[own] = title, spec.is_bytes
        shown.setdefault(field, shown[name])
    return [
        {"name": name, "title": title, "is_bytes": is_bytes}
        for name, (title, is_bytes) in shown.items()
    ]


CATALOGUE = _catalogue()


def state(board: LiveState, wanted: RunKey | None) -> dict[str, Any]:
    """Return what is known of every run, and of the ``wanted`` one in full, else of the one that wrote last."""
    snapshots = sorted(board.snapshots, key=_last_time, reverse=True)
    shown = next((one for one in snapshots if one.key == wanted), None)
    if shown is None:
        shown = first_shown(snapshots)
    listed = snapshots[:RUNS_LISTED]
    return {
        "now": board.clock(),
        "version": metadata.version("foldwatch"),
        "catalogue": CATALOGUE,
        "runs_in_all": len(snapshots),
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
    return _encoded(state(board, wanted), LAYERS).encode()


def _encoded(value: Any, layers: int) -> str:
    if layers and isinstance(value, dict):
        pairs = (f"{json.dumps(name)}:{_encoded(one, layers - 1)}" for name, one in value.items())
        return "{" + ",".join(pairs) + "}"
    if layers and isinstance(value, list):
        return "[" + ",".join(_encoded(one, layers - 1) for one in value) + "]"
    return json.dumps(value, separators=(",", ":"))


def _last_time(snapshot: Snapshot) -> float:
    return max(
        (fold_snapshot.latest.time for fold_snapshot in snapshot.folds if fold_snapshot.latest),
        default=0.0,
    )


def _in_short(board: LiveState, snapshot: Snapshot) -> dict[str, Any]:
    fold_snapshot = _present(snapshot.folds)
    return {
        **snapshot.key._asdict(),
        "state": snapshot.state,
        "folds": snapshot.fold_count,
        "states": Counter(
            fold_snapshot.state for fold_snapshot in snapshot.folds if fold_snapshot.state
        ),
        "last_time": _last_time(snapshot) or None,
        "unreadable": snapshot.unreadable or None,
        "series_left_out": board.exposition.left_out.get(snapshot.key),
        "is_live": fold_snapshot is not None and fold_snapshot.ended_at is None,
        "binding": None
        if fold_snapshot is None or fold_snapshot.latest is None
        else _binding(fold_snapshot.latest),
        **_standing(snapshot, fold_snapshot),
    }


def _standing(snapshot: Snapshot, present: FoldSnapshot | None) -> dict[str, Any]:
    """Return where a run is, what its limits come to at its growth so far, and how to go on with it."""
    stages = sorted(present.checkpoints.values(), key=lambda one: one.time) if present else []
    left = [one for one in snapshot.growth if one.is_alarming and one.folds_to_limit is not None]
    causes = (one.cause for one in snapshot.folds if one.present_state.is_failure)
    return {
        "fold": present.fold if present else None,
        "stage": stages[-1].stage if stages else None,
        "is_growing": any(one.is_alarming for one in snapshot.growth),
        "folds_to_limit": min((one.folds_to_limit or 0.0 for one in left), default=None),
        "cause": next(filter(None, causes), None),
        "directory": snapshot.directory or None,
        "resume": snapshot.resume or None,
    }


def _present(folds: Iterable[FoldSnapshot]) -> FoldSnapshot | None:
    """Return the fold that wrote last: the one that runs, or the last one of a run that ended."""
    return max((one for one in folds if one.latest is not None), key=_written, default=None)


def _binding(reading: Reading) -> dict[str, Any] | None:
    """Return the limit that is nearest, of the process or of one of its children."""
    child = reading.binding_child
    if child is not None and child.binding is not None:
        return {**_limit(child, child.binding), "child": child.name}
    return None if reading.binding is None else _limit(reading, reading.binding)


def _child(child: ChildUsage) -> dict[str, Any]:
    return {
        "child": child.name,
        "threads": child.threads,
        "maps": child.maps,
        "rss_bytes": child.rss_bytes,
        "pss_bytes": child.pss_bytes,
        "open_fds": child.open_fds,
        "binding": None if child.binding is None else _limit(child, child.binding),
    }


def _limit(reading: Reading | ChildUsage, name: str) -> dict[str, Any]:
    usage = reading.usage(name)
    limit = usage.limit
    return {
        "ceiling": name,
        "column": USED_BY[name],
        "current": usage.current,
        "limit": limit.value if isinstance(limit, LimitState) else limit,
        "ratio": usage.ratio if usage.limit else None,
    }


def _limits(reading: Reading) -> list[dict[str, Any]]:
    return [_limit(reading, name) for name in USED_BY if name in reading.limits]


def _in_full(board: LiveState, snapshot: Snapshot) -> dict[str, Any]:
    present = _present(snapshot.folds)
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
        "ceilings": _limits(latest) if latest else [],
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
    ranked = sorted(range(len(folds)), key=lambda place: _written(folds[place]), reverse=True)
    return [folds[place] for place in sorted(ranked[:FOLDS_SHOWN])]


def _written(fold_snapshot: FoldSnapshot) -> tuple[bool, float]:
    """Return what orders folds: those that run come last, then by their last readings."""
    latest = fold_snapshot.latest
    return latest is not None and fold_snapshot.ended_at is None, latest.time if latest else 0.0


def _fold(fold_snapshot: FoldSnapshot) -> dict[str, Any]:
    stages = sorted(fold_snapshot.checkpoints.values(), key=lambda reading: reading.time)
    return {
        "fold": fold_snapshot.fold,
        "state": fold_snapshot.present_state,
        "cause": fold_snapshot.cause,
        "exit_code": fold_snapshot.exit_code,
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
