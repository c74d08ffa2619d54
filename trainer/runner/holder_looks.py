"""`HolderLooks`: looks itself who holds a limit that a fold's label shows to be near, before its alert is told.

A fold's agent sees labels a second later, and writes it for all that read the journal.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from telemetry.holders import EVENT
from telemetry.journal.holders_record import holders_of
from telemetry.journal.records import Event
from telemetry.kernel.holder_watch import HolderWatch
from telemetry.kernel.process_identity import start_ticks
from telemetry.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from telemetry.journal.records import Record


class HolderLooks:
    """Follows the records of one fold's journal, whose process is on this host or ``is_elsewhere``."""

    def __init__(self, *, is_elsewhere: bool) -> None:
        self._is_elsewhere = is_elsewhere
        self._watch = HolderWatch()

    def with_looks(self, records: Iterable[Record]) -> Iterator[Record]:
        """Give ``records``, and before a reading who holds what it shows to be near, if no record has said it."""
        for record in records:
            if isinstance(record, Event) and record.name == EVENT:
                with suppress(ValueError):
                    self._watch.note(holders_of(record.facts, time=record.time))
            elif isinstance(record, Reading):
                yield from self._look(record)
            yield record

    def _look(self, reading: Reading) -> Iterator[Event]:
        due = [] if self._is_elsewhere else self._watch.due(reading)
        # What a journal says is anybody's to write: another process of that number is not looked at.
        if (
            not due
            or reading.start_ticks is None
            or start_ticks(reading.pid) != reading.start_ticks
        ):
            return
        with suppress(OSError):
            for found in self._watch.look(reading, due):
                yield Event(time=found.time, pid=reading.pid, name=EVENT, facts=found.facts())
