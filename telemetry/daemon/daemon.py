"""`Daemon`: follows every run below a directory and publishes their state in rounds.

A scrape takes what the last round published, so it never waits for a journal to be read.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from telemetry.daemon.background import Background
from telemetry.daemon.run_follower import RunFollower
from telemetry.daemon.verdict_scheduler import SHARE_OF_ALL, Judge, VerdictScheduler
from telemetry.journal.run_layout import find_journals, run_name

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor, Future

    from telemetry.daemon.history import History
    from telemetry.snapshot import RunKey, Snapshot

logger = logging.getLogger("foldwatch")

INTERVAL_SECONDS = 1.0
VERDICT_SECONDS = 0.1
"""Between two looks for a verdict that is under way."""
SCAN_INTERVALS = 5
"""How many rounds pass between two looks through the directory, and for a run's result files."""
SHARE_SECONDS = 0.06
"""Of a round, for one run that could not be read whole in the round before."""
ROUND_SECONDS = 0.5
"""Seconds that a round reads, so that a journal of gigabytes delays no other for long."""


class Daemon:
    """Collects in rounds; ``snapshots`` is the last round's, and the same object for a run that did not change."""

    def __init__(  # noqa: PLR0913 - all but two have a default
        self,
        top: str,
        *,
        judge: Judge,
        judged_share: float = SHARE_OF_ALL,
        on_publish: Callable[[Sequence[Snapshot]], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
        looker: Executor | None = None,
    ) -> None:
        """Take where to look, who judges and in which share of the time; ``looker`` runs the looks, one thread by default."""
        self.snapshots: tuple[Snapshot, ...] = ()
        self._top = top
        self._judging = VerdictScheduler(judge, share=judged_share)
        self._on_publish = on_publish
        self._clock = clock
        self._runs: dict[str, RunFollower] = {}
        self._looker = looker or Background("foldwatch-look")
        self._looking: Future[dict[str, list[str]]] | None = None
        self._rounds = 0
        self._turn = 0
        self._is_failing = False

    @property
    def is_settled(self) -> bool:
        """Whether every run was read to its end, and no verdict is under way."""
        return not self._judging.is_awaited and not any(
            run.is_behind for run in self._runs.values()
        )

    def run(self, stop: threading.Event) -> None:
        """Collect until ``stop``. A round that fails is followed by the next; of failures in a row the first is logged."""
        while not stop.is_set():
            began = time.monotonic()
            self._attempt(self.collect)
            self._rest(stop, until=began + INTERVAL_SECONDS)
        self._judging.close()
        self._looker.shutdown(wait=False)

    def _attempt(self, part: Callable[[], None]) -> None:
        try:
            part()
            self._is_failing = False
        except Exception:
            if not self._is_failing:
                logger.exception("foldwatch: a round of collecting failed")
            self._is_failing = True

    def collect(self) -> None:
        """Read what is new, judge what is due, and publish."""
        self._rounds += 1
        self._scan()
        self._read()
        self._judge_and_publish()

    def _judge_and_publish(self) -> None:
        self._judging.attend(tuple(self._runs.values()))
        self.snapshots = tuple(
            snapshot for run in self._runs.values() for snapshot in run.snapshots
        )
        self._on_publish(self.snapshots)

    def _rest(self, stop: threading.Event, *, until: float) -> None:
        """Wait for the next round; a verdict that comes meanwhile is not kept back until then."""
        while (left := until - time.monotonic()) > 0 and not stop.is_set():
            if self._judging.has_verdicts:
                self._attempt(self._judge_and_publish)
            stop.wait(min(left, VERDICT_SECONDS) if self._judging.is_awaited else left)

    def histories(self) -> Mapping[RunKey, History]:
        """Return the curves of every run that is shown."""
        return {
            key: history
            for run in tuple(self._runs.values())
            for key, history in run.histories.items()
        }

    def _scan(self) -> None:
        """Look through the directory: in a thread of its own, except for the first time."""
        if self._looking is None and self._rounds % SCAN_INTERVALS == 1:
            known = {directory: run.journals for directory, run in self._runs.items()}
            self._looking = self._looker.submit(find_journals, self._top, known)
        if self._looking is None or not (self._looking.done() or self._rounds == 1):
            return
        looking, self._looking = self._looking, None
        found = looking.result()
        for directory in self._runs.keys() - found.keys():
            self._judging.forget(self._runs.pop(directory))
        for directory, journals in found.items():
            if run := self._runs.get(directory):
                run.follow(journals)
            else:
                name = run_name(directory, self._top)
                self._runs[directory] = RunFollower(directory, name, journals)

    def _read(self) -> None:
        """Let every run read: first those that were read whole, then in turn those with more to read, a share each.

        Half of the time is left to those that were never read, of which the one that was written last comes first:
        beside thousands of old runs, the one that goes on is shown at once.
        """
        looks = {
            run: (number + self._rounds) % SCAN_INTERVALS == 0
            for number, run in enumerate(self._runs.values())
        }
        now, until = self._clock(), time.monotonic() + ROUND_SECONDS
        for run in [run for run in looks if not run.is_behind]:
            run.collect(until=until, now=now, look=looks[run])
        until = max(until, time.monotonic() + SHARE_SECONDS)
        behind = [run for run in looks if run.is_behind and not run.is_new]
        new = sorted((run for run in looks if run.is_new), key=lambda run: -run.written_at)
        first = self._turn % len(behind) if behind else 0
        half = time.monotonic() + (until - time.monotonic()) / (2 if new else 1)
        for some, ends in ((behind[first:] + behind[:first], half), (new, until)):
            for number, run in enumerate(some):
                if (began := time.monotonic()) >= ends:
                    break
                self._turn += not run.is_new
                share = max(SHARE_SECONDS, run.is_new * (ends - began) / (len(some) - number))
                run.collect(until=min(ends, began + share), now=now, look=looks[run])
