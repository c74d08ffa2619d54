"""`Rise`: how fast a level rises, told from its low points. Pure: times and levels in, a rate out.

Definition. The last six minutes are three thirds; the rate is the smallest of three steps: between
the thirds' lowest levels, and from the last of them to the level now. It is 0 where the level was as
high in the hour before. So a step (a model is built), a spike, a warm-up that has ended and a
saw-tooth have none: only what rises throughout, to where it has not been, has one. grafana/rules
computes the same from Prometheus. It must not know what the level is of.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

THIRD_SECONDS = 120.0
THIRDS = 3
BEFORE_SECONDS = 3600.0
BUCKET_SECONDS = 10.0
"""Of the levels within so many seconds only one is kept: a level costs a few hundred numbers."""


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
        _keep(self._lows, level, now=now, seconds=window, pick=min)
        _keep(self._highs, level, now=now, seconds=window + BEFORE_SECONDS, pick=max)

    def per_second(self, *, now: float) -> float:
        """Return the rate; 0 where it does not rise throughout, or has not been seen for long."""
        before = now - THIRDS * THIRD_SECONDS
        if any(time < before and high >= self._level for time, high in self._highs):
            return 0.0
        thirds: list[list[float]] = [[] for _ in range(THIRDS)]
        for time, low in self._lows:
            third = int((now - time) // THIRD_SECONDS)
            if 0 <= third < THIRDS:
                thirds[third].append(low)
        if not all(thirds):
            return 0.0
        recent, middle, oldest = map(min, thirds)
        step = min(self._level - recent, recent - middle, middle - oldest)
        return max(0.0, step / THIRD_SECONDS)


def _keep(
    kept: deque[tuple[float, float]],
    level: float,
    *,
    now: float,
    seconds: float,
    pick: Callable[[float, float], float],
) -> None:
    while kept and kept[0][0] < now - seconds:
        kept.popleft()
    if kept and now - kept[-1][0] < BUCKET_SECONDS:
        began, before = kept[-1]
        kept[-1] = (began, pick(before, level))
    else:
        kept.append((now, level))
