"""`AlertEngine`: turns conditions into episodes: one alert at its beginning, one at its end.

An end is a condition that was seen not to hold any more, or a fold that has finished. What is only out
of sight (the daemon stops, a run is gone, cannot be read or has died) has not ended.
It has no thread and no clock of its own. Stamps are of the time that it is told; durations are of a steady time, whose
clock nobody sets.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from telemetry.alerts.alert import Alert
from telemetry.alerts.grouping import AlertGrouping
from telemetry.alerts.rules import RULES, Condition, ConditionTracker, growth_conditions, run_labels
from telemetry.snapshot import FoldState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from telemetry.snapshot import FoldSnapshot, Snapshot

logger = logging.getLogger("foldwatch")

Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class _ActiveAlert:
    """A condition that holds, or held a moment ago; in steady time."""

    since: float
    last_seen: float
    alert: Alert | None = None
    """None while it has not held for long enough."""


class AlertEngine:
    """Judges the snapshots given to `observe`.

    Invariant: an alert is sent exactly once when it begins and once when it ends or is no longer
    watched; in between it is in ``active``, by itself or in a group.
    """

    def __init__(self, send: Callable[[Alert], None] = lambda _: None) -> None:
        """Take the function that gets each beginning and end; it must not block."""
        self.active: tuple[Alert, ...] = ()
        """Replaced, never changed: another thread may read it."""
        self._grouping = AlertGrouping(send)
        self._episodes: dict[Key, _ActiveAlert] = {}
        self._trackers: dict[tuple[str, ...], ConditionTracker] = {}
        self._before = self._set_back = self._steady = 0.0

    def observe(
        self, snapshots: Sequence[Snapshot], now: float, *, steady: float | None = None
    ) -> None:
        """Judge the runs as they are at ``now``; one that is no longer among them is not watched any more.

        ``steady`` is the same moment by time.monotonic; without it, it is ``now`` as if its clock were never set back.
        """
        self._set_back += max(0.0, self._before - now)
        self._before = now
        self._steady = now + self._set_back if steady is None else steady
        known: dict[tuple[str, ...], ConditionTracker] = {}
        present = {
            (found.name, found.labels): found for found in self._conditions(snapshots, known, now)
        }
        running, finished = _folds(snapshots)
        self._trackers = known
        for key, condition in present.items():
            self._hold(key, condition, now)
        for key in [key for key in self._episodes if key not in present]:
            subject = _subject(key)
            if subject in running:
                self._release(key, now)
            elif subject in finished:
                self._end(key, ended=now)
            else:
                self._end(key, is_watched=False)
        self._show(now)

    def close(self, now: float) -> None:
        """Let go of the active alerts: the runs are not watched any more."""
        for key in list(self._episodes):
            self._end(key, is_watched=False)
        self._show(now)

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
            yield from tracker.conditions(fold_snapshot, labels, now=now, steady=self._steady)

    def _hold(self, key: Key, condition: Condition, now: float) -> None:
        episode = self._episodes.setdefault(key, _ActiveAlert(self._steady, self._steady))
        episode.last_seen = self._steady
        rule = RULES[condition.name]
        if episode.alert is None and self._steady - episode.since >= rule.for_seconds:
            episode.alert = Alert(
                name=condition.name,
                severity=rule.severity,
                labels=dict(condition.labels),
                summary=condition.summary,
                description=condition.description,
                began=now,
            )
            self._grouping.begin(episode.alert)
        elif episode.alert is not None:
            episode.alert = replace(
                episode.alert, summary=condition.summary, description=condition.description
            )

    def _release(self, key: Key, now: float) -> None:
        """End an episode whose condition was seen not to hold, as soon as its rule says so."""
        episode, silent = self._episodes[key], self._steady - self._episodes[key].last_seen
        tracker = self._trackers.get(_subject(key))
        if tracker is not None and dict(key[1]).get("ceiling") in tracker.unknown:
            episode.last_seen = self._steady
        elif episode.alert is None or silent >= RULES[key[0]].keep_firing_for:
            self._end(key, ended=now)

    def _end(self, key: Key, *, ended: float | None = None, is_watched: bool = True) -> None:
        alert = self._episodes.pop(key).alert
        if alert is not None:
            ended = None if ended is None else max(ended, alert.began)
            self._grouping.end(replace(alert, ended=ended, is_watched=is_watched))

    def _show(self, now: float) -> None:
        self._grouping.settle(now)
        began = [e.alert for e in self._episodes.values() if e.alert is not None]
        self.active = self._grouping.shown(began)


def _subject(key: Key) -> tuple[str, ...]:
    labels = dict(key[1])
    return labels["run"], labels["host"], labels["rank"], labels["fold"]


def _folds(
    snapshots: Sequence[Snapshot],
) -> tuple[set[tuple[str, ...]], set[tuple[str, ...]]]:
    """Return the folds that run and those that finished; for a run as a whole the fold is "".

    One that failed, or that nobody hears of any more, is neither.
    """
    running: set[tuple[str, ...]] = set()
    finished: set[tuple[str, ...]] = set()
    for snapshot in snapshots:
        place = tuple(run_labels(snapshot).values())
        runs = [one for one in snapshot.folds if one.is_running]
        ended = [one for one in snapshot.folds if _has_finished(one)]
        running |= {(*place, one.label) for one in runs} | ({(*place, "")} if runs else set())
        finished |= {(*place, one.label) for one in ended}
        if len(ended) == len(snapshot.folds):
            finished.add((*place, ""))
    return running, finished


def _has_finished(fold_snapshot: FoldSnapshot) -> bool:
    if fold_snapshot.state is None:  # no runner says how it ended: its exit code does
        return fold_snapshot.exit_code == 0
    return fold_snapshot.state in {FoldState.FINISHED, FoldState.SKIPPED}
