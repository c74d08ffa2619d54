"""The JSON of ``/api/overview``: each run in one row, the most urgent first.

A run of many ranks is one row: that of the rank which needs somebody first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from telemetry.alerts.alert import Severity
from telemetry.web.catalogue import answer_head
from telemetry.web.json_in_parts import encoded_in_parts
from telemetry.web.limit_use import nearest_limit
from telemetry.web.present import failed_fold, last_stage, last_time, present_fold
from telemetry.web.ranks import rank_place
from telemetry.web.urgency import Urgency, urgency_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from telemetry.alerts.alert import Alert
    from telemetry.daemon.live_state import LiveState
    from telemetry.snapshot import FoldSnapshot, GrowthSnapshot, RunKey, Snapshot

ROWS_SHOWN = 500
HOSTS_SHOWN = 100
ALERTS_SHOWN = 20
GROWING_SHOWN = 3
LONGEST_TEXT = 400
"""Characters of a cause, a reason or an alert: the run's own page has all of it."""
LAYERS = 2
"""Of the JSON: the state, its list of runs. Each run is encoded by itself."""
_VERDICTS = ("critical", "growing", "slow", "inconclusive", "warm-up", "stable")
"""The worst first."""


class _Member(NamedTuple):
    """One host and rank of a run."""

    snapshot: Snapshot
    fold: FoldSnapshot | None
    nearest: dict[str, Any] | None
    urgency: Urgency

    @property
    def place(self) -> tuple[Any, ...]:
        """What orders members; it changes with no number that goes up and down."""
        return self.urgency.place, *rank_place(self.snapshot)


def overview(
    board: LiveState, is_meant: Callable[[Snapshot], bool] = lambda _: True
) -> dict[str, Any]:
    """Return every run that ``is_meant`` in a row, and the hosts of them."""
    now, alerts = board.clock(), board.alerts()
    alerts_of: defaultdict[str, list[Alert]] = defaultdict(list)
    for alert in sorted(alerts, key=_gravest):
        alerts_of[alert.labels.get("run", "")].append(alert)
    members: defaultdict[str, list[_Member]] = defaultdict(list)
    for snapshot in filter(is_meant, board.snapshots):
        members[snapshot.run].append(_member(snapshot, alerts_of[snapshot.run], now))
    rows = [_row(found, alerts_of[run]) for run, found in members.items()]
    rows.sort(key=_turn)
    hosts = Counter(one.snapshot.host for found in members.values() for one in found)
    of_none = [one for run, found in alerts_of.items() if run not in members for one in found]
    return {
        **answer_head(board),
        "runs": rows[:ROWS_SHOWN],
        "runs_in_all": len(rows),
        "counts": Counter(row["urgency"] for row in rows),
        "hosts": [host for host, _ in hosts.most_common(HOSTS_SHOWN)],
        "alerts": [_alert(alert) for alert in of_none[:ALERTS_SHOWN]],
    }


def encoded_overview(board: LiveState, _: RunKey) -> bytes:
    """Return `overview` as JSON; other threads run between its pieces."""
    return encoded_in_parts(overview(board), LAYERS).encode()


def _member(snapshot: Snapshot, alerts: Iterable[Alert], now: float) -> _Member:
    fold = present_fold(snapshot.folds)
    nearest = nearest_limit(fold.latest) if fold and fold.latest else None
    own = [one for one in alerts if _is_of(one, snapshot)]
    return _Member(snapshot, fold, nearest, urgency_of(snapshot, own, nearest, now))


def _is_of(alert: Alert, snapshot: Snapshot) -> bool:
    host, rank = alert.labels.get("host"), alert.labels.get("rank")
    return (not host or host == snapshot.host) and (not rank or rank == snapshot.rank)


def _gravest(alert: Alert) -> tuple[bool, float]:
    return alert.severity != Severity.CRITICAL, alert.began


def _row(members: Sequence[_Member], alerts: Sequence[Alert]) -> dict[str, Any]:
    """Return the row of the member that needs somebody first, with the nearest limit of all that go on."""
    first = min(members, key=lambda one: one.place)
    nearest = max((one for one in members if _goes_on(one)), key=_fullness, default=first)
    shown, fold = first.snapshot, first.fold
    latest = fold.latest if fold else None
    failed = failed_fold(shown)
    return {
        **shown.key._asdict(),
        "members": len(members),
        "hosts": len({one.snapshot.host for one in members}),
        "urgency": first.urgency,
        "state": shown.state,
        "states": Counter(one.snapshot.state for one in members),
        "fold": latest.fold if latest else None,
        "folds": shown.fold_count,
        "stage": last_stage(fold),
        "last_time": last_time(shown) or None,
        "is_live": _goes_on(first),
        "binding": nearest.nearest,
        "binding_rank": nearest.snapshot.rank,
        "folds_to_limit": _folds_to_limit(nearest),
        **_growth(members),
        "odd": next(iter(shown.odd), None),
        "cause": failed.cause[:LONGEST_TEXT] if failed else None,
        "exit_code": failed.exit_code if failed else None,
        "unreadable": shown.unreadable[:LONGEST_TEXT] or None,
        "alert": _alert(alerts[0]) if alerts else None,
        "alerts": len(alerts),
    }


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "name": alert.name,
        "severity": alert.severity,
        "summary": alert.summary[:LONGEST_TEXT],
        "ceiling": alert.labels.get("ceiling"),
        "time_left": alert.facts.get("time_left"),
    }


def _goes_on(member: _Member) -> bool:
    return member.fold is not None and member.fold.is_running


def _fullness(member: _Member) -> float:
    judged = (member.nearest or {}).get("judged")
    return -1.0 if judged is None else float(judged)


def _folds_to_limit(member: _Member) -> float | None:
    """Return in how many folds the nearest limit is full at this rate; None if nothing grows toward it."""
    if member.nearest is None:
        return None
    meant = member.nearest["column"], member.nearest.get("child", "")
    growth = (one for one in member.snapshot.growth if (one.resource, one.child) == meant)
    return next((one.folds_to_limit for one in growth if one.is_alarming), None)


def _growth(members: Iterable[_Member]) -> dict[str, Any]:
    """Return the worst verdict of all members, and what grows in the one that grows the fastest."""
    judged = [one for one in members if one.snapshot.growth]
    worst = min((_severity(g) for one in judged for g in one.snapshot.growth), default=None)
    growing = [one for one in judged if any(g.is_alarming for g in one.snapshot.growth)]
    first = min(growing, key=lambda one: one.place, default=None)
    found = [g for g in first.snapshot.growth if g.is_alarming] if first else []
    return {
        "verdict": None if worst is None else _VERDICTS[worst],
        "growing_members": len(growing),
        "growing": [
            {"resource": g.resource, "child": g.child, "per_fold": g.per_fold}
            for g in sorted(found, key=_severity)[:GROWING_SHOWN]
        ],
    }


def _severity(growth: GrowthSnapshot) -> int:
    return _VERDICTS.index(growth.verdict) if growth.verdict in _VERDICTS else len(_VERDICTS) - 1


def _turn(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return what orders rows: urgency; then what can be saved yet before what is over; then the fullest or the latest."""
    place = Urgency(row["urgency"]).place
    if row["is_live"]:
        judged = (row["binding"] or {}).get("judged") or 0.0
        return place, 0, -round(judged, 2), row["run"]
    return place, 1, -(row["last_time"] or 0.0), row["run"]
