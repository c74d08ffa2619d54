"""`WatchedSample`: the timer's sample, and who holds a limit that it shows to be near."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from telemetry.holders import EVENT
from telemetry.journal.records import Event
from telemetry.kernel.holder_watch import HolderWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.reading import Reading


class WatchedSample:
    """Takes samples of this process.

    Invariant: whoever reads the journal knows who holds a limit before the reading that shows it to be near, so that an
    alert can say it at once. The sampler's lock, for which the training waits at its labels, is not held meanwhile, nor while
    the children are looked at, each of which may let others wait.
    """

    def __init__(
        self,
        sample: Callable[..., Reading],
        record: Callable[[Event], None],
        attempt: Callable[[str, Callable[[], object]], None],
        look_at_children: Callable[[], object],
    ) -> None:
        """Take the methods of a `Sampler`."""
        self._sample, self._record, self._attempt = sample, record, attempt
        self._look_at_children = look_at_children
        self._watch = HolderWatch()
        self._due: list[str] = []

    def take(self) -> None:
        """Take one. What goes wrong is counted, and goes no further."""
        self._attempt("children", self._look_at_children)
        self._attempt("timer", self._take)

    def _take(self) -> None:
        reading = self._sample(holds_back=self._is_due)
        if self._due:
            self._attempt("holders", partial(self._look, reading))
            self._sample(before=reading)  # which may have what is read seldom

    def _is_due(self, reading: Reading) -> bool:
        self._due = self._watch.due(reading)
        return bool(self._due)

    def _look(self, reading: Reading) -> None:
        for found in self._watch.look(reading, self._due):
            facts = found.facts()
            self._record(Event(time=found.time, pid=os.getpid(), name=EVENT, facts=facts))
