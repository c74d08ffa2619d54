"""`AlertEngine`: turns conditions into episodes: one alert at its beginning, one at its end.

An end is a condition that was seen not to hold any more, or a run that has finished. A run that died has ended nothing:
the alert is held until the fold runs again, or its time is over. What is only out of sight (the daemon stops, a run is
gone, cannot be read or was interrupted) has not ended either.
It has no thread and no clock of its own. Stamps are of the time that it is told; durations are of a steady time, whose
clock nobody sets.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from telemetry.alerts.alert import FAILURES, Alert
from telemetry.alerts.condition import by_key
from telemetry.alerts.episode import Episode, EpisodeState, death_words, stands_of
from telemetry.alerts.failures import by_host, failure_conditions
from telemetry.alerts.grouping import AlertGrouping
from telemetry.alerts.rules import RULES, ConditionTracker, growth_conditions
from telemetry.alerts.stalls import stall_conditions
from telemetry.alerts.standing import Standing, standings
from telemetry.alerts.told_failures import ToldFailures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from telemetry.alerts.condition import Condition, Key
    from telemetry.alerts.standing import Place, Stand
    from telemetry.snapshot import Snapshot

logger = logging.getLogger("foldwatch")

HOLD_SECONDS = 24 * 3600.0
"""For how long an alert goes on whose run died of it."""
_RUNNING = {Standing.RUNS, Standing.FINISHED}


class AlertEngine:
    """Judges the snapshots given to `observe`.

    Invariant: an alert is sent exactly once when it begins and once when it ends or is no longer
    watched; in between it is in ``active``, by itself or in a group.
    """

    def __init__(
        self,
        send: Callable[[Alert], None] = lambda _: None,
        *,
        hold_seconds: float = HOLD_SECONDS,
        run_again: Callable[[str], None] = lambda _: None,
        told: ToldFailures | None = None,
    ) -> None:
        """Take the function that gets each beginning and end; it must not block.

        ``run_again`` is called with the directory of a run that goes on after the end of an earlier runner; nor may it.
        ``told`` are the failures that an earlier engine told of.
        """
        self.run_again = run_again
        self._told = told or ToldFailures()
        self.active: tuple[Alert, ...] = ()
        """Replaced, never changed: another thread may read it."""
        self.page = ""
        """The address of the live page, without a slash at its end; empty where there is none."""
        self._hold_seconds = hold_seconds
        self._grouping = AlertGrouping(send)
        self._episodes: dict[Key, Episode] = {}
        self._trackers: dict[tuple[Place, str], ConditionTracker] = {}
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
        known: dict[tuple[Place, str], ConditionTracker] = {}
        present = by_key(self._conditions(snapshots, known, now))
        self._trackers = known
        for key, (condition, folds) in present.items():
            self._see(key, condition, folds, now)
        told = {dict(labels)["run"] for _, labels in self._episodes}
        standing = standings([one for one in snapshots if one.run in told])
        for key in tuple(self._episodes):
            stands = stands_of(key, self._episodes[key], standing)
            if key[0] not in FAILURES:
                self._episodes[key].note_ends(stands, self._steady)
            if key not in present:
                self._lapse(key, stands, standing, now)
        self._show(now)

    def close(self, now: float) -> None:
        """Let go of the active alerts, after a last word on what failed: the runs are not watched any more."""
        for key, episode in list(self._episodes.items()):
            if episode.alert is None and key[0] in FAILURES:
                self._begin(episode, now)
            self._end(key, now, is_watched=False)
        self._show(now)

    def _conditions(
        self,
        snapshots: Sequence[Snapshot],
        known: dict[tuple[Place, str], ConditionTracker],
        now: float,
    ) -> Iterator[Condition]:
        for ranks in by_host(snapshots):
            for snapshot in ranks:
                try:
                    yield from [*self._conditions_of(snapshot, known, now)]
                except Exception:
                    logger.exception("foldwatch: alerts of run %r cannot be told", snapshot.run)
            yield from stall_conditions(ranks)
            yield from failure_conditions(ranks, now=now, hold_seconds=self._hold_seconds)

    def _conditions_of(
        self,
        snapshot: Snapshot,
        known: dict[tuple[Place, str], ConditionTracker],
        now: float,
    ) -> Iterator[Condition]:
        yield from growth_conditions(snapshot)
        for fold_snapshot in snapshot.folds:
            key = (snapshot.run, snapshot.host, snapshot.rank), fold_snapshot.label
            tracker = known[key] = self._trackers.get(key) or ConditionTracker()
            yield from tracker.conditions(snapshot, fold_snapshot, now=now, steady=self._steady)

    def _see(self, key: Key, condition: Condition, folds: frozenset[str], now: float) -> None:
        """Take a condition that holds."""
        episode = self._episodes.setdefault(key, Episode(condition, self._steady, self._steady))
        episode.condition, episode.folds = condition, folds
        episode.last_seen = self._steady
        if episode.alert is not None:
            episode.alert = _as_it_is(episode.alert, condition, self.page)
        elif self._steady - episode.since >= RULES[condition.name].for_seconds:
            self._begin(episode, now)

    def _begin(self, episode: Episode, now: float) -> None:
        condition = episode.condition
        bare = Alert(
            name=condition.name,
            severity=RULES[condition.name].severity,
            labels=dict(condition.labels),
            summary=condition.summary,
            description=condition.description,
            began=now,
        )
        episode.alert = _as_it_is(bare, condition, self.page)
        if condition.until is not None:
            ended_at = condition.until - self._hold_seconds
            is_known = self._told.knows(condition.key, ended_at)
            episode.alert = replace(episode.alert, is_held=is_known)
            self._told.note(condition.key, ended_at)
        self._grouping.begin(episode.alert)

    def _lapse(
        self,
        key: Key,
        stands: Mapping[str, Stand],
        standing: Mapping[tuple[Place, str], Stand],
        now: float,
    ) -> None:
        """Decide on an episode whose condition is not seen to hold."""
        episode = self._episodes[key]
        if episode.alert is None:
            del self._episodes[key]
        elif not stands:
            self._end(key, now, is_watched=False)
        elif key[0] in FAILURES:
            runs_again = all(stand.standing in _RUNNING for stand in stands.values())
            is_over = episode.alert.until is not None and now >= episode.alert.until
            if runs_again or is_over:
                self._end(key, now, is_watched=runs_again)
        elif episode.state is EpisodeState.HELD:
            self._hold(key, episode.alert, stands, now)
        else:
            episode.alert = _as_it_is(episode.alert, episode.condition, self.page)
            self._release(key, standing, now)

    def _hold(self, key: Key, alert: Alert, stands: Mapping[str, Stand], now: float) -> None:
        """Keep an alert whose run died, until its time is over."""
        episode = self._episodes[key]
        left = max(episode.deaths.values()) + self._hold_seconds - self._steady
        if left <= 0:
            self._end(key, now, is_watched=False)
            return
        episode.last_seen = self._steady  # nobody sees how it is now
        causes = (stands[fold].cause for fold in episode.deaths if fold in stands)
        cause = next(filter(None, causes), "")
        summary = f"{episode.condition.summary}; {death_words(episode.condition, cause)}"
        if not alert.is_held or (cause and alert.summary != summary):
            until = alert.until if alert.is_held else now + left
            episode.alert = replace(alert, summary=summary, is_held=True, until=until)
            self._grouping.update(episode.alert)

    def _release(self, key: Key, standing: Mapping[tuple[Place, str], Stand], now: float) -> None:
        """End an episode whose condition was seen not to hold, as soon as its rule says so; at once with the run."""
        episode, labels = self._episodes[key], dict(key[1])
        place = labels["run"], labels["host"], labels["rank"]
        run = standing.get((place, ""))
        if run is not None and run.standing is Standing.FINISHED:
            self._end(key, now)
        elif any(
            labels.get("ceiling") in tracker.unknown
            for fold in episode.folds
            if (tracker := self._trackers.get((place, fold))) and (place, fold) in standing
        ):
            episode.last_seen = self._steady
        elif self._steady - episode.last_seen >= RULES[key[0]].keep_firing_for:
            self._end(key, now)

    def _end(self, key: Key, now: float, *, is_watched: bool = True) -> None:
        episode = self._episodes.pop(key)
        alert = episode.alert
        if alert is None:
            return
        if is_watched:
            alert = _as_it_is(alert, episode.condition, self.page)
            self._grouping.end(replace(alert, ended=max(now, alert.began), until=None))
        else:
            until = alert.until or now + self._hold_seconds
            self._grouping.end(replace(alert, is_watched=False, until=until))

    def _show(self, now: float) -> None:
        self._told.flush()
        self._grouping.settle(now)
        began = [e.alert for e in self._episodes.values() if e.alert is not None]
        self.active = self._grouping.shown(began)


def _as_it_is(alert: Alert, condition: Condition, page: str) -> Alert:
    """Return ``alert`` with the words of the present moment."""
    return replace(
        alert,
        summary=condition.summary,
        description=condition.description,
        facts=_facts(condition, page),
        until=condition.until,
        is_held=False,
    )


def _facts(condition: Condition, page: str) -> Mapping[str, str]:
    """Return the facts that are known, with the run's address on the live page."""
    facts = {name: text for name, text in condition.facts.items() if text}
    if page:
        labels = dict(condition.labels)
        rank = labels["rank"] or facts.get("rank", "")
        place = {"run": labels["run"], "host": labels["host"], "rank": rank}
        facts["page"] = f"{page}/?{urlencode(place)}"
    return facts
