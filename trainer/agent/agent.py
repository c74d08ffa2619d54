"""`Agent`: runs one order on this host: launches, watches, and writes how each fold ended."""

from __future__ import annotations

import selectors
import time
from typing import TYPE_CHECKING

from telemetry.journal.records import Event
from trainer.agent.exit_code import ExitCode
from trainer.agent.fold_lease import FoldLease
from trainer.agent.fold_outcome import OutcomeWriter
from trainer.agent.launch import launch
from trainer.agent.room import ADMISSION_SECONDS, shortage_here
from trainer.agent.starter import Starter
from trainer.process.fold_cgroup import FoldCgroups
from trainer.process.fold_process import LINGERED
from trainer.process.signals import Interruptions
from trainer.process.supervisor import kill_descendants
from trainer.run.lease import RENEWALS
from trainer.run.warning import explained

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.agent.channel import JsonLines
    from trainer.agent.order import Order
    from trainer.agent.room import Shortage
    from trainer.process.fold_process import FoldProcess
    from trainer.process.launcher import ExitStatus

STOPPED = "interrupted: the agent was told to end by a signal"
STARTER_ENDED = "interrupted: what had started it has ended"
WATCH_SECONDS = 1.0
"""Between two looks at a process that says nothing, or at the room that there is."""
FIRST_SECONDS = 0.05
"""Until the first reading of a process, which may be its last."""
PATTERN_SECONDS = 0.05
"""The same where each line may be a label."""


class Agent:
    """Runs one order.

    Invariant: when `run` returns, nothing that it has started lives, and each fold that it began has a whole result or a
    failure.json under its lease, unless the disk refused it or the lease was lost.
    """

    def __init__(
        self,
        order: Order,
        starter: JsonLines | None,
        *,
        parent: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what to run, whom to listen to or else whom to end with, and the clock of the timeout."""
        self._order = order
        self._starter = Starter(starter, parent=parent)
        self._clock = clock
        self._began = 0.0
        self._interruptions = Interruptions()
        self._outcomes = OutcomeWriter(order, self._starter.say, is_wanted=self._is_wanted)
        self._cgroups = FoldCgroups(order.limits)
        self._process: FoldProcess | None = None
        self._lease = FoldLease(order, self._starter, self._outcomes, is_wanted=self._is_wanted)
        self._to_give = order.fold if not order.is_ahead else None

    def run(self) -> ExitCode:
        """Carry the order out."""
        with self._interruptions:
            try:
                if self._begin():
                    while self._process is not None:
                        self._step(self._process)
            finally:
                self._end_all()
                self._cgroups.close()
                self._lease.release()
        return self._outcomes.exit_code

    def _begin(self) -> bool:
        """Take the lease, wait for room and launch; whether there is a process."""
        fold = self._order.fold
        if fold is not None and not self._lease.take(fold):
            return False
        if not self._wait_for_room() or self._lease.is_lost():
            return False
        try:
            self._process = launch(
                self._order, token=self._lease.token, cgroups=self._cgroups, log=self._starter.log
            )
        except OSError as error:
            self._outcomes.refuse(fold, "not started", f"cannot be started: {explained(error)}")
            return False
        self._starter.say("started", pid=self._process.pid)
        if self._to_give is not None:
            self._give(self._to_give)
        self._wait(FIRST_SECONDS)
        self._process.sample()
        return True

    def _wait_for_room(self) -> bool:
        """Wait until the process fits here; whether it does."""
        told, gives_up_at = False, time.monotonic() + ADMISSION_SECONDS
        while (shortage := shortage_here(self._order.need)) is not None:
            if self._order.is_ahead:
                self._outcomes.exit_code = ExitCode.NOT_STARTED
                return False
            if not told:
                told = True
                self._tell_wait(shortage)
            self._wait(WATCH_SECONDS)
            is_over = not self._starter.listens and time.monotonic() > gives_up_at
            for command in [*self._starter.commands(), *[{"refuse": True}] * is_over]:
                if "refuse" in command:
                    reason = f"rejected: insufficient headroom; {shortage}"
                    self._outcomes.refuse(self._order.fold, "refused", reason)
                    return False
                if "end" in command or "dismiss" in command:
                    self._outcomes.exit_code = ExitCode.STOPPED
                    return False
                self._to_give = command.get("give", self._to_give)
            if self._interruptions.take_count() or not self._starter.is_there:
                self._outcomes.exit_code = ExitCode.STOPPED
                return False
            if self._lease.is_lost():
                return False
        return True

    def _tell_wait(self, shortage: Shortage) -> None:
        if self._starter.listens:
            self._starter.say("waits", why=str(shortage))
        else:
            self._starter.log(f"fold {self._order.fold}: waiting for headroom; {shortage}")

    def _step(self, process: FoldProcess) -> None:
        watch = PATTERN_SECONDS if self._order.pattern else WATCH_SECONDS
        self._wait(min(watch, self._order.lease_seconds / (2 * RENEWALS)))
        self._hear(process)
        status = process.poll()
        if process.fold is not None:
            process.take_labels()
            timeout = self._order.timeout_seconds
            if timeout is not None and self._clock() - self._began > timeout:
                process.end(f"timeout: it ran for more than {timeout:g} s")
        done = process.folds_done()
        if process.sample() or done or status is not None:
            process.follow()
        if self._lease.held is not None and not self._lease.held.is_held():
            process.end(f"its lease was lost: {self._lease.held.why_lost}", at_once=True)
        if status is not None:
            self._on_exit(process, status)
        elif process.fold in done:
            self._finish_in_place(process)

    def _hear(self, process: FoldProcess) -> None:
        """Do what the starter and signals ask for."""
        for command in self._starter.commands():
            if "give" in command:
                self._give(command["give"])
            if "dismiss" in command:
                if why := command.get("why"):
                    facts = {"fold": command.get("fold"), "why": why}
                    process.write(
                        Event(time=time.time(), pid=process.pid, name="recycled", facts=facts)
                    )
                process.dismiss()
            if "end" in command:
                process.end(str(command["end"]), at_once=bool(command.get("at_once")))
        if count := self._interruptions.take_count():
            process.end(STOPPED, at_once=count > 1)
        if not self._starter.is_there:
            process.end(STARTER_ENDED, at_once=True)

    def _is_wanted(self) -> bool:
        """Whether nobody has asked to end yet."""
        return not (self._starter.wants_end() or self._interruptions.count)

    def _give(self, fold: int) -> None:
        """Let the process run ``fold``; if its lease is not to be had, end it."""
        if self._process is None:
            return
        if self._lease.held is None and not self._lease.take(fold):
            self._process.dismiss()
        else:
            self._began = self._clock()
            self._process.give(fold, self._lease.token)

    def _wait(self, seconds: float) -> None:
        """Wait until somebody reports something, or ``seconds`` are over."""
        with selectors.PollSelector() as selector:
            selector.register(self._interruptions.wakes, selectors.EVENT_READ)
            of_process = self._process.sockets() if self._process is not None else ()
            for connection in (*self._starter.sockets(), *of_process):
                selector.register(connection, selectors.EVENT_READ)
            selector.select(seconds)

    def _finish_in_place(self, process: FoldProcess) -> None:
        """Record a fold whose process lives on."""
        if self._order.fold is not None:
            process.dismiss()  # the fold ends with it
            return
        self._record(process, None)
        process.fold = None

    def _on_exit(self, process: FoldProcess, status: ExitStatus) -> None:
        """Record the end of the process, and of the fold that it ran."""
        self._process = None
        process.close(status)
        if process.has_lingered:
            self._starter.log(
                f"a fold's process was killed: {LINGERED}; a non-daemon thread keeps a process alive"
            )
        if process.supervised.lost_supervisor:
            kill_descendants()
        process.follow()
        if process.fold is not None:
            self._record(process, status)

    def _record(self, process: FoldProcess, status: ExitStatus | None) -> None:
        """Write how the present fold ended, and let go of it."""
        if process.fold is not None and self._lease.held is not None:
            self._outcomes.record(process, process.fold, status, self._lease.held)
            self._lease.release()

    def _end_all(self) -> None:
        """End what an error has left running."""
        while (process := self._process) is not None:
            process.end("interrupted: an error of its agent", at_once=True)
            if (status := process.poll()) is not None:
                self._on_exit(process, status)
            time.sleep(0.01)
