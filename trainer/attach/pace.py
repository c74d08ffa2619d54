"""`Pace`: how often a process that watches others may look, by the CPU time that it takes in all."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SHARE = 0.0007
"""Of one core, in the long run: what attaching costs stays below 0.1 % of the time."""
SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 10.0
SAVED_SECONDS = 0.05
"""CPU seconds that it may save up, and that a debt from before never exceeds."""


class Pace:
    """Tells how long to wait until the next look.

    Invariant: looks are SHORTEST_SECONDS to LONGEST_SECONDS apart; the CPU time of this process stays below ``share``
    of the time that passes, unless a look costs more than that even at the longest pause.
    """

    def __init__(
        self,
        share: float = SHARE,
        *,
        clock: Callable[[], float] = time.monotonic,
        cost_clock: Callable[[], float] = time.process_time,
    ) -> None:
        """Begin to count now: what starting has cost is not made up for."""
        self._share, self._clock, self._cost_clock = share, clock, cost_clock
        self._at, self._cost = clock(), cost_clock()
        self._left = SAVED_SECONDS

    def pause(self) -> float:
        """Return the seconds until the next look may begin."""
        now, cost = self._clock(), self._cost_clock()
        gained = self._share * (now - self._at) - (cost - self._cost)
        self._at, self._cost = now, cost
        self._left = max(-SAVED_SECONDS, min(SAVED_SECONDS, self._left + gained))
        return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, -self._left / self._share))
