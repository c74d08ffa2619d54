"""`Rise`: how fast a level rises, computed from its low points. Pure: times and levels in, a rate out.

Definition. The last five minutes (and a quarter) are three thirds; the rate is the smallest of three steps: between
the thirds' lowest levels, and from the last of them to the level now. It is 0 if the level was as
high in the hour before. So a step (a model is built), a spike, a warm-up that has ended and a
saw-tooth have none: only a level that rises throughout, and above its last hour, has one.
grafana/rules computes the same from Prometheus.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

THIRD_SECONDS = 105.0
"""A multiple of the usual scrape interval, so that Prometheus sees the same."""
THIRDS = 3
BEFORE_SECONDS = 3600.0
LOW_SECONDS, HIGH_SECONDS = 5.0, 60.0
"""Of the levels within so many seconds only the lowest and highest are kept: 130 pairs of numbers."""


class Rise:
    """The lowest and highest levels of late, by bucket."""

    __slots__ = ("_highs", "_level", "_lows")

    def __init__(self) -> None:
        self._level = 0.0
        self._lows: deque[tuple[float, float]] = deque()
        self._highs: deque[tuple[float, float]] = deque()

    def add(self, level: float, *, now: float) -> None:
        """Take ``level`` as it is at ``now``, in seconds; times do not go back."""
        self._level, window = level, THIRDS * THIRD_SECONDS
        _keep(self._lows, level, now, seconds=window, every=LOW_SECONDS, pick=min)
        _keep(
            self._highs,
            level,
            now,
            seconds=window + BEFORE_SECONDS,
            every=HIGH_SECONDS,
            pick=max,
        )

    def per_second(self, *, now: float) -> float:
        """Return the rate; 0 if it does not rise throughout, or is not known for five minutes."""
        before = now - THIRDS * THIRD_SECONDS
        if not self._highs or self._highs[0][0] > before:
            return 0.0
        if any(time < before and high >= self._level for time, high in self._highs):
            return 0.0
        thirds: list[list[float]] = [[] for _ in range(THIRDS)]
        for time, low in self._lows:
            third = int((now - time) // THIRD_SECONDS)
            if 0 <= third < THIRDS:
                thirds[third].append(low)
        if not all(thirds):  # it was not read for a while
            return 0.0
        recent, middle, oldest = map(min, thirds)
        step = min(self._level - recent, recent - middle, middle - oldest)
        return max(0.0, step / THIRD_SECONDS)


def _keep(  # noqa: PLR0913 - a value, and what is kept of its like
    kept: deque[tuple[float, float]],
    level: float,
    now: float,
    *,
    seconds: float,
    every: float,
    pick: Callable[[float, float], float],
) -> None:
    while kept and kept[0][0] < now - seconds:
        kept.popleft()
    if kept and now - kept[-1][0] < every:
        began, before = kept[-1]
        kept[-1] = (began, pick(before, level))
    else:
        kept.append((now, level))
