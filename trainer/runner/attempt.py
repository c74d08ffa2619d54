"""`Attempt`: an agent and the process that it runs, known by the files that it writes."""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from telemetry.file_fault import reason
from telemetry.journal.follower import JournalFollower
from telemetry.journal.records import Event
from telemetry.journal.run_layout import JOURNAL, OUTPUT
from telemetry.limits import GROWS_WITH
from telemetry.reading import Reading
from trainer.agent.fold_failure import failure_of, read_failure
from trainer.process.fold_process import ANSWER_SECONDS, GRACE_SECONDS
from trainer.process.output_follower import OutputFollower
from trainer.run.warning import FileErrors
from trainer.runner.fold_outcomes import NO_ROOM
from trainer.runner.holder_looks import HolderLooks
from trainer.runner.witness import Witness, witness_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from telemetry.journal.records import Record
    from telemetry.reading import Limit
    from trainer.agent.fold_failure import FoldFailure
    from trainer.agent.order import Order
    from trainer.run.directory import RunDirectory
    from trainer.run.fold_result import FoldResult
    from trainer.runner.engine import RunningAgent

_KEPT = frozenset({*GROWS_WITH.values(), "tree_threads"})
EXITED = "exited"
WAKE_SECONDS = 2.0
GIVE_UP_SECONDS = 2 * ANSWER_SECONDS
"""For an agent to end what it was told to kill; then it is killed itself."""


class NotLaunched(NamedTuple):
    """Why an agent launched no process that several folds were to run in."""

    outcome: str
    reason: str


class Attempt:
    """One agent at work.

    Invariant: what it has written about a fold counts only under the fold's present lease. Whatever is in its files,
    nothing here raises for it.
    """

    def __init__(
        self,
        agent: RunningAgent,
        order: Order,
        directory: RunDirectory,
        *,
        shows_output: bool,
        gpus: tuple[str, ...] = (),
    ) -> None:
        self.order = order
        self.gpus = gpus
        """Of this host, which nobody else of the run gets meanwhile."""
        self._agent, self.directory = agent, directory
        self.fold = None if order.is_ahead else order.fold
        """The fold that it runs now, or is to run."""
        self.reserved_for = order.fold if order.is_ahead else None
        """The fold that it was started for and has not been given yet."""
        self.waits_for: str | None = None
        """The limit that leaves no room for its process."""
        self.has_started = False
        """Whether it has launched its process."""
        self.shown_fold: int | None = None
        """The fold that is known to run in it."""
        self.is_dismissed = False
        """Whether there is no other fold for its process."""
        self.refusal: NotLaunched | None = None
        self.peaks: dict[int, dict[str, int]] = {}
        """By fold, the highest value of each quantity that the forecast needs."""
        self.limits: Mapping[str, Limit] = {}
        self.looks = HolderLooks(is_elsewhere=agent.pid is None)
        self.messages: list[str] = []
        """What it has to say to a person."""
        self.no_room: str | None = None
        """Why its file system takes no further file."""
        self.exit_code = 0
        """Of its process, once that has ended by itself."""
        self.fold_began, self.ended_at = time.monotonic(), 0.0
        """When its agent was seen to have ended, in seconds since the epoch."""
        self.witness: Witness | None = None
        """Of its process, if that is on this host."""
        self._said_ended: set[int] = set()
        self._unwritten: dict[int, FoldFailure] = {}
        self._end_reason: str | None = None
        self._give_up_at, self._wake_at = math.inf, 0.0
        self._errors = FileErrors(directory.layout.fold_dir(order.fold), is_silent=True)
        self._follower = JournalFollower(directory.layout.journal(order.fold))
        if order.fold is None:  # records of another process
            self._errors.value(self._follower.skip, JOURNAL)
        self._shows_output = shows_output
        self._output: OutputFollower | None = None

    @property
    def pid(self) -> int | None:
        """The agent's process, if it is on this host."""
        return self._agent.pid

    @property
    def socket(self) -> socket.socket:
        """What becomes readable when the agent says something, or ends."""
        return self._agent.lines.socket

    def give(self, fold: int) -> None:
        """Let its process run ``fold``."""
        self.fold, self.reserved_for = fold, None
        self._begin()
        self._agent.lines.say(give=fold)

    def dismiss(self, *, why: str = "", fold: int | None = None) -> None:
        """Let its process end: there is no other fold for it."""
        self.is_dismissed = True
        self._agent.lines.say(dismiss=True, why=why, fold=fold)

    def refuse(self) -> None:
        """Let it wait for room no longer."""
        self._agent.lines.say(refuse=True)

    def end(self, reason: str, *, at_once: bool = False) -> None:
        """End what it runs by SIGTERM, and by SIGKILL after a grace or at once."""
        if self._end_reason is None or at_once:
            self._end_reason = self._end_reason or reason
            self._agent.lines.say(end=reason, at_once=at_once)
            self._agent.wake()
            grace = 0.0 if at_once else GRACE_SECONDS
            self._give_up_at = min(self._give_up_at, time.monotonic() + grace + GIVE_UP_SECONDS)

    def poll(self) -> int | None:
        """Hear what it says; return how the agent ended, None while it lives."""
        ended, now = self._agent.poll(), time.monotonic()
        if ended is not None:
            self.ended_at = self.ended_at or time.time()
        for said in self._agent.lines.heard():
            self._take(said)
        if ended is None and now > self._give_up_at:
            self._agent.kill()
        elif ended is None and now > self._wake_at:  # somebody may have stopped it
            self._agent.wake()
            self._wake_at = now + WAKE_SECONDS
        return ended

    def _begin(self) -> None:
        """Note that its fold begins; an agent that does not end one in time is given up."""
        self.fold_began = time.monotonic()
        if (timeout := self.order.timeout_seconds) is not None:
            self._give_up_at = self.fold_began + timeout + GRACE_SECONDS + GIVE_UP_SECONDS

    def _take(self, said: Mapping[str, Any]) -> None:
        what, fold = said.get("said"), said.get("fold")
        if what == "waits":
            self.waits_for = str(said.get("why"))
        elif what == "started":
            self.waits_for, self.has_started = None, True
            self.witness = witness_of(said.get("pid"))
            if self.reserved_for is None:
                self._begin()
        elif what in {"ended", "unwritten"} and isinstance(fold, int):
            self._said_ended.add(fold)
            if what == "unwritten":
                self._unwritten[fold] = failure_of(said["failure"])
            if (number := said.get("errno")) in NO_ROOM:
                self.no_room = reason(OSError(number, os.strerror(number)))
        elif what == "refused":
            self.refusal = NotLaunched(str(said.get("outcome")), str(said.get("reason")))
        elif what == "log":
            self.messages.append(str(said.get("text")))

    def outcome(self, fold: int, *, is_over: bool) -> FoldResult | FoldFailure | None:
        """Return how ``fold`` ended, as its files say; None if they do not say so yet.

        ``is_over``: the agent has ended, whatever it has said.
        """
        if fold not in self._said_ended and not is_over:
            return None
        if fold in self._unwritten:
            return self._unwritten[fold]
        return self.directory.result(fold) or self._failure(fold)

    def _failure(self, fold: int) -> FoldFailure | None:
        found = read_failure(self.directory.layout.failure(fold))
        if found is None or found.fold != fold:
            return None
        return found if not found.attempt or self.directory.counts(fold, found.attempt) else None

    def lines(self, *, is_over: bool = False) -> list[str]:
        """Return the lines to show that its process wrote since; the last one needs no line end if it ``is_over``."""
        if not self._shows_output or not self.has_started:
            return []
        if self._output is None:
            path = self.directory.layout.output(self.order.fold)
            self._output = self._errors.value(lambda: OutputFollower(path, is_new=True), OUTPUT)
            if self._output is None:
                return []
        read = self._output.finish if is_over else self._output.poll
        return self._output.shown(self._errors.value(read, OUTPUT) or [])

    def records(self) -> list[Record]:
        """Return the new records of its journal."""
        if not self.has_started:
            return []
        records = self._errors.value(self._follower.poll, JOURNAL) or []
        for record in records:
            if (
                isinstance(record, Event)
                and record.name == EXITED
                and not record.facts.get("by_runner")
            ):
                self.exit_code = record.facts.get("exit_code", 0)
            if isinstance(record, Reading) and self.fold is not None:
                self.limits = record.limits
                _note_peaks(self.peaks.setdefault(record.fold or self.fold, {}), record)
        return records

    def close(self) -> None:
        """Release everything but the witness, which sees the end of a process that outlives its agent."""
        self._agent.close()
        if self.witness is not None:
            self.witness.note_end()

    def release(self) -> None:
        """Release the rest."""
        if self.witness is not None:
            self.witness.close()


def _note_peaks(peaks: dict[str, int], reading: Reading) -> None:
    for name in _KEPT:
        values = (getattr(reading, name), reading.peaks.get(name), peaks.get(name))
        known = [value for value in values if value is not None]
        if known:
            peaks[name] = max(known)
