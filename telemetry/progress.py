"""`StageProgress`: since when nothing of a process has moved, and how long its stages took. Pure: readings in, seconds out.

A label, output, CPU time, bytes from or to storage, a busy GPU: each is a move. What is not read is none, and says
nothing. Seconds are those between readings; those of a gap, when nobody looked or the clock was set, hardly count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from telemetry.reading import Reading

FLOOR_SECONDS = 60.0
"""Nothing that stands for less has stalled."""
UNKNOWN_SECONDS = 1800.0
"""From here on a stage has stalled of which nothing is known, and one that was never as quiet."""
TIMES_USUAL = 2.0
"""As often as the longest that the stage took: what stalls within its usual time is told within three times that."""
CPU_SHARE = 0.01
"""Of one core: recording, heartbeats and workers that wait for a sign use less."""
IO_PER_SECOND = 32_768
"""Bytes; a journal and a heartbeat write less."""
WINDOW_SECONDS = 10.0
"""At least, over which these are measured."""
BUSY_GPU = 0.01
GAP_SECONDS = 10.0
"""Between two readings of a process that is watched; of a longer time no more than that counts."""
STAGES_KEPT = 50
PROCESSES_KEPT = 8
"""Of those that write into one journal."""
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class _Anchor:
    """A counter at the begin of its window."""

    time: float
    value: float

    def moves_to(self, reading: Reading, value: float, per_second: float) -> bool:
        """Whether it has risen by more than what a process uses that stands."""
        seconds = max(WINDOW_SECONDS, reading.time - self.time)
        return abs(value - self.value) > per_second * seconds


@dataclass(frozen=True, slots=True)
class _ProcessSeen:
    """What is remembered of one process."""

    time: float
    start_ticks: int | None
    output_time: float | None = None
    waits: int | None = None
    anchors: Mapping[str, _Anchor] = field(default_factory=dict)

    def has_moved(self, reading: Reading) -> bool:
        """Whether a sign of life is in ``reading`` that was not there before."""
        if reading.start_ticks != self.start_ticks or reading.state == "R":
            return True
        if _differ(reading.output_time, self.output_time):
            return True
        # It waits for a disk that answers: each answer is one more wait.
        if reading.state == "D" and _differ(reading.main_thread_waits, self.waits):
            return True
        return _has_busy_gpu(reading) or any(
            self.anchors[name].moves_to(reading, value, per_second)
            for name, value, per_second in _rates(reading)
            if name in self.anchors
        )

    def after(self, reading: Reading, *, has_moved: bool) -> _ProcessSeen:
        """Return what is remembered once ``reading`` is taken."""
        anchors = dict(self.anchors)
        for name, value, _ in _rates(reading):
            known = anchors.get(name)
            if has_moved or known is None or reading.time - known.time >= WINDOW_SECONDS:
                anchors[name] = _Anchor(reading.time, value)
        return _ProcessSeen(
            reading.time,
            reading.start_ticks,
            self.output_time if reading.output_time is None else reading.output_time,
            self.waits if reading.main_thread_waits is None else reading.main_thread_waits,
            anchors,
        )


def _differ(now: float | None, before: float | None) -> bool:
    return now is not None and before is not None and now != before


def _rates(reading: Reading) -> Iterable[tuple[str, float, float]]:
    """Give each counter that was read, by name, with the rate from which on it is work."""
    for name, value, per_second in (
        ("cpu", reading.cpu_seconds, CPU_SHARE),
        ("tree_cpu", reading.tree_cpu_seconds, CPU_SHARE),
        ("tree_io", reading.tree_io_bytes, IO_PER_SECOND),
    ):
        if value is not None:
            yield name, value, per_second


def _has_busy_gpu(reading: Reading) -> bool:
    """Whether a GPU works: one that this process holds memory of, or any, where that is not known."""
    gpus = reading.gpus or ()
    own = [gpu for gpu in gpus if gpu.process_used_bytes]
    return any((gpu.utilization_ratio or 0.0) >= BUSY_GPU for gpu in own or gpus)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageProgress:
    """How a fold gets on.

    Invariant: ``quiet_seconds`` is 0 after any reading that shows a move.
    """

    stage: str = ""
    """The last label without its fold; empty before the first."""
    stage_seconds: float = 0.0
    """Since that label."""
    quiet_seconds: float = 0.0
    """Since anything moved."""
    quietest_seconds: float = 0.0
    """The longest that nothing moved in this stage."""
    longest: Mapping[str, float] = field(default_factory=dict)
    """By stage, without its numbers, the longest that it took."""
    quietest: Mapping[str, float] = field(default_factory=dict)
    """By stage, the longest that nothing moved in it."""
    seen: Mapping[int, _ProcessSeen] = field(default_factory=dict)
    """By process."""

    @classmethod
    def by_labels(cls, readings: Iterable[Reading]) -> StageProgress:
        """Return how long each stage took by labelled readings alone, the first of all before them."""
        longest: Mapping[str, float] = {}
        before: Reading | None = None
        for one in readings:
            if before is not None:
                seconds = max(0.0, one.time - before.time)
                longest = _with_longest(longest, _kind(before.stage or ""), seconds)
            before = one
        return cls(longest=longest)

    def after(self, reading: Reading) -> StageProgress:
        """Return how it gets on once ``reading`` is taken."""
        known = self.seen.get(reading.pid)
        last = max((one.time for one in self.seen.values()), default=reading.time)
        seconds = min(max(0.0, reading.time - last), GAP_SECONDS)
        has_moved = reading.label is not None or known is None or known.has_moved(reading)
        before = known or _ProcessSeen(reading.time, reading.start_ticks)
        seen = {pid: one for pid, one in self.seen.items() if pid != reading.pid}
        seen[reading.pid] = before.after(reading, has_moved=has_moved)
        if len(seen) > PROCESSES_KEPT:
            del seen[next(iter(seen))]
        quiet = self.quiet_seconds + seconds
        passed = replace(
            self,
            stage_seconds=self.stage_seconds + seconds,
            quiet_seconds=0.0 if has_moved else quiet,
            quietest_seconds=max(self.quietest_seconds, quiet),
            seen=seen,
        )
        if reading.stage is None:
            return passed
        kind = _kind(self.stage)
        return replace(
            passed,
            stage=reading.stage,
            stage_seconds=0.0,
            quietest_seconds=0.0,
            longest=_with_longest(self.longest, kind, passed.stage_seconds),
            quietest=_with_longest(self.quietest, kind, passed.quietest_seconds),
        )

    def usual_seconds(self, others: Iterable[StageProgress] = ()) -> float | None:
        """Return the longest that its stage took before, here or in ``others``; None if none has ended."""
        kind = _kind(self.stage)
        known = [one.longest[kind] for one in (self, *others) if kind in one.longest]
        return max(known, default=None)

    def stalls_after(self, others: Iterable[StageProgress] = ()) -> float:
        """Return the quiet seconds from which on it has stalled: far more than its stage took before.

        Twice the longest, and FLOOR_SECONDS at least. Of a stage that takes hours and is never quiet for long, and of one
        that never ended before, UNKNOWN_SECONDS.
        """
        others = (self, *others)
        longest = self.usual_seconds(others)
        if longest is None:
            return UNKNOWN_SECONDS
        quietest = max(one.quietest.get(_kind(self.stage), 0.0) for one in others)
        most = max(UNKNOWN_SECONDS, TIMES_USUAL * quietest)
        return max(FLOOR_SECONDS, min(TIMES_USUAL * longest, most))


def _kind(stage: str) -> str:
    """Return what ``epoch 3`` and ``epoch 4`` have in common."""
    return _NUMBER.sub("#", stage)


def _with_longest(known: Mapping[str, float], kind: str, seconds: float) -> Mapping[str, float]:
    if known.get(kind, 0.0) >= seconds or (kind not in known and len(known) >= STAGES_KEPT):
        return known
    return {**known, kind: seconds}


NO_PROGRESS = StageProgress()
"""Before the first reading."""
