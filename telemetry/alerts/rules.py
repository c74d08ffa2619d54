"""The alerts' conditions, thresholds and texts. Pure: a snapshot in, conditions out.

grafana/rules has the same thresholds for Prometheus, and a test compares the two.

GPU memory has no alert: TensorFlow takes nearly all of it at its start, so a full GPU is no sign.
Page cache does not count as use of a memory cgroup; if it cannot be told apart, only a kill alerts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from telemetry.alerts.alert import Severity
from telemetry.alerts.condition import Condition, labels_of
from telemetry.alerts.help_now import command_now
from telemetry.alerts.pressure import PressureWatch
from telemetry.alerts.rate_of_rise import Rise
from telemetry.formatting import format_amount, format_duration
from telemetry.holders import FRESH_SECONDS
from telemetry.limits import LIMITS
from telemetry.snapshot import STALE_SECONDS
from telemetry.used_share import CRITICAL_RATIO, NEAR_RATIO, used_ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from telemetry.reading import ChildUsage, Reading, Usage
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
    # A verdict is on folds that are over already, and the next ones may take seconds: no wait either.
    "FoldwatchCeilingWithinFolds": Rule(Severity.WARNING, keep_firing_for=300),
    "FoldwatchPidsLimitHit": Rule(Severity.CRITICAL),
    "FoldwatchOomKill": Rule(Severity.CRITICAL),
    "FoldwatchSamplesStale": Rule(Severity.WARNING, for_seconds=60),
    # For so long it is looked at where it stands.
    "FoldwatchStalled": Rule(Severity.CRITICAL, for_seconds=10),
    "FoldwatchPressure": Rule(Severity.WARNING, for_seconds=60, keep_firing_for=300),
    # A fold that is tried again is seen as failed for a moment.
    "FoldwatchFoldFailed": Rule(Severity.CRITICAL, for_seconds=15),
    "FoldwatchRunFailed": Rule(Severity.CRITICAL, for_seconds=15),
}
OF_PROMETHEUS: Mapping[str, Rule] = {"FoldwatchRunGone": Rule(Severity.WARNING, for_seconds=300)}
"""The alerts that Prometheus alone has: who watches a run himself knows better."""
FORECAST_FROM_RATIO = 0.50
"""Under half of a limit a warm-up looks like a leak, and there is time to see more of it."""
FORECAST_SECONDS = 3600.0
HIT_SECONDS = 300.0
"""How long after a counter rose its alert holds."""

AWAITED_SECONDS = 1.0
"""For so long a critical alert waits for who holds the limit, if that was told when it was near."""
TOLD_AGE_SECONDS = 0.5
"""From here on it is said for how long it has been known who holds a limit."""

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


class ConditionTracker:
    """What must be remembered of one fold to judge it: levels of late, when counters rose, when it was heard of last."""

    def __init__(self) -> None:
        self._rises: dict[str, tuple[object, Rise]] = {}
        """By limit, of the process that is nearest to it: a child, or None for the run's own."""
        self._counters: dict[str, tuple[tuple[object, ...], int]] = {}
        self._rose_at: dict[str, float] = {}
        self._pressure = PressureWatch()
        self._read_at: float | None = None
        self._heard_at = 0.0
        self._critical_since: dict[str, float] = {}
        self._held_back: set[str] = set()
        """The limits that are critical and not told yet."""
        self.unknown: set[str] = set()
        """The limits of which the last reading does not say how full they are."""

    def conditions(
        self, snapshot: Snapshot, fold_snapshot: FoldSnapshot, *, now: float, steady: float
    ) -> Iterator[Condition]:
        """Give what is so of ``fold_snapshot`` at ``now``; its limits only while it runs, by a reading of late.

        What is so of a limit is so of the run, whichever of its folds is there: the labels name none. ``steady`` is the
        same moment in a time that does not go back.
        """
        reading = fold_snapshot.latest
        if reading is None:
            return
        of_run = {**run_labels(snapshot), "fold": ""}
        silent = self._silent_seconds(reading, now, steady)
        is_running = fold_snapshot.is_running
        found: list[Condition] = []
        if is_running and silent > STALE_SECONDS:
            self.unknown |= set(ALERTING)  # an old reading says nothing of now
            words = f"no reading for {silent / 60:.0f} min"
            labels = of_run | {"fold": fold_snapshot.label}
            found.append(_condition("FoldwatchSamplesStale", labels, words, STALE_ADVICE))
        else:
            for name in ALERTING if is_running else tuple(self._held_back):
                found += self._of_limit(
                    fold_snapshot, name, of_run, now=steady, may_hold_back=is_running
                )
            if is_running:
                self._pressure.add(reading)
                found += self._pressure.conditions(of_run)
        found += self._of_counters(fold_snapshot, reading, of_run, now=steady)
        if not found:
            return
        facts = facts_of(snapshot, fold_snapshot)
        for one in found:
            yield replace(one, fold=fold_snapshot.label, facts={**one.facts, **facts})

    def _silent_seconds(self, reading: Reading, now: float, steady: float) -> float:
        """Return for how long nothing was heard: the clock of who wrote the reading may be ahead of ours, or behind."""
        if self._read_at is None:  # nobody was here when it came
            self._heard_at = steady - max(0.0, now - reading.time)
        elif reading.time != self._read_at:
            self._heard_at = steady
        self._read_at = reading.time
        return steady - self._heard_at

    def _of_limit(
        self,
        fold_snapshot: FoldSnapshot,
        limit: str,
        labels: Mapping[str, str],
        *,
        now: float,
        may_hold_back: bool,
    ) -> Iterator[Condition]:
        reading = fold_snapshot.latest
        ratio, child = (None, None) if reading is None else _level(reading, limit)
        self.unknown.discard(limit)
        if reading is None or ratio is None:
            self.unknown.add(limit)
            return
        rise = self._rise_of(limit, child)
        rise.add(ratio, now=now)
        is_critical = ratio > CRITICAL_RATIO
        if not is_critical:
            self._critical_since.pop(limit, None)
        if ratio <= FORECAST_FROM_RATIO:
            return
        rate = rise.per_second(now=now)
        seconds = max(0.0, 1 - ratio) / rate if rate else math.inf
        words = _level_words(reading, child, limit, ratio)
        holders = fold_snapshot.holders.get(limit)
        folder = holders.scope if holders else reading.cgroup or ""
        facts = {"command_now": command_now(limit, reading, child=child, folder=folder)}
        if seconds < math.inf:
            facts["time_left"] = format_duration(seconds)
            words += f", and will be hit in {facts['time_left']} at this rate"
        advice = LIMITS[limit].advice
        if child is None:
            words, advice = _with_holders(words, advice, fold_snapshot, (limit,))
        self._held_back.discard(limit)
        if is_critical and may_hold_back and self._awaits_holders(fold_snapshot, limit, now=now):
            self._held_back.add(limit)
        names = {
            # One alert for one state: while it is critical, a warning adds nothing.
            "FoldwatchCeilingNear": NEAR_RATIO < ratio <= CRITICAL_RATIO,
            "FoldwatchCeilingCritical": is_critical and limit not in self._held_back,
            "FoldwatchCeilingWithinHour": seconds < FORECAST_SECONDS,
        }
        for name, holds in names.items():
            if holds:
                found = _condition(name, {**labels, "ceiling": limit}, words, advice)
                is_forecast = name == "FoldwatchCeilingWithinHour"
                yield replace(found, weight=-seconds if is_forecast else ratio, facts=facts)

    def _rise_of(self, limit: str, child: ChildUsage | None) -> Rise:
        """Return the levels of late; another process's say nothing of how fast this one rises."""
        who = child and child.identity
        subject, rise = self._rises.get(limit, (who, Rise()))
        if who != subject:
            rise = Rise()
        self._rises[limit] = who, rise
        return rise

    def _awaits_holders(self, fold_snapshot: FoldSnapshot, limit: str, *, now: float) -> bool:
        """Whether who holds ``limit`` is known of when it was near, so that it will be known of now within moments."""
        since = self._critical_since.setdefault(limit, now)
        known = fold_snapshot.holders.get(limit)
        is_coming = known is not None and known.used <= CRITICAL_RATIO * known.most
        return is_coming and 0 <= now - since < AWAITED_SECONDS

    def _of_counters(
        self,
        fold_snapshot: FoldSnapshot,
        reading: Reading,
        labels: Mapping[str, str],
        *,
        now: float,
    ) -> Iterator[Condition]:
        if self._has_risen("pids", reading.pids_limit_hits, reading, now=now):
            words = "the pids controller refused a thread or process"
            told = _with_holders(words, PIDS_HIT_ADVICE, fold_snapshot, ("pids_cgroup",))
            yield _condition("FoldwatchPidsLimitHit", labels, *told)
        if self._has_risen("oom", reading.oom_kills, reading, now=now):
            words = "the kernel killed a process for want of memory"
            limits = "cgroup_memory", "host_memory"
            told = _with_holders(words, OOM_ADVICE, fold_snapshot, limits)
            yield _condition("FoldwatchOomKill", labels, *told)

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
    if not snapshot.growth:
        return
    ended = sum(
        fold_snapshot.fold is not None and fold_snapshot.present_state.is_final
        for fold_snapshot in snapshot.folds
    )
    left = None if snapshot.fold_count is None else snapshot.fold_count - ended
    for growth in snapshot.growth:
        if left is not None and growth.folds_to_limit is not None and growth.folds_to_limit < left:
            labels = {**run_labels(snapshot), "fold": "", "resource": growth.resource}
            if growth.child:
                labels["child"] = growth.child
            words = _growth_words(growth, growth.folds_to_limit, left)
            found = _condition("FoldwatchCeilingWithinFolds", labels, words, GROWTH_ADVICE)
            yield replace(found, facts=facts_of(snapshot, last_read(snapshot.folds)))


def run_labels(snapshot: Snapshot) -> dict[str, str]:
    """Return the labels that every alert of a run has."""
    return {"run": snapshot.run, "host": snapshot.host, "rank": snapshot.rank}


def facts_of(snapshot: Snapshot, fold_snapshot: FoldSnapshot | None) -> dict[str, str]:
    """Return what helps to find a process: its fold, stage, rank, number, command and directory."""
    latest = fold_snapshot.latest if fold_snapshot else None
    stages = sorted(fold_snapshot.checkpoints.values(), key=_time) if fold_snapshot else []
    return {
        "fold": fold_snapshot.label if fold_snapshot else "",
        "stage": (stages[-1].stage or "") if stages else "",
        "rank": snapshot.rank,
        "pid": str(latest.pid) if latest else "",
        "command": snapshot.command,
        "run_directory": snapshot.directory,
    }


def last_read(folds: Iterable[FoldSnapshot]) -> FoldSnapshot | None:
    """Return the fold that was read last."""
    read = [(one.latest.time, one) for one in folds if one.latest is not None]
    return max(read, key=lambda pair: pair[0])[1] if read else None


def _time(reading: Reading) -> float:
    return reading.time


def _growth_words(growth: GrowthSnapshot, to_limit: float, left: int) -> str:
    whose = f" of {growth.child}" if growth.child else ""
    return (
        f"{growth.resource}{whose} will meet its limit in {to_limit:.1f} folds at its growth so far,"
        f" and {left} are left"
    )


def _condition(name: str, labels: Mapping[str, str], summary: str, description: str) -> Condition:
    return Condition(name=name, labels=labels_of(labels), summary=summary, description=description)


def _level(reading: Reading, limit: str) -> tuple[float | None, ChildUsage | None]:
    """Return how full a limit is, and the child that it is so of where that is nearer to its own than the process."""
    child = reading.fullest_child(limit)
    if child is not None:
        return child.usage(limit).ratio or 0.0, child
    return used_ratio(reading, limit), None


def _level_words(reading: Reading, child: ChildUsage | None, limit: str, ratio: float) -> str:
    words = f"{limit} is {ratio:.0%} full{_amounts((child or reading).usage(limit), limit)}"
    return words if child is None else f"{words} of {child.name}"


def _with_holders(
    summary: str, advice: str, fold_snapshot: FoldSnapshot, limits: Sequence[str]
) -> tuple[str, str]:
    """Return summary and advice with who holds the first of ``limits`` of which that is known of late.

    Where others hold the most, the advice is for them; where this run does, ``advice`` is as good as any.
    """
    latest = fold_snapshot.latest
    for holders in filter(None, map(fold_snapshot.holders.get, limits)):
        if latest is not None and abs(latest.time - holders.time) <= FRESH_SECONDS:
            is_own = holders.advice == LIMITS[holders.limit].advice
            age = latest.time - holders.time
            before = f"{format_duration(age)} before: " if age >= TOLD_AGE_SECONDS else ""
            return f"{summary}; {before}{holders.sentence}", advice if is_own else holders.advice
    return summary, advice


def _amounts(usage: Usage, name: str) -> str:
    if not isinstance(usage.limit, int) or usage.current is None:
        return ""
    limit = format_amount(usage.limit, is_bytes=LIMITS[name].is_bytes)
    return f" of {limit}" if LIMITS[name].is_bytes else f" ({usage.current:,} of {limit})"
