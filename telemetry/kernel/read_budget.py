"""`ReadBudget`: how often a reading with a cost may be taken.

A source takes at most a given share of wall time: counting the memory maps of a process with 60,000
of them takes 10 ms, and its owner did not ask for that every second.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SHARE = 0.001
"""At most 0.1 % of wall time."""


class ReadBudget:
    """Tells when a source is due again, by the cost of its last reading.

    Invariant: the seconds spent inside ``with`` blocks that were entered when due stay under SHARE
    of the seconds that pass, but for the very first one.
    """

    __slots__ = ("_began", "_clock", "_due_at")

    def __init__(self, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._began = 0.0
        self._due_at = float("-inf")

    def is_due(self) -> bool:
        """Whether a reading may be taken now."""
        return self._clock() >= self._due_at

    def __enter__(self) -> None:
        self._began = self._clock()

    def __exit__(self, *_: object) -> None:
        ended = self._clock()
        self._due_at = ended + (ended - self._began) / SHARE


class SavedBudget:
    """Seconds that a source may take: a share of those that pass, saved up to ``capacity`` while it takes none.

    Invariant: the seconds spent inside ``with`` blocks stay under ``share`` of those that pass, but for the first
    ``capacity`` and the last block.
    """

    __slots__ = ("_at", "_began", "_clock", "_cost_clock", "_left", "capacity", "share", "spent")

    def __init__(
        self,
        *,
        share: float,
        capacity: float,
        clock: Callable[[], float] = time.perf_counter,
        cost_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        """Take what is counted as cost: CPU time of this thread, or wall time for one that others wait for."""
        self.share, self.capacity = share, capacity
        self._clock, self._cost_clock = clock, cost_clock
        self._left, self._at, self._began = capacity, clock(), 0.0
        self.spent = 0.0
        """Seconds in all."""

    @property
    def left(self) -> float:
        """Seconds that may be spent now; below 0 after a block that cost more than there was."""
        now = self._clock()
        self._left = min(self.capacity, self._left + self.share * max(0.0, now - self._at))
        self._at = now
        return self._left

    def __enter__(self) -> None:
        self._began = self._cost_clock()

    def __exit__(self, *_: object) -> None:
        self.pay(self._cost_clock() - self._began)

    def pay(self, seconds: float) -> None:
        """Take it that so much was spent."""
        self._left -= seconds
        self.spent += seconds
