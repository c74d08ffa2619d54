"""`AlertGrouping`: a flood of alerts becomes a few: beyond a number for each run and minute, one for each kind."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.alerts.alert import Alert

ALERTS_PER_MINUTE = 20
"""Of each severity of a run; those beyond are counted in an alert that stands for all of their name."""
MINUTE_SECONDS = 60.0

AlertKey: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class _Group:
    """The alerts of one name and run that are not sent one by one."""

    alert: Alert
    members: set[AlertKey] = field(default_factory=set)
    told_at: float | None = None
    has_grown: bool = False
    is_watched: bool = True
    """Whether every member that is gone was seen to end."""
    until: float | None = None
    """For how long those stay that were not."""


class AlertGrouping:
    """Passes beginnings and ends on to ``send``, those of a flood as one.

    Invariant: each alert that is sent has begun once, and ends once or is no longer watched.
    """

    def __init__(self, send: Callable[[Alert], None]) -> None:
        self._send = send
        self._sent: dict[tuple[str, str], tuple[float, int]] = {}
        """Since when, and how many in that minute, by run and severity."""
        self._groups: dict[tuple[str, str], _Group] = {}

    def begin(self, alert: Alert) -> None:
        """Send the beginning of ``alert``, or put it into its group."""
        bucket = alert.labels["run"], alert.severity.value
        since, count = self._sent.get(bucket, (alert.began, 0))
        if count < ALERTS_PER_MINUTE:
            self._sent[bucket] = since, count + 1
            self._send(alert)
            return
        group = self._groups.setdefault((alert.name, alert.labels["run"]), _Group(alert))
        group.members.add(_key(alert))
        group.has_grown = True

    def end(self, alert: Alert) -> None:
        """Send the end of ``alert``, or take it out of its group."""
        group = self._group(alert)
        if group is None:
            self._send(alert)
        else:
            group.members.discard(_key(alert))
            group.is_watched &= alert.is_watched
            group.until = max(group.until or 0.0, alert.until or 0.0) or None

    def update(self, alert: Alert) -> None:
        """Send that the run of ``alert`` died; of one in a group the group says nothing of it."""
        if self._group(alert) is None:
            self._send(alert)

    def settle(self, now: float) -> None:
        """Send what the groups have become; called after each round of beginnings and ends."""
        self._sent = {
            bucket: (since, count)
            for bucket, (since, count) in self._sent.items()
            if _is_within_a_minute(since, now)
        }
        for key, group in list(self._groups.items()):
            if not group.members:
                del self._groups[key]
                if group.told_at is not None:
                    ended, until = (now, None) if group.is_watched else (None, group.until)
                    shown = replace(_shown(group), ended=ended, until=until)
                    self._send(replace(shown, is_watched=group.is_watched))
            elif group.has_grown and (
                group.told_at is None or not _is_within_a_minute(group.told_at, now)
            ):
                group.has_grown, group.told_at = False, now
                self._send(_shown(group))

    def shown(self, alerts: list[Alert]) -> tuple[Alert, ...]:
        """Return ``alerts`` with the groups in place of their members."""
        alone = [alert for alert in alerts if self._group(alert) is None]
        return (*alone, *map(_shown, self._groups.values()))

    def _group(self, alert: Alert) -> _Group | None:
        group = self._groups.get((alert.name, alert.labels["run"]))
        return group if group is not None and _key(alert) in group.members else None


def _is_within_a_minute(moment: float, now: float) -> bool:
    """Whether ``moment`` was less than a minute ago; one to come was before the clock was set back."""
    return 0 <= now - moment < MINUTE_SECONDS


def _key(alert: Alert) -> AlertKey:
    return alert.name, tuple(sorted(alert.labels.items()))


def _shown(group: _Group) -> Alert:
    first = group.alert
    return replace(
        first,
        labels={"run": first.labels["run"], "host": "", "rank": "", "fold": "", "grouped": "true"},
        summary=f"and {len(group.members):,} more of this kind; the first of them: {first.summary}",
    )
