"""`PressureWatch`: whether tasks wait for memory, storage or CPU for a large share of the last minutes.

The kernel counts the time in which ``some`` task, or all of them (``full``), stood still for want of it. Of CPU only
``full`` is judged, which a cgroup has: its quota is used up, or neighbours have the cores. That some task waits for a core
is how a training looks that uses all of them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from telemetry.alerts.condition import Condition, labels_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from telemetry.reading import Reading

WINDOW_SECONDS = 180.0
"""A burst of seconds, such as a checkpoint or the start of a fold, is a small share of it."""
EVERY_SECONDS = 5.0
GAP_SECONDS = 60.0
"""Of a longer time without a reading nothing is said."""
LIMITS = {"memory_full": 0.10, "memory_some": 0.40, "io_full": 0.50, "cpu_full": 0.25}
"""By counter, the share from which on it is told."""
WAITS_FOR = {"memory": "memory", "io": "storage", "cpu": "CPU"}
ADVICE = {
    "memory": "The kernel takes pages back that are needed again, before it kills: give the run more memory,"
    " or use a smaller batch and bound what the input pipeline keeps.",
    "io": "Storage is the bottleneck: keep the data on a faster disk or in memory, prefetch, or write less often.",
    "cpu": "The cgroup's CPU quota is used up, or neighbours have the cores: raise cpu.max,"
    " or use fewer threads and workers.",
}


class PressureWatch:
    """The counters of the last minutes of one process's cgroup, or of its host."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, Mapping[str, float]]] = deque()
        self._scope: tuple[object, ...] = ()

    def add(self, reading: Reading) -> None:
        """Take what ``reading`` says; counters of another cgroup, or after a gap, are begun anew."""
        counters, scope = reading.pressure_seconds, (reading.pressure_scope, reading.cgroup)
        if counters is None:
            return
        last = self._kept[-1][0] if self._kept else reading.time
        if scope != self._scope or not 0 <= reading.time - last <= GAP_SECONDS:
            self._kept.clear()
        self._scope = scope
        if self._kept and reading.time - last < EVERY_SECONDS:
            return
        self._kept.append((reading.time, counters))
        while len(self._kept) > 2 and reading.time - self._kept[1][0] >= WINDOW_SECONDS:
            self._kept.popleft()

    def shares(self) -> dict[str, float]:
        """Return the share of the last WINDOW_SECONDS by counter; empty until so many were seen."""
        if not self._kept:
            return {}
        (began, before), (now, after) = self._kept[0], self._kept[-1]
        if now - began < WINDOW_SECONDS:
            return {}
        return {
            name: max(0.0, after[name] - before[name]) / (now - began)
            for name in LIMITS
            if name in after and name in before
        }

    def conditions(self, labels: Mapping[str, str]) -> Iterator[Condition]:
        """Give one for each resource that too much is waited for."""
        shares = self.shares()
        for resource, name in WAITS_FOR.items():
            over = [
                (share, counter)
                for counter, share in shares.items()
                if counter.startswith(f"{resource}_") and share > LIMITS[counter]
            ]
            if over:
                share, counter = max(over, key=lambda one: one[1].endswith("full"))
                scope = str(self._scope[0] or "host")
                yield Condition(
                    name="FoldwatchPressure",
                    labels=labels_of({**labels, "resource": resource, "scope": scope}),
                    summary=_words(name, counter, share, scope),
                    description=ADVICE[resource],
                    weight=share,
                )


def _words(name: str, counter: str, share: float, scope: str) -> str:
    who = "every task" if counter.endswith("full") else "some task"
    whose = (
        "of this cgroup" if scope == "cgroup" else "of the host, of which neighbours may be a part,"
    )
    return (
        f"{who} {whose} waited for {name} for {share:.0%} of the last {WINDOW_SECONDS / 60:.0f} min"
    )
