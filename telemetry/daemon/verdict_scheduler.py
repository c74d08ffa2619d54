"""`VerdictScheduler`: has the runs that changed judged, without keeping anybody waiting.

A run is judged after a new label, in a thread of its own, and so seldom that judging takes a small share of the time.
What counts is the CPU time of that thread, not how long the owner took to ask for the result.
"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from telemetry.daemon.background import Background

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from telemetry.daemon.run_follower import RunFollower
    from telemetry.snapshot import ProcessGrowth

logger = logging.getLogger("foldwatch")

SHARE = 0.05
"""Of the time, at most, that one run is being judged."""
SHARE_OF_ALL = 0.1
"""Of the time, at most, that any run is being judged: collecting is slower meanwhile."""
SAVED_SECONDS = 1.0
"""Of judging, saved up while there is none: many runs may have a new label at once."""
SHORTEST_SECONDS = 0.5
"""Between two verdicts on one run."""
EXPECTED_SECONDS = 0.02
"""For a verdict on a run that has had none."""
LARGEST_BYTES = 256 * 2**20
"""Of all journals of a run; more is left to ``foldwatch analyze``."""

Judge: TypeAlias = "Callable[[Sequence[str]], tuple[ProcessGrowth, ...]]"
"""From the paths of a run's journals to their growth; raises FoldwatchError or OSError."""


class _Verdict(NamedTuple):
    growth: tuple[ProcessGrowth, ...] | Exception
    cost: float
    """CPU seconds."""


class VerdictScheduler:
    """Judges one run after the other; the owner calls `attend` with every run, round after round.

    Invariant: the CPU time of judging stays below SAVED_SECONDS and ``share`` of the time that passes, but for the verdicts
    that are under way.
    """

    def __init__(
        self,
        judge: Judge,
        *,
        share: float = SHARE_OF_ALL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take who judges, and the share of the time that it may take."""
        self._judge, self._share, self._clock = judge, share, clock
        self._background = Background("foldwatch-judge")
        self._pending: dict[RunFollower, Future[_Verdict]] = {}
        self._seen: dict[str, int] = {}
        """By run, how many labels the last verdict knew."""
        self._next: dict[str, float] = {}
        """By run, when it may be judged again."""
        self._costs: dict[str, float] = {}
        """By run, what its last verdict took."""
        self._left, self._at = SAVED_SECONDS, clock()

    def attend(self, runs: Sequence[RunFollower]) -> None:
        """Take the verdicts that are there, and ask for those of runs that changed, as far as there is time for them."""
        now = self._clock()
        self._left = min(SAVED_SECONDS, self._left + self._share * max(0.0, now - self._at))
        self._at = now
        for run in [run for run, verdict in self._pending.items() if verdict.done()]:
            self._take(run, self._pending.pop(run).result())
        left = self._left - sum(map(self._expected, self._pending))
        for run in sorted(filter(self._is_due, runs), key=self._turn):
            if left <= 0:
                break
            left -= self._expected(run)
            self._seen[run.directory] = run.checkpoints
            self._next[run.directory] = now + SHORTEST_SECONDS
            self._pending[run] = self._background.submit(_timed, self._judge, run.journals)

    @property
    def is_awaited(self) -> bool:
        """Whether a verdict is under way, or to be taken."""
        return bool(self._pending)

    @property
    def has_verdicts(self) -> bool:
        """Whether all that were asked for are there, to be taken at once."""
        return self.is_awaited and all(verdict.done() for verdict in self._pending.values())

    def forget(self, run: RunFollower) -> None:
        """Keep nothing of a run that is gone."""
        self._pending.pop(run, None)
        for known in (self._seen, self._next, self._costs):
            known.pop(run.directory, None)

    def close(self) -> None:
        """Ask for nothing more."""
        self._background.shutdown()

    def _expected(self, run: RunFollower) -> float:
        return self._costs.get(run.directory, EXPECTED_SECONDS)

    def _turn(self, run: RunFollower) -> tuple[bool, float]:
        """Return what orders the runs: those that are not over first, then by when they may be."""
        return not run.is_live, self._next.get(run.directory, 0.0)

    def _is_due(self, run: RunFollower) -> bool:
        return (
            run not in self._pending
            and run.checkpoints != self._seen.get(run.directory, 0)
            and self._clock() >= self._next.get(run.directory, 0.0)
            and sum(map(_size, run.journals)) <= LARGEST_BYTES
        )

    def _take(self, run: RunFollower, verdict: _Verdict) -> None:
        self._left -= verdict.cost
        self._costs[run.directory] = verdict.cost
        asked = self._next[run.directory] - SHORTEST_SECONDS
        self._next[run.directory] = asked + max(SHORTEST_SECONDS, verdict.cost / SHARE)
        if isinstance(verdict.growth, Exception):
            logger.warning("foldwatch: %r was not judged: %r", run.name, verdict.growth)
        else:
            run.judge(verdict.growth)


def _timed(judge: Judge, journals: Sequence[str]) -> _Verdict:
    """Judge a run, and count what it cost, also where it fails."""
    began = time.thread_time()
    growth: tuple[ProcessGrowth, ...] | Exception
    try:
        growth = judge(journals)
    except Exception as error:  # noqa: BLE001 - it costs the verdict, not the daemon
        growth = error
    return _Verdict(growth, time.thread_time() - began)


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
