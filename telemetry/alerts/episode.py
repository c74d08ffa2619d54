"""`Episode`: one alert from when its condition is seen first to its end, over all folds of a run."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from telemetry.alerts.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.alerts.alert import Alert
    from telemetry.alerts.condition import Condition, Key
    from telemetry.alerts.standing import Place, Stand


class EpisodeState(enum.Enum):
    """How far an episode is; one that has ended is not kept."""

    PENDING = "its condition has not held for long enough"
    FIRING = "its condition holds, or held a moment ago"
    HELD = "a fold died while it held, and was not run again"


@dataclass(slots=True)
class Episode:
    """One alert in the making, or made; its times are steady ones."""

    condition: Condition
    """As it was when it held last."""
    since: float
    last_seen: float
    alert: Alert | None = None
    """None while it is pending."""
    folds: frozenset[str] = frozenset()
    """Those of which it was so when it held last."""
    deaths: dict[str, float] = field(default_factory=dict)
    """When each fold died that died while it held."""

    @property
    def state(self) -> EpisodeState:
        """How far it is."""
        if self.alert is None:
            return EpisodeState.PENDING
        return EpisodeState.HELD if self.deaths else EpisodeState.FIRING

    def note_ends(self, stands: Mapping[str, Stand], steady: float) -> None:
        """Take how each fold stands that it is or was so of: one that failed, or waits to be tried again, died of it."""
        for fold in self.folds | self.deaths.keys():
            stand = stands.get(fold)
            if stand is not None and stand.standing in {Standing.FAILED, Standing.WAITS}:
                self.deaths.setdefault(fold, steady)
            elif stand is not None:
                self.deaths.pop(fold, None)


def stands_of(
    key: Key, episode: Episode, standing: Mapping[tuple[Place, str], Stand]
) -> dict[str, Stand]:
    """Return how each fold of an episode stands; one that nobody hears of is left out."""
    labels = dict(key[1])
    place = labels["run"], labels["host"], labels["rank"]
    folds = episode.folds | episode.deaths.keys()
    return {fold: standing[place, fold] for fold in folds if (place, fold) in standing}


def death_words(condition: Condition, cause: str) -> str:
    """Say that the run died of what ``condition`` says, or with it: by its cause, where that is known."""
    limits = _LIMITS.get(condition.name) or (dict(condition.labels).get("ceiling", ""),)
    if not cause:
        return "the run died of it, for all that is known"
    is_named = any(limit and limit in cause for limit in limits)
    return f"the run died {'of it' if is_named else 'while it held'}: {cause[:CAUSE_KEPT]}"


CAUSE_KEPT = 300
"""Characters."""
_LIMITS = {
    "FoldwatchPidsLimitHit": ("pids_cgroup",),
    "FoldwatchOomKill": ("cgroup_memory", "host_memory", "memory"),
}
"""The causes that a counter stands for."""
