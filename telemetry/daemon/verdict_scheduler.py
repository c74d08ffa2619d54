"""`VerdictScheduler`: has the runs that changed judged, without keeping anybody waiting.

A run is judged after a new label, in a thread of its own, and so seldom that judging takes a small
share of the time.
"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, TypeAlias

from telemetry.daemon.background import Background

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from telemetry.daemon.run_follower import RunFollower
    from telemetry.snapshot import ProcessGrowth

logger = logging.getLogger("foldwatch")

SHARE = 0.05
"""Of the time, at most, that one run is being judged."""
SHARE_OF_ALL = 0.02
"""Of the time, at most, that any run is being judged: collecting is slower meanwhile."""
SHORTEST_SECONDS = 5.0
LARGEST_BYTES = 256 * 2**20
"""Of all journals of a run; more is left to ``foldwatch analyze``."""

Judge: TypeAlias = "Callable[[Sequence[str]], tuple[ProcessGrowth, ...]]"
"""From the paths of a run's journals to their growth; raises FoldwatchError or OSError."""


class VerdictScheduler:
    """Judges one run at a time; the owner calls `attend` for every run, round after round."""

    def __init__(self, judge: Judge, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._judge = judge
        self._clock = clock
        self._background = Background("foldwatch-judge")
        self._present: tuple[RunFollower, Future[tuple[ProcessGrowth, ...]]] | None = None
        self._seen: dict[str, int] = {}
        """By run, how many labels the last verdict knew."""
        self._next: dict[str, float] = {}
        """By run, when it may be judged again."""
        self._began = self._pause_ends = 0.0

    def attend(self, runs: Sequence[RunFollower]) -> None:
        """Take a verdict that is there, and ask for that of the next run that changed."""
        if self._present is not None:
            if not self._present[1].done():
                return
            self._take(*self._present)
        self._present = None
        now = self._clock()
        if now < self._pause_ends:
            return
        due = (run for run in runs if self._is_due(run, now))
        run = min(due, key=self._turn, default=None)
        if run is not None:
            self._seen[run.directory] = run.checkpoints
            self._began = now
            self._present = run, self._background.submit(self._judge, run.journals)

    def forget(self, run: RunFollower) -> None:
        """Keep nothing of a run that is gone."""
        self._seen.pop(run.directory, None)
        self._next.pop(run.directory, None)

    def close(self) -> None:
        """Ask for nothing more."""
        self._background.shutdown()

    def _turn(self, run: RunFollower) -> tuple[bool, float]:
        """Return what orders the runs: those that are not over first, then by when they may be."""
        return not run.is_live, self._next.get(run.directory, 0.0)

    def _is_due(self, run: RunFollower, now: float) -> bool:
        return (
            run.checkpoints != self._seen.get(run.directory, 0)
            and now >= self._next.get(run.directory, 0.0)
            and sum(map(_size, run.journals)) <= LARGEST_BYTES
        )

    def _take(self, run: RunFollower, verdict: Future[tuple[ProcessGrowth, ...]]) -> None:
        now = self._clock()
        took = now - self._began
        self._next[run.directory] = now + max(SHORTEST_SECONDS, took / SHARE)
        self._pause_ends = now + took / SHARE_OF_ALL - took
        try:
            run.judge(verdict.result())
        except Exception as error:  # noqa: BLE001 - a verdict that fails costs the verdict, not the daemon
            logger.warning("foldwatch: %r was not judged: %r", run.name, error)


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
