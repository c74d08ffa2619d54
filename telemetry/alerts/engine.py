"""`AlertEngine`: turns conditions into episodes: one alert at its beginning, one at its end.

It has no thread and no clock of its own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from telemetry.alerts.alert import Alert
from telemetry.alerts.rules import RULES, Condition, ConditionTracker, growth_conditions, run_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from telemetry.snapshot import Snapshot

logger = logging.getLogger("foldwatch")

Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class _ActiveAlert:
    """A condition that holds, or held a moment ago."""

    since: float
    last_seen: float
    alert: Alert | None = None
    """None while it has not held for long enough."""


class AlertEngine:
    """Judges the snapshots given to `observe`.

    Invariant: an alert is sent exactly once when it begins and once when it ends; in between it is in
    ``active``.
    """

    def __init__(self, send: Callable[[Alert], None] = lambda _: None) -> None:
        """Take the function that gets each beginning and end; it must not block."""
        self.active: tuple[Alert, ...] = ()
        """Replaced, never changed: another thread may read it."""
        self._send = send
        self._episodes: dict[Key, _ActiveAlert] = {}
        self._trackers: dict[tuple[str, ...], ConditionTracker] = {}

    def observe(self, snapshots: Sequence[Snapshot], now: float) -> None:
        """Judge the runs as they are at ``now``; a run that is no longer among them is over."""
        known: dict[tuple[str, ...], ConditionTracker] = {}
        present = {
            (found.name, found.labels): found for found in self._conditions(snapshots, known, now)
        }
        running = _running(snapshots)
        self._trackers = known
        for key, condition in present.items():
            self._hold(key, condition, now)
        for key in [key for key in self._episodes if key not in present]:
            self._release(key, now, is_over=_subject(key) not in running)
        self._show()

    def close(self, now: float) -> None:
        """End the active alerts: the runs are not watched any more."""
        for key in list(self._episodes):
            self._release(key, now, is_over=True)
        self._show()

    def _conditions(
        self,
        snapshots: Sequence[Snapshot],
        known: dict[tuple[str, ...], ConditionTracker],
        now: float,
    ) -> Iterator[Condition]:
        for snapshot in snapshots:
            try:
                yield from [*self._conditions_of(snapshot, known, now)]
            except Exception:
                logger.exception("foldwatch: alerts of run %r cannot be told", snapshot.run)

    def _conditions_of(
        self, snapshot: Snapshot, known: dict[tuple[str, ...], ConditionTracker], now: float
    ) -> Iterator[Condition]:
        yield from growth_conditions(snapshot)
        for fold_snapshot in snapshot.folds:
            labels = {**run_labels(snapshot), "fold": fold_snapshot.label}
            key = tuple(labels.values())
            tracker = known[key] = self._trackers.get(key) or ConditionTracker()
            yield from tracker.conditions(fold_snapshot, labels, now=now)

    def _hold(self, key: Key, condition: Condition, now: float) -> None:
        episode = self._episodes.setdefault(key, _ActiveAlert(now, now))
        episode.last_seen = now
        rule = RULES[condition.name]
        if episode.alert is None and now - episode.since >= rule.for_seconds:
            episode.alert = Alert(
                name=condition.name,
                severity=rule.severity,
                labels=dict(condition.labels),
                summary=condition.summary,
                description=condition.description,
                began=now,
            )
            self._send(episode.alert)
        elif episode.alert is not None:
            episode.alert = replace(episode.alert, summary=condition.summary)

    def _release(self, key: Key, now: float, *, is_over: bool) -> None:
        episode = self._episodes[key]
        keep_firing_for = 0 if is_over or episode.alert is None else RULES[key[0]].keep_firing_for
        if now - episode.last_seen >= keep_firing_for:
            del self._episodes[key]
            if episode.alert is not None:
                self._send(replace(episode.alert, ended=now))

    def _show(self) -> None:
        self.active = tuple(e.alert for e in self._episodes.values() if e.alert is not None)


def _subject(key: Key) -> tuple[str, ...]:
    labels = dict(key[1])
    return labels["run"], labels["host"], labels["rank"], labels["fold"]


def _running(snapshots: Sequence[Snapshot]) -> set[tuple[str, ...]]:
    """Return the folds that run, and for each run with one the run itself (fold "")."""
    found: set[tuple[str, ...]] = set()
    for snapshot in snapshots:
        for fold_snapshot in snapshot.folds:
            if fold_snapshot.ended_at is None and not (
                fold_snapshot.state and fold_snapshot.state.is_final
            ):
                found |= {
                    (*run_labels(snapshot).values(), name) for name in (fold_snapshot.label, "")
                }
    return found
