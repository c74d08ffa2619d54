"""The JSON of ``/api/host``: what of a host's own limits is used, by which runs, and who holds the rest."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from telemetry.holders import COUNTED
from telemetry.limits import LIMITS
from telemetry.snapshot import FoldState
from telemetry.web.json_in_parts import encoded_in_parts
from telemetry.web.limit_use import limit_use
from telemetry.web.overview import LAYERS, overview

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from telemetry.daemon.live_state import LiveState
    from telemetry.holders import Holders
    from telemetry.reading import Reading
    from telemetry.snapshot import FoldSnapshot, RunKey, Snapshot

SHARED = ("host_memory", "cgroup_memory", "pids_cgroup", "threads_max", "pid_max", "nproc")
"""The limits that several runs of one host use together; every other one is of a single process."""
SCOPES_SHOWN = 50
RUNS_NAMED = 5


class _User(NamedTuple):
    """A process of a fold that goes on and was heard of lately."""

    snapshot: Snapshot
    fold: FoldSnapshot
    reading: Reading


def encoded_host(board: LiveState, wanted: RunKey) -> bytes:
    """Return the host's state as JSON; other threads run between its pieces."""
    return encoded_in_parts(host_state(board, wanted.host), LAYERS).encode()


def host_state(board: LiveState, host: str) -> dict[str, Any]:
    """Return the overview of the runs on ``host``, and the limits that they share there, the fullest first."""
    users: defaultdict[tuple[str, str], list[_User]] = defaultdict(list)
    for user in _users(one for one in board.snapshots if one.host == host):
        for name in SHARED:
            if name in user.reading.limits and user.reading.usage(name).current is not None:
                users[name, _scope(name, user.reading)].append(user)
    limits = [_shared(name, scope, found) for (name, scope), found in users.items()]
    limits.sort(key=_fullness, reverse=True)
    return {
        **overview(board, lambda one: one.host == host),
        "host": host,
        "limits": limits[:SCOPES_SHOWN],
        "limits_left_out": max(0, len(limits) - SCOPES_SHOWN),
    }


def _users(snapshots: Iterable[Snapshot]) -> Iterator[_User]:
    for snapshot in snapshots:
        for fold in snapshot.folds:
            is_heard = fold.is_running and fold.present_state is not FoldState.STALE
            if is_heard and fold.latest is not None:
                yield _User(snapshot, fold, fold.latest)


def _scope(name: str, reading: Reading) -> str:
    """Return whose use counts, as `Holders.scope` says it."""
    if name == "nproc":
        return "" if reading.uid is None else f"user {reading.uid}"
    return (reading.cgroup or "") if name in {"pids_cgroup", "cgroup_memory"} else "host"


def _shared(name: str, scope: str, users: list[_User]) -> dict[str, Any]:
    """Return one limit as the last reading has it, with the runs that use it, the largest first."""
    latest = max(users, key=lambda user: user.reading.time)
    amounts = _amounts(name, users)
    told = [found for user in users if (found := user.fold.holders.get(name)) is not None]
    return {
        **limit_use(latest.reading, name),
        "scope": scope,
        "time": latest.reading.time,
        "runs": [{"run": run, "amount": amount} for run, amount in amounts[:RUNS_NAMED]],
        "runs_in_all": len(amounts),
        "of_runs": sum(amount for _, amount in amounts),
        "holders": _told(max(told, key=lambda found: found.time, default=None)),
    }


def _amounts(name: str, users: Iterable[_User]) -> list[tuple[str, int]]:
    """Return how much each run holds. A launcher's tree is that of its ranks: it counts once."""
    launchers: defaultdict[str, int] = defaultdict(int)
    ranks: defaultdict[str, int] = defaultdict(int)
    for snapshot, _, reading in users:
        held = launchers if not snapshot.rank else ranks
        held[snapshot.run] += _amount(name, reading)
    runs = launchers.keys() | ranks.keys()
    amounts = [(run, max(launchers[run], ranks[run])) for run in runs]
    return sorted(amounts, key=lambda found: (-found[1], found[0]))


def _amount(name: str, reading: Reading) -> int:
    """Return what the process and its descendants hold of what counts against limit ``name``."""
    if COUNTED[name] == "tasks":
        return reading.tree_threads or reading.threads or 0
    return reading.tree_pss_bytes or reading.tree_rss_bytes or reading.rss_bytes or 0


def _told(holders: Holders | None) -> dict[str, Any] | None:
    if holders is None:
        return None
    return {"time": holders.time, "sentence": holders.sentence, "advice": holders.advice}


def _fullness(limit: dict[str, Any]) -> tuple[bool, float, str]:
    judged = limit["judged"] if LIMITS[limit["ceiling"]].advice else None
    return judged is not None, judged or 0.0, limit["ceiling"]
