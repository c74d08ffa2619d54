"""`Rise`: how fast a level rises, told from its low points. Pure: times and levels in, a rate out.

Definition. The last six minutes are three thirds; the rate is the smaller of the two steps between
the thirds' lowest levels. So a step (a model is built), a warm-up that has ended, a spike and a
saw-tooth that falls back every two minutes have the rate 0: only what rises throughout has one.
grafana/rules computes the same from Prometheus. It must not know what the level is of.
"""

from __future__ import annotations

from collections import deque

THIRD_SECONDS = 120.0
THIRDS = 3
BUCKET_SECONDS = 10.0
"""Of the levels within so many seconds only the lowest is kept: a level costs 36 numbers."""


class Rise:
    """The low points of one level over the last three thirds."""

    __slots__ = ("_lows",)

    def __init__(self) -> None:
        self._lows: deque[tuple[float, float]] = deque()

    def add(self, level: float, *, now: float) -> None:
        """Take ``level`` as it is at ``now``, in seconds; times do not go back."""
        lows = self._lows
        while lows and lows[0][0] < now - THIRDS * THIRD_SECONDS:
            lows.popleft()
        if lows and now - lows[-1][0] < BUCKET_SECONDS:
            began, low = lows[-1]
            lows[-1] = (began, min(low, level))
        else:
            lows.append((now, level))

    def per_second(self, *, now: float) -> float:
        """Return the rate; 0 where it does not rise throughout, or has not been seen for long."""
        thirds: list[list[float]] = [[] for _ in range(THIRDS)]
        for time, low in self._lows:
            third = int((now - time) // THIRD_SECONDS)
            if 0 <= third < THIRDS:
                thirds[third].append(low)
        if not all(thirds):
            return 0.0
        recent, middle, oldest = map(min, thirds)
        return max(0.0, min(recent - middle, middle - oldest) / THIRD_SECONDS)
