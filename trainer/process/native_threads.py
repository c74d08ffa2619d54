"""`ThreadWatch`: has what started the native threads of a fold's process told, once, after a fold that left more of them.

Only of a process that follows its own calls (`telemetry.start(attribute=True)`), which says in its journal when a fold
has ended. pystack stops the process for about a second, so another process does it, which does not outlive its deadline;
whatever becomes of that one, the fold's process goes on.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, NamedTuple

from telemetry.journal.records import NATIVE_THREADS, Event
from telemetry.kernel.process_identity import start_ticks
from telemetry.reading import Reading
from telemetry.recorder.last_words import ATTRIBUTED
from trainer.process.look import NOT_INSTALLED, Look, has_pystack
from trainer.process.supervisor import descendants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from telemetry.journal.records import Record

COMMAND: tuple[str, ...] = (sys.executable, "-P", "-m", "trainer.process.native_stacks")
VARIABLE = "FOLDWATCH_NATIVE_THREADS"
"""``off`` in the environment of a fold: it is never stopped."""
MOST_PROCESSES = 100
"""Whose folds are compared, of those that write into one journal."""


class EndOfFold(NamedTuple):
    """A process at the end of a fold."""

    reading: Reading
    """Under the fold's last label."""
    time: float
    python_threads: int
    """That were started from Python and run."""

    def has_more_than(self, before: EndOfFold) -> bool:
        """Whether more native threads run than at the same stage of an earlier fold."""
        earlier, later = before.reading, self.reading
        if later.stage != earlier.stage or None in {later.threads, earlier.threads}:
            return False
        if (later.fold or 0) <= (earlier.fold or 0):
            return False
        more = (later.threads or 0) - (earlier.threads or 0)
        return more > max(0, self.python_threads - before.python_threads)


class ThreadWatch:
    """Follows the records of one fold's process, and of what that has started.

    Invariant: at most one look is taken, and `write` gets one event for it.
    """

    def __init__(self, write: Callable[[Event], None], environment: Mapping[str, str]) -> None:
        """Take where the event goes, and the environment of the fold's process."""
        self._write = write
        self._is_over = environment.get(VARIABLE) == "off"
        self._latest: dict[int, Reading] = {}
        self._ends: dict[int, EndOfFold] = {}
        self._look: tuple[Reading, Look] | None = None

    def take(self, record: Record) -> None:
        """Take the next record of the journal; never waits."""
        if self._is_over:
            return
        if isinstance(record, Reading):
            if record.label is not None and record.fold is not None:
                self._latest[record.pid] = record
                if max(len(self._latest), len(self._ends)) > MOST_PROCESSES:
                    self._is_over = True
        elif isinstance(record, Event) and record.name == ATTRIBUTED:
            self._at_end_of_fold(record)

    def _at_end_of_fold(self, event: Event) -> None:
        reading = self._latest.pop(event.pid, None)
        if reading is None:  # it is the end of the interpreter
            return
        end = EndOfFold(reading, event.time, _python_threads(event.facts))
        before, self._ends[event.pid] = self._ends.get(event.pid), end
        if before is not None and end.has_more_than(before):
            self._is_over = True
            self._begin(before, end)

    def _begin(self, before: EndOfFold, end: EndOfFold) -> None:
        if why := _why_not(end.reading):
            self._tell(end.reading, {"why": why})
            return
        window = (str(_ticks(at)) for at in (before.time, end.time))
        pid, ticks = end.reading.pid, end.reading.start_ticks
        try:
            self._look = end.reading, Look((*COMMAND, str(pid), *window), pid, ticks)
        except OSError as error:
            self._tell(end.reading, {"why": f"no process can be started: {error.strerror}"})

    def files(self) -> Iterator[IO[bytes]]:
        """Yield what becomes readable when a look has ended."""
        if self._look is not None:
            yield self._look[1].output

    def poll(self, *, is_last: bool = False) -> None:
        """Record what a look has found, if it has ended; never waits, except where this ``is_last``: then it ends it."""
        self._is_over |= is_last
        if self._look is None:
            return
        reading, look = self._look
        if look.has_ended() or is_last:
            self._look = None
            self._tell(reading, look.close())

    def _tell(self, reading: Reading, facts: Mapping[str, object]) -> None:
        facts = {**facts, "fold": reading.fold, "folds": reading.folds}
        self._write(Event(time=time.time(), pid=reading.pid, name=NATIVE_THREADS, facts=facts))


def _why_not(reading: Reading) -> str | None:
    """Say why a process is not to be looked at; what its number is was read from a file, and may be anybody's."""
    if not has_pystack():
        return NOT_INSTALLED
    if reading.pid not in descendants() or start_ticks(reading.pid) != reading.start_ticks:
        return "the process had ended, or has another number here"
    with suppress(OSError), open(f"/proc/{reading.pid}/stat", "rb") as file:
        if file.read().rpartition(b")")[2].split()[:1] in ([b"T"], [b"t"]):
            return "the process was stopped, or is being traced"
    return None


def _python_threads(facts: Mapping[str, object]) -> int:
    """Return how many threads that Python code has started run; 0 where it is not told."""
    started = facts.get("started")
    if not isinstance(started, list):
        return 0
    counts = (one.get("running") for one in started if isinstance(one, dict))
    return sum(count for count in counts if type(count) is int)


def _ticks(moment: float) -> int:
    """Return a time of the wall clock in clock ticks since boot, as threads' starts are told."""
    ago = time.time() - moment
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME) - ago
    return max(0, round(since_boot * os.sysconf("SC_CLK_TCK")))
