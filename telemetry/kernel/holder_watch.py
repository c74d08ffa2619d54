"""`HolderWatch`: when to look who holds a limit: as it becomes near and as it becomes critical, then at most once a minute."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from telemetry.holders import COUNTED
from telemetry.kernel.holders import read_holders
from telemetry.kernel.read_budget import SHARE
from telemetry.used_share import CRITICAL_RATIO, NEAR_RATIO, used_ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from telemetry.holders import Holders
    from telemetry.reading import Reading

AGAIN_SECONDS = 60.0


class HolderWatch:
    """Follows the readings of one process.

    Invariant: within AGAIN_SECONDS, and 1 / SHARE times what the last look has cost, a limit has two looks at most:
    at NEAR_RATIO and at CRITICAL_RATIO.
    """

    def __init__(
        self, *, run_pid: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take whose run is meant, by default that of each reading's own process."""
        self._run_pid = run_pid
        self._clock = clock
        self._looked: dict[str, tuple[float, float]] = {}
        """By limit, when it was looked at and the threshold that it was over."""
        self._pause = AGAIN_SECONDS

    def due(self, reading: Reading) -> list[str]:
        """Return the limits whose holders are to be looked at now."""
        now = self._clock()
        return [name for name in COUNTED if self._is_due(name, _threshold(reading, name), now)]

    def _is_due(self, name: str, over: float, now: float) -> bool:
        at, before = self._looked.get(name, (float("-inf"), 0.0))
        return over > 0 and (over > before or now - at >= self._pause)

    def note(self, found: Holders) -> None:
        """Take it that another has just looked."""
        over = _over(found.used / found.most if found.most else 0.0)
        self._looked[found.limit] = (self._clock(), over)

    def look(self, reading: Reading, due: Sequence[str]) -> list[Holders]:
        """Look at those that are ``due``. Raises OSError; then they are not due again at once either."""
        began = self._clock()
        for name in due:
            self._looked[name] = (began, _threshold(reading, name))
        try:
            return read_holders(reading, due, run_pid=self._run_pid)
        finally:
            self._pause = max(AGAIN_SECONDS, (self._clock() - began) / SHARE)


def _threshold(reading: Reading, name: str) -> float:
    """Return which threshold the use of a limit is over; 0 for none, or where that is not known."""
    return _over(used_ratio(reading, name) or 0.0)


def _over(ratio: float) -> float:
    return next((over for over in (CRITICAL_RATIO, NEAR_RATIO) if ratio > over), 0.0)
