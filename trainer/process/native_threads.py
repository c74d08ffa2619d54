"""`ThreadWatch`: has what started the native threads of a fold's process told, once, after a fold that left more of them.

Only of a process that follows its own calls (`telemetry.start(attribute=True)`), which says in its journal when a fold
has ended. pystack stops the process for about a second, so another process does it, which does not outlive its deadline;
whatever becomes of that one, the fold's process goes on.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, NamedTuple

from telemetry.journal import typed
from telemetry.journal.records import NATIVE_THREADS, Event
from telemetry.kernel.process_identity import start_ticks
from telemetry.masking import child_environment
from telemetry.reading import Reading
from telemetry.recorder.last_words import ATTRIBUTED
from trainer.process.native_stacks import LONGEST_SECONDS
from trainer.process.start import starting
from trainer.process.supervisor import descendants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from telemetry.journal.records import Record

COMMAND: tuple[str, ...] = (sys.executable, "-P", "-m", "trainer.process.native_stacks")
VARIABLE = "FOLDWATCH_NATIVE_THREADS"
"""``off`` in the environment of a fold: it is never stopped."""
NOT_INSTALLED = "pystack is not installed (pip install 'foldwatch[explain]')"
MOST_PROCESSES = 100
"""Whose folds are compared, of those that write into one journal."""
MOST_BYTES = 2**20
END_SECONDS = 1.0


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
        self._look: _Look | None = None

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
        try:
            self._look = _Look(before, end)
        except OSError as error:
            self._tell(end.reading, {"why": f"no process can be started: {error.strerror}"})

    def files(self) -> Iterator[IO[bytes]]:
        """Yield what becomes readable when a look has ended."""
        if self._look is not None:
            yield self._look.output

    def poll(self, *, is_last: bool = False) -> None:
        """Record what a look has found, if it has ended; never waits, except where this ``is_last``: then it ends it."""
        self._is_over |= is_last
        look = self._look
        if look is None or not (look.has_ended() or is_last):
            return
        self._look = None
        self._tell(look.reading, look.close())

    def _tell(self, reading: Reading, facts: Mapping[str, object]) -> None:
        facts = {**facts, "fold": reading.fold, "folds": reading.folds}
        self._write(Event(time=time.time(), pid=reading.pid, name=NATIVE_THREADS, facts=facts))


class _Look:
    """A process that looks at another one."""

    def __init__(self, before: EndOfFold, end: EndOfFold) -> None:
        """Start it. Raises OSError."""
        self.reading = end.reading
        self._said, self._is_whole = b"", False
        window = (str(_ticks(at)) for at in (before.time, end.time))
        # What is missing of debug information is not fetched from the network while a process is stopped.
        environment = child_environment() | {"DEBUGINFOD_URLS": ""}
        with starting():
            self._process = subprocess.Popen(
                [*COMMAND, str(end.reading.pid), *window],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        self.output = self._process.stdout
        os.set_blocking(self.output.fileno(), False)

    def has_ended(self) -> bool:
        """Whether it has said all that it says."""
        while len(self._said) <= MOST_BYTES:
            try:
                read = os.read(self.output.fileno(), 2**16)
            except BlockingIOError:
                return False
            self._said += read
            if not read:
                self._is_whole = True
                return True
        return True

    def close(self) -> dict[str, object]:
        """End it; return the facts that it said, or why there are none, after which the fold's process goes on."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS if self.has_ended() else 0)
        self._process.kill()
        code = self._process.wait()
        self.output.close()
        try:
            facts = typed.load(self._said)
            if "why" not in facts:
                return facts
        except ValueError:
            facts = {"why": _end_words(code) if self._is_whole else "the process ended meanwhile"}
        _continue(self.reading)
        return facts


def _continue(reading: Reading) -> None:
    """Let a process go on: what was ended while it attached to it may have left it stopped."""
    if start_ticks(reading.pid) == reading.start_ticks:
        with suppress(OSError):
            os.kill(reading.pid, signal.SIGCONT)


def _why_not(reading: Reading) -> str | None:
    """Say why a process is not to be looked at; what its number is was read from a file, and may be anybody's."""
    if importlib.util.find_spec("pystack") is None:
        return NOT_INSTALLED
    if reading.pid not in descendants() or start_ticks(reading.pid) != reading.start_ticks:
        return "the process had ended, or has another number here"
    with suppress(OSError), open(f"/proc/{reading.pid}/stat", "rb") as file:
        if file.read().rpartition(b")")[2].split()[:1] in ([b"T"], [b"t"]):
            return "the process was stopped, or is being traced"
    return None


def _end_words(code: int) -> str:
    if code == -signal.SIGALRM:
        return f"it took more than {LONGEST_SECONDS:g} s, and was given up"
    words = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"what looked at it ended early: {words}"


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
