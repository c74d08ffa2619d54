"""What the page shows, as JSON: the runs in short, and one of them in full.

Owns the shape of ``/api/state``. It must not know how it looks. Names and labels go out as they came
in: the page sets them as text.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any

from telemetry.limits import USED_BY
from telemetry.reading import LimitState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from telemetry.daemon.live_state import LiveState
    from telemetry.reading import Reading
    from telemetry.snapshot import FoldSnapshot, RunKey, Snapshot

RUNS_LISTED = 100


def state(board: LiveState, wanted: RunKey | None) -> dict[str, Any]:
    """Return what is known of every run, and of the ``wanted`` one (else the latest) in full."""
    snapshots = sorted(board.snapshots, key=_last_time, reverse=True)
    shown = next((one for one in snapshots if one.key == wanted), None)
    if shown is None and snapshots:
        shown = snapshots[0]
    listed = snapshots[:RUNS_LISTED]
    return {
        "now": board.clock(),
        "version": metadata.version("foldwatch"),
        "runs_in_all": len(snapshots),
        "runs": [_in_short(one) for one in listed],
        "alerts": [asdict(alert) for alert in board.alerts()],
        "run": None if shown is None else _in_full(board, shown),
    }


def _last_time(snapshot: Snapshot) -> float:
    return max((part.latest.time for part in snapshot.folds if part.latest), default=0.0)


def _in_short(snapshot: Snapshot) -> dict[str, Any]:
    part = _present(snapshot.folds)
    return {
        **snapshot.key._asdict(),
        "folds": snapshot.fold_count,
        "states": Counter(part.state for part in snapshot.folds if part.state),
        "last_time": _last_time(snapshot) or None,
        "is_live": part is not None and part.ended_at is None,
        "binding": None if part is None or part.latest is None else _binding(part.latest),
    }


def _present(parts: Iterable[FoldSnapshot]) -> FoldSnapshot | None:
    """Return the fold that wrote last: the one that runs, or the last one of a run that ended."""
    with_reading = [part for part in parts if part.latest is not None]
    return max(
        with_reading,
        key=lambda part: (part.ended_at is None, part.latest.time if part.latest else 0.0),
        default=None,
    )


def _binding(reading: Reading) -> dict[str, Any] | None:
    return None if reading.binding is None else _ceiling(reading, reading.binding)


def _ceiling(reading: Reading, ceiling: str) -> dict[str, Any]:
    usage = reading.usage(ceiling)
    limit = usage.limit
    return {
        "ceiling": ceiling,
        "column": USED_BY[ceiling],
        "current": usage.current,
        "limit": limit.value if isinstance(limit, LimitState) else limit,
        "ratio": usage.ratio if usage.limit else None,
    }


def _ceilings(reading: Reading) -> list[dict[str, Any]]:
    return [_ceiling(reading, name) for name in USED_BY if name in reading.limits]


def _in_full(board: LiveState, snapshot: Snapshot) -> dict[str, Any]:
    present = _present(snapshot.folds)
    latest = present.latest if present else None
    history = board.histories.get(snapshot.key)
    return {
        **_in_short(snapshot),
        "present": None if present is None else present.fold,
        "parts": [_part(part) for part in snapshot.folds],
        "threads": latest.threads if latest else None,
        "rss_bytes": latest.rss_bytes if latest else None,
        "ceilings": _ceilings(latest) if latest else [],
        "hits": {
            "pids_limit_hits": latest.pids_limit_hits if latest else None,
            "oom_kills": latest.oom_kills if latest else None,
        },
        "pools": _pools(present) if present else [],
        "growth": [asdict(growth) for growth in snapshot.growth],
        "curves": history.as_json() if history else [],
        "checkpoints": _checkpoints(snapshot.folds),
    }


def _part(part: FoldSnapshot) -> dict[str, Any]:
    stages = sorted(part.checkpoints.values(), key=lambda reading: reading.time)
    return {
        "fold": part.fold,
        "state": part.state,
        "exit_code": part.exit_code,
        "seconds": part.seconds,
        "ended_at": part.ended_at,
        "began_at": stages[0].time if stages else None,
        "stage": stages[-1].stage if stages else None,
        "last_time": part.latest.time if part.latest else None,
        "errors": sum(part.error_counts.values()),
    }


def _pools(part: FoldSnapshot) -> list[dict[str, Any]]:
    """Return the threads by pool now and at the fold's first label, the largest first."""
    now = (part.latest and part.latest.pools) or {}
    stages = sorted(part.checkpoints.values(), key=lambda reading: reading.time)
    first = next((reading.pools for reading in stages if reading.pools), {})
    pools = [
        {"pool": name, "threads": count, "at_first": first.get(name, 0)}
        for name, count in now.items()
    ]
    return sorted(pools, key=lambda pool: -pool["threads"])


def _checkpoints(parts: Sequence[FoldSnapshot]) -> list[dict[str, Any]]:
    found = [
        {"fold": part.fold, "stage": stage, "time": reading.time}
        for part in parts
        for stage, reading in part.checkpoints.items()
    ]
    return sorted(found, key=lambda checkpoint: checkpoint["time"])
