"""`HolderLog`: has it written into a fold's journal who holds a limit, as its readings show it to be near."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.holders import EVENT
from telemetry.journal.records import Event
from telemetry.kernel.holder_watch import HolderWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.reading import Reading
    from trainer.run.warning import FileErrors


class HolderLog:
    """Follows the readings of one fold's process, from outside; a look that fails is said once."""

    def __init__(self, pid: int, write: Callable[[Event], None], errors: FileErrors) -> None:
        """Take the process that was launched: what descends from it, and other folds, are of this run."""
        self._watch = HolderWatch(run_pid=pid)
        self._write, self._errors = write, errors

    def take(self, reading: Reading) -> None:
        """Write who holds what ``reading`` shows to have become near, before the reading itself is written."""
        if due := self._watch.due(reading):
            for found in self._errors.value(lambda: self._watch.look(reading, due), EVENT) or []:
                facts = found.facts()
                self._write(Event(time=found.time, pid=reading.pid, name=EVENT, facts=facts))
