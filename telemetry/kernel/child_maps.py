"""How often the memory maps of each child are counted: for 60,000 of them the kernel takes 10 ms.

A count is good for as long as VmSize and VmData stay. Of those that changed, first comes one that may be on its way to
the limit: it is counted again once half of what was left may be used up, at the rate between its last two counts. That is
some 16 counts from an empty process to a full one, however fast it fills, so what is saved for them lasts. The others
share what is above that.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.interruption import pass_on
from telemetry.kernel.kernel_file import KernelFile
from telemetry.kernel.read_budget import SavedBudget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from telemetry.kernel.syscalls import Buffer

SHARE = 0.0008
CAPACITY_SECONDS = 0.25
SAVED_SECONDS = 0.2
"""Of CAPACITY_SECONDS, for those on their way to the limit."""
LONGEST_SECONDS = 0.1
"""After so long the rest is left for another time: a process that holds the lock of its maps is waited for."""
RECOUNT_SECONDS = 10.0
"""From when on one is counted again whose sizes stay: changes of protection split maps and leave the sizes as they are."""


@dataclass(slots=True)
class MapCount:
    """The maps of one process when they were counted last."""

    path: str
    sizes: tuple[int | None, int | None] = (None, None)
    """VmSize and VmData now."""
    count: int | None = None
    at: float = -math.inf
    counted_sizes: tuple[int | None, int | None] | None = None
    per_second: float = 0.0
    """How fast they rose between the last two counts."""
    is_unseen: bool = False
    """Whether they have changed while the sizes stayed."""

    @property
    def is_current(self) -> bool:
        """Whether the count is that of now, as far as the sizes tell."""
        return self.counted_sizes == self.sizes and not self.is_unseen

    def is_urgent(self, limit: int | None, now: float) -> bool:
        """Whether half of what was left may be used up."""
        if limit is None or self.count is None:
            return False
        return self.per_second * (now - self.at) >= max(1, limit - self.count) / 2

    def take(self, count: int, now: float) -> None:
        """Take a new count."""
        if self.count is not None:
            self.per_second = (count - self.count) / max(now - self.at, 1e-3)
            self.is_unseen |= count != self.count and self.counted_sizes == self.sizes
        self.count, self.at, self.counted_sizes = count, now, self.sizes


class MapCounter:
    """Counts the maps of processes within its budget, through one buffer."""

    def __init__(self, buffer: Buffer, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._buffer, self._clock = buffer, clock
        self._budget = SavedBudget(share=SHARE, capacity=CAPACITY_SECONDS, clock=clock)

    def count(self, known: Iterable[MapCount], *, limit: int | None) -> None:
        """Count those that are due, as far as the budget goes: the urgent ones, then the ones counted longest ago."""
        now = self._clock()
        due = []
        for one in known:
            is_urgent = not one.is_current and one.is_urgent(limit, now)
            if is_urgent or not one.is_current or now - one.at >= RECOUNT_SECONDS:
                due.append((not is_urgent, one.is_current, one.at, one))
        due.sort(key=lambda order: order[:3])
        for is_patient, *_, one in due:
            is_spent = self._budget.left <= (SAVED_SECONDS if is_patient else 0.0)
            if is_spent or self._clock() - now > LONGEST_SECONDS:
                return
            with self._budget:
                self._count(one)

    def _count(self, one: MapCount) -> None:
        file = KernelFile(one.path, buffer=self._buffer)
        try:
            lines = file.count_lines()
        except OSError as error:  # it has ended, or is another user's
            pass_on(error)
            one.count, one.at = None, self._clock()
            one.counted_sizes = one.sizes
        else:
            if lines.count:
                one.take(lines.count - lines.tail.endswith(b"[vsyscall]\n"), self._clock())
        finally:
            file.close()
