"""`Origins`: which host and rank each process writes for, as the headers say; two that share both are told apart."""

from __future__ import annotations

import logging
import shlex
import socket
from typing import TYPE_CHECKING, NamedTuple

from telemetry.daemon.run_member import Writer
from telemetry.kernel.process_identity import ProcessIdentity, is_alive, is_of_earlier_boot
from telemetry.snapshot import STALE_SECONDS

if TYPE_CHECKING:
    from telemetry.journal.records import Event, Header
    from telemetry.reading import Reading

logger = logging.getLogger("foldwatch")

WRITERS_KEPT = 4096
LABELLERS_KEPT = 256
"""Processes that label one fold of one rank."""
TEXT_KEPT = 200
COMMAND_KEPT = 500
"""Characters."""
GONE_SECONDS = 5.0
"""What launched a process is given so long to write how it ended."""


class Origin(NamedTuple):
    """The host and the rank that a process writes for: a run on two hosts, or of two ranks, is shown as two."""

    host: str
    rank: str


class Origins:
    """The origins of a run's processes, from its journals' records, which are untrusted.

    A process whose header is not known has none. Two processes that label the same fold of one rank in turns are both
    alive: ranks of which nobody says which they are, as multiprocessing starts them.
    """

    def __init__(self, run: str) -> None:
        self._run = run
        self._of: dict[Writer, Origin] = {}
        self._identities: dict[Writer, ProcessIdentity] = {}
        self.commands: dict[Origin, str] = {}
        """By origin, what its last process was started with."""
        self._own_host = socket.gethostname()
        self._labelled: dict[tuple[Origin, int | None], list[Writer]] = {}
        """By origin and fold, the processes that have labelled it, the latest one last."""
        self._has_warned = False

    def note(self, header: Header, journal: str) -> None:
        """Take what a process says of itself."""
        origin = _origin(header)
        if len(self._of) < WRITERS_KEPT or origin in self.commands:
            self.commands[origin] = shlex.join(header.argv)[:COMMAND_KEPT]
        for ticks in (header.start_ticks, None):
            writer = Writer(journal, header.pid, ticks)
            if len(self._of) < WRITERS_KEPT or writer in self._of:
                self._of[writer] = origin
                self._identities[writer] = ProcessIdentity(
                    header.boot_id, header.pid_namespace, header.pid, header.start_ticks
                )

    def is_gone(self, writer: Writer, *, silent_seconds: float) -> bool:
        """Whether it is proven that a process is not there any more, which was heard of so long ago."""
        origin, identity = self._of.get(writer), self._identities.get(writer)
        if origin is None or identity is None or silent_seconds < GONE_SECONDS:
            return False
        if is_alive(identity) is False:
            return True
        # Another host may have the same name; what runs there is heard of.
        may_be_here = origin.host == self._own_host and silent_seconds > STALE_SECONDS
        return may_be_here and is_of_earlier_boot(identity)

    def is_known(self, header: Header, journal: str) -> bool:
        """Whether the process of a header has written this journal before."""
        writer = Writer(journal, header.pid, header.start_ticks)
        return self._of.get(writer) in {_origin(header), self._split(writer, _origin(header))}

    def of_event(self, event: Event, journal: str) -> Origin | None:
        """Return the origin of an event, which tells no start of its process."""
        return self._of.get(Writer(journal, event.pid, None))

    def of_reading(self, reading: Reading, fold: int | None, journal: str) -> Origin | None:
        """Return the origin of a reading; one of its own where another live process has the same one."""
        writer = Writer(journal, reading.pid, reading.start_ticks)
        origin = self._of.get(writer) or self._of.get(writer.of_any_start())
        # Without the start of its process a reading may be of any that had the number.
        if origin is None or reading.label is None or reading.start_ticks is None:
            return origin
        if (origin, fold) not in self._labelled and len(self._labelled) >= WRITERS_KEPT:
            return origin
        known = self._labelled.setdefault((origin, fold), [])
        if known and known[-1] != writer:
            if writer in known:  # it is back after another one: both live
                for other in known[known.index(writer) + 1 :]:
                    self._tell_apart(other, origin)
                del known[known.index(writer) + 1 :]
            elif len(known) < LABELLERS_KEPT:
                known.append(writer)
        elif not known:
            known.append(writer)
        return self._of.get(writer) or origin

    def of_process(self, pid: int, start_ticks: int | None, host: str) -> Origin | None:
        """Return the origin of a process that wrote any of the journals."""
        found = (
            origin
            for writer, origin in self._of.items()
            if (writer.pid, writer.start_ticks) == (pid, start_ticks) and origin.host == host
        )
        return next(found, None)

    def _tell_apart(self, writer: Writer, origin: Origin) -> None:
        for one in (writer, writer.of_any_start()):
            if self._of.get(one) == origin:
                self._of[one] = self._split(writer, origin)
        if not self._has_warned:
            self._has_warned = True
            who = f"rank {origin.rank}" if origin.rank else "no rank"
            logger.warning(
                "foldwatch: run %r: several live processes on %s have %s: each is shown by its number;"
                " set RANK, or start them by a launcher that does",
                self._run,
                origin.host,
                who,
            )

    @staticmethod
    def _split(writer: Writer, origin: Origin) -> Origin:
        return Origin(origin.host, f"{origin.rank} pid {writer.pid}".strip())


def _origin(header: Header) -> Origin:
    return Origin(header.host[:TEXT_KEPT], header.rank[:TEXT_KEPT])
