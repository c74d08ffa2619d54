"""One port for all ranks of a run: the rank that has it serves what the others write into the same journal."""

from __future__ import annotations

import os
import socket
import stat
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from telemetry.interruption import pass_on
from telemetry.journal.records import Event, decode
from telemetry.kernel.process_identity import has_ended

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from telemetry.daemon.run_follower import RunFollower
    from telemetry.snapshot import Snapshot

SERVES = "serves"
"""The event of a rank that has a port."""
EDGE_BYTES = 2**18
"""Of the journal's start and end, looked through for it."""
WAIT_SECONDS = 0.3
"""For a rank that has taken the port just now to say so."""
PAUSE_SECONDS = 0.02
READ_SECONDS = 0.05
"""Of a scrape, at most, that reading what the others have written takes."""


def load() -> None:
    """Load what following the others needs: a training that serves nothing does not pay for it."""
    from telemetry.daemon import run_follower  # noqa: F401, PLC0415


class OtherRanks:
    """Follows the journal of the run for the ranks that are not this one; it is asked at scrapes, by any thread."""

    def __init__(self, path: str, own: Callable[[], Snapshot]) -> None:
        from telemetry.daemon.run_follower import RunFollower  # noqa: PLC0415 - see `load`

        self._own = own
        name = own().run
        self._run: RunFollower = RunFollower(os.path.dirname(path), name, [path])
        self._lock = threading.Lock()

    def snapshots(self) -> Sequence[Snapshot]:
        """Return the state of the other ranks; the last one known where another scrape reads just now."""
        if self._lock.acquire(blocking=False):
            try:
                self._run.collect(until=time.monotonic() + READ_SECONDS, now=time.time())
            finally:
                self._lock.release()
        own = self._own().key
        return [replace(one, growth=()) for one in self._run.snapshots if one.key != own]


def is_served_by_another(path: str, port: int) -> bool:
    """Whether another live process of the same journal has a port; waits a moment for it to say so."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not any(_is_at(port, event) for event in _events(path)):
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE_SECONDS)
    return True


def _is_at(port: int, event: Event) -> bool:
    is_here = event.facts == {"port": port, "host": socket.gethostname()}
    return is_here and event.pid != os.getpid() and not has_ended(event.pid)


def _events(path: str) -> list[Event]:
    """Return the events near the edges of a journal that say who serves; none where it cannot be read."""
    found: list[Event] = []
    try:
        # Without waiting: whoever made the directory may have put a pipe there.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return found
            content = file.read(EDGE_BYTES)
            file.seek(max(file.tell(), os.fstat(file.fileno()).st_size - EDGE_BYTES))
            content += b"\n" + file.read(EDGE_BYTES)
    except OSError as error:
        pass_on(error)
        return found
    for line in (line for line in content.split(b"\n") if SERVES.encode() in line):
        try:
            record = decode(line)
        except ValueError as error:
            pass_on(error)
            continue
        if isinstance(record, Event) and record.name == SERVES:
            found.append(record)
    return found
