"""`Urgency`: who needs a person first, of runs and of their ranks."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from telemetry.alerts.alert import Severity
from telemetry.snapshot import LiveRunState
from telemetry.used_share import CRITICAL_RATIO, NEAR_RATIO
from telemetry.web.present import failed_fold, last_time

if TYPE_CHECKING:
    from collections.abc import Collection

    from telemetry.alerts.alert import Alert
    from telemetry.snapshot import Snapshot

DAY_SECONDS = 86400.0
"""What failed or fell silent longer ago is over: nobody is woken for it."""


class Urgency(enum.StrEnum):
    """How soon a run needs somebody; the most urgent first."""

    CRITICAL = "critical"
    """Now: it is about to die, or died within a day."""
    WARNING = "warning"
    """Soon: a limit is near, or nothing is heard of it."""
    WATCH = "watch"
    """It grows, and no limit is in sight."""
    FINE = "fine"
    OVER = "over"

    @property
    def place(self) -> int:
        """0 for the most urgent."""
        return _ORDER[self]


_ORDER = {urgency: place for place, urgency in enumerate(Urgency)}
_GOES_ON = {LiveRunState.RUNNING, LiveRunState.WAITING}


def urgency_of(
    snapshot: Snapshot, alerts: Collection[Alert], nearest: dict[str, Any] | None, now: float
) -> Urgency:
    """Return how soon ``snapshot`` needs somebody, by its alerts, its state, its nearest limit and its growth."""
    severities = {alert.severity for alert in alerts}
    if Severity.CRITICAL in severities:
        return Urgency.CRITICAL
    by_state = _by_state(snapshot, now)
    if by_state is not None:
        return min(by_state, Urgency.WARNING, key=_place) if severities else by_state
    judged = (nearest or {}).get("judged") or 0.0
    if judged > CRITICAL_RATIO:
        return Urgency.CRITICAL
    if severities or judged > NEAR_RATIO or any(g.verdict == "critical" for g in snapshot.growth):
        return Urgency.WARNING
    return Urgency.WATCH if any(g.is_alarming for g in snapshot.growth) else Urgency.FINE


def _by_state(snapshot: Snapshot, now: float) -> Urgency | None:
    """Return it of a run that does not go on; None of one that does."""
    if snapshot.state in _GOES_ON:
        return None
    if snapshot.state is LiveRunState.UNREADABLE:
        return Urgency.WARNING
    if snapshot.state is LiveRunState.FINISHED or now - last_time(snapshot) > DAY_SECONDS:
        return Urgency.OVER
    if snapshot.state is LiveRunState.STALE:
        return Urgency.WARNING
    return Urgency.OVER if failed_fold(snapshot) is None else Urgency.CRITICAL


def _place(urgency: Urgency) -> int:
    return urgency.place
