"""The alerts' conditions, thresholds and texts. Pure: a snapshot in, conditions out.

grafana/rules has the same thresholds for Prometheus, and a test compares the two.

GPU memory has no alert: TensorFlow takes nearly all of it at its start, so a full GPU is no sign.
Page cache does not count as use of a memory cgroup; if it cannot be told apart, only a kill alerts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.alerts.alert import Severity
from telemetry.alerts.rate_of_rise import Rise
from telemetry.formatting import format_amount, format_duration
from telemetry.limits import LIMITS
from telemetry.snapshot import FoldState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from telemetry.reading import Reading, Usage
    from telemetry.snapshot import FoldSnapshot, GrowthSnapshot, Snapshot


@dataclass(frozen=True, slots=True)
class Rule:
    """How grave an alert is, for how long its condition holds before, and is gone after."""

    severity: Severity
    for_seconds: float = 0.0
    keep_firing_for: float = 0.0
    """What oscillates around a threshold is one episode."""


RULES: Mapping[str, Rule] = {
    "FoldwatchCeilingNear": Rule(Severity.WARNING, for_seconds=15, keep_firing_for=300),
    # At 95 % there may be seconds left: no wait.
    "FoldwatchCeilingCritical": Rule(Severity.CRITICAL, keep_firing_for=300),
    "FoldwatchCeilingWithinHour": Rule(Severity.WARNING, for_seconds=60, keep_firing_for=300),
    # A verdict changes at labels only; folds may be of seconds.
    "FoldwatchCeilingWithinFolds": Rule(Severity.WARNING, for_seconds=15, keep_firing_for=300),
    "FoldwatchPidsLimitHit": Rule(Severity.CRITICAL),
    "FoldwatchOomKill": Rule(Severity.CRITICAL),
    "FoldwatchSamplesStale": Rule(Severity.WARNING, for_seconds=60),
}
NEAR_RATIO = 0.80
CRITICAL_RATIO = 0.95
FORECAST_FROM_RATIO = 0.50
"""Under half of a limit a warm-up looks like a leak, and there is time to see more of it."""
FORECAST_SECONDS = 3600.0
HIT_SECONDS = 300.0
"""How long after a counter rose its alert holds."""
STALE_SECONDS = 120.0
"""More than the minute for which an ended fold's series are still shown."""

ALERTING = tuple(name for name, spec in LIMITS.items() if spec.advice)
GROWTH_ADVICE = (
    "Run each fold in a process of its own (foldwatch train --isolation process, or foldwatch run):"
    " what a fold leaves behind ends with it."
)
PIDS_HIT_ADVICE = (
    "The run may die of it at any moment; foldwatch limits names the cgroup. Cap the thread pools,"
    " or raise pids.max."
)
OOM_ADVICE = (
    "A process of the run's memory cgroup is gone; foldwatch analyze says which. Give it more memory,"
    " or bound what the input pipeline keeps."
)
STALE_ADVICE = (
    "The run hangs, was killed, or its host is overloaded; look at its process and its output.log."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that is so now; ``labels`` as in `Alert`, in a form that can be a key."""

    name: str
    labels: tuple[tuple[str, str], ...]
    summary: str
    description: str


def used_ratio(reading: Reading, name: str) -> float | None:
    """Return the share of limit ``name`` that is used for good; None if it is unknown or not judged."""
    usage = reading.usage(name)
    if name == "nproc" and reading.is_exempt_from_nproc:
        return None
    if name != "cgroup_memory" or usage.ratio is None or usage.current is None:
        return usage.ratio
    if reading.cgroup_memory_reclaimable_bytes is None:
        return None
    kept = max(0, usage.current - reading.cgroup_memory_reclaimable_bytes)
    return usage.ratio * kept / usage.current if usage.current else 0.0


class ConditionTracker:
    """What must be remembered of one fold to judge it: levels of late, when counters rose, when it was heard of last."""

    def __init__(self) -> None:
        self._rises: dict[str, tuple[object, Rise]] = {}
        """By limit, of the process that is nearest to it: a child, or None for the run's own."""
        self._counters: dict[str, tuple[tuple[object, ...], int]] = {}
        self._rose_at: dict[str, float] = {}
        self._read_at: float | None = None
        self._heard_at = 0.0
        self.unknown: set[str] = set()
        """The limits of which the last reading does not say how full they are."""

    def conditions(
        self,
        fold_snapshot: FoldSnapshot,
        labels: Mapping[str, str],
        *,
        now: float,
        steady: float | None = None,
    ) -> Iterator[Condition]:
        """Give what is so of ``fold_snapshot`` at ``now``; its limits only while it runs.

        ``steady`` is the same moment in a time that does not go back; without it ``now`` does not.
        """
        steady = now if steady is None else steady
        reading = fold_snapshot.latest
        if reading is None:
            return
        silent = self._silent_seconds(reading, now, steady)
        if fold_snapshot.ended_at is None and fold_snapshot.state in {None, FoldState.RUNNING}:
            for name in ALERTING:
                yield from self._of_limit(reading, name, labels, now=steady)
            if silent > STALE_SECONDS:
                words = f"no reading for {silent / 60:.0f} min"
                yield _condition("FoldwatchSamplesStale", labels, words, STALE_ADVICE)
        yield from self._of_counters(reading, labels, now=steady)

    def _silent_seconds(self, reading: Reading, now: float, steady: float) -> float:
        """Return for how long nothing was heard: the clock of who wrote the reading may be ahead of ours, or behind."""
        if self._read_at is None:  # nobody was here when it came
            self._heard_at = steady - max(0.0, now - reading.time)
        elif reading.time != self._read_at:
            self._heard_at = steady
        self._read_at = reading.time
        return steady - self._heard_at

    def _of_limit(
        self, reading: Reading, limit: str, labels: Mapping[str, str], *, now: float
    ) -> Iterator[Condition]:
        ratio = used_ratio(reading, limit)
        if ratio is None and reading.fullest_child(limit) is not None:
            ratio = 0.0
        self.unknown.discard(limit)
        if ratio is None:
            self.unknown.add(limit)
            return
        child = reading.fullest_child(limit)
        if child is not None:
            ratio = child.usage(limit).ratio or 0.0
        subject, rise = self._rises.get(limit, (None, Rise()))
        who = child and child.identity
        if who != subject:  # another process's level says nothing of how fast this one rises
            rise = Rise()
        self._rises[limit] = who, rise
        rise.add(ratio, now=now)
        if ratio <= FORECAST_FROM_RATIO:
            return
        rate = rise.per_second(now=now)
        seconds = max(0.0, 1 - ratio) / rate if rate else math.inf
        words = f"{limit} is {ratio:.0%} full{_amounts((child or reading).usage(limit), limit)}"
        if child is not None:
            words += f" of {child.name}"
        if seconds < math.inf:
            words += f", and will be hit in {format_duration(seconds)} at this rate"
        names = {
            # One alert for one state: while it is critical, a warning adds nothing.
            "FoldwatchCeilingNear": NEAR_RATIO < ratio <= CRITICAL_RATIO,
            "FoldwatchCeilingCritical": ratio > CRITICAL_RATIO,
            "FoldwatchCeilingWithinHour": seconds < FORECAST_SECONDS,
        }
        for name, holds in names.items():
            if holds:
                yield _condition(name, {**labels, "ceiling": limit}, words, LIMITS[limit].advice)

    def _of_counters(
        self, reading: Reading, labels: Mapping[str, str], *, now: float
    ) -> Iterator[Condition]:
        if self._has_risen("pids", reading.pids_limit_hits, reading, now=now):
            words = "the pids controller refused a thread or process"
            yield _condition("FoldwatchPidsLimitHit", labels, words, PIDS_HIT_ADVICE)
        if self._has_risen("oom", reading.oom_kills, reading, now=now):
            words = "the kernel killed a process for want of memory"
            yield _condition("FoldwatchOomKill", labels, words, OOM_ADVICE)

    def _has_risen(self, name: str, count: int | None, reading: Reading, *, now: float) -> bool:
        """Whether it rose of late; counters compare within one process and one cgroup only."""
        if count is not None:
            place = (reading.pid, reading.start_ticks, reading.cgroup)
            before = self._counters.get(name)
            if before is not None and before[0] == place and count > before[1]:
                self._rose_at[name] = now
            self._counters[name] = (place, count)
        return now - self._rose_at.get(name, -math.inf) < HIT_SECONDS


def growth_conditions(snapshot: Snapshot) -> Iterator[Condition]:
    """Give the resources that meet their limit within the folds that are left."""
    ended = sum(
        fold_snapshot.state is not None and fold_snapshot.state.is_final
        for fold_snapshot in snapshot.folds
    )
    left = None if snapshot.fold_count is None else snapshot.fold_count - ended
    for growth in snapshot.growth:
        if left is not None and growth.folds_to_limit is not None and growth.folds_to_limit < left:
            labels = {**run_labels(snapshot), "fold": "", "resource": growth.resource}
            if growth.child:
                labels["child"] = growth.child
            words = _growth_words(growth, growth.folds_to_limit, left)
            yield _condition("FoldwatchCeilingWithinFolds", labels, words, GROWTH_ADVICE)


def run_labels(snapshot: Snapshot) -> dict[str, str]:
    """Return the labels that every alert of a run has."""
    return {"run": snapshot.run, "host": snapshot.host, "rank": snapshot.rank}


def _growth_words(growth: GrowthSnapshot, to_limit: float, left: int) -> str:
    whose = f" of {growth.child}" if growth.child else ""
    return (
        f"{growth.resource}{whose} will meet its limit in {to_limit:.1f} folds at its growth so far,"
        f" and {left} are left"
    )


def _condition(name: str, labels: Mapping[str, str], summary: str, description: str) -> Condition:
    key = tuple(sorted(labels.items()))
    return Condition(name=name, labels=key, summary=summary, description=description)


def _amounts(usage: Usage, name: str) -> str:
    if not isinstance(usage.limit, int) or usage.current is None:
        return ""
    limit = format_amount(usage.limit, is_bytes=LIMITS[name].is_bytes)
    return f" of {limit}" if LIMITS[name].is_bytes else f" ({usage.current:,} of {limit})"
