"""`MapWatch`: counts the memory maps of a process when there may be many more than at the last count.

A count reads the whole file, so it waits for a reason: VmSize and page tables have grown by so much that half of what was
left of the limit may be used up, or the last two counts rise that fast. So some ten counts go along with a burst, however
fast it is, and the last one is at the limit if the process stays there for as long as a count takes. Without a reason it is
counted now and then, as the budget allows: a change of protection splits maps and leaves both sizes as they are.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from telemetry.interruption import pass_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.kernel.quick_look import Counters, QuickLook
    from telemetry.kernel.read_budget import SavedBudget

SAVED_SHARE = 0.8
"""Of the budget's capacity, that is saved for counts with a reason."""
RECOUNT_SECONDS = 1.0
USUAL_LIMIT = 65530
"""vm.max_map_count, as the kernel begins with."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_ENTRY = 8
"""Bytes of a page table for each page, and so for a map at least."""


class MapWatch:
    """Counts for one process.

    Invariant: the CPU time of all counts stays within the budget, but for the last one.
    """

    def __init__(
        self,
        look: QuickLook,
        *,
        budget: SavedBudget,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._look, self._budget, self._clock = look, budget, clock
        self._at = self._per_second = 0.0
        self._counted: tuple[int, Counters] | None = None

    def count(self, now: Counters, *, limit: int | None) -> int | None:
        """Return how many maps there are, None where that is not worth a count, or it fails."""
        at = self._clock()
        if not self._is_due(now, at, limit or USUAL_LIMIT):
            return None
        with self._budget:
            try:
                count = self._look.count_maps()
            except OSError as error:  # it has ended, or is another user's
                pass_on(error)
                count = None
        if count is None:
            self._at = at
            return None
        if self._counted is not None:
            self._per_second = (count - self._counted[0]) / max(at - self._at, 1e-3)
        self._at, self._counted = (
            at,
            (count, now),
        )  # the sizes of before the count: what came meanwhile counts again
        return count

    def _is_due(self, now: Counters, at: float, limit: int) -> bool:
        left = self._budget.left
        if left <= 0:
            return False
        seconds = at - self._at
        if self._counted is not None:
            count, then = self._counted
            half = max(1, limit - count) / 2
            if _most_new(then, now) >= half or self._per_second * seconds >= half:
                return True
        is_saved_for_later = left <= SAVED_SHARE * self._budget.capacity
        return seconds >= RECOUNT_SECONDS and not is_saved_for_later


def _most_new(then: Counters, now: Counters) -> int:
    """Return how many maps there may be more: one a page, of what was mapped or what was touched."""
    return max(
        (now.virtual_bytes - then.virtual_bytes) // _PAGE,
        (now.page_table_bytes - then.page_table_bytes) // _ENTRY,
    )
