"""`ProcessPool`: the processes of a run's folds: launched if they fit, reused, prestarted, dismissed."""

from __future__ import annotations

import selectors
import time
from typing import TYPE_CHECKING

from telemetry.journal.records import Event
from telemetry.reading import Reading
from trainer.process.fold_process import LINGERED
from trainer.run.warning import explained
from trainer.runner.admission import AdmissionControl
from trainer.runner.forecast import shortage_for_next_fold

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping, Sequence

    from telemetry.journal.records import Record
    from trainer.process.fold_launcher import FoldLauncher
    from trainer.process.fold_process import FoldProcess
    from trainer.run.job import RunOptions
    from trainer.runner.observer import RunObserver
    from trainer.runner.run_state import RunState

ADMISSION_SECONDS = 30.0
"""How long a fold waits for headroom while no process of the run lives; then it is refused."""
LAST_STAGES = frozenset({"after Stage 2 fit"})
LEAD_SECONDS = 10.0
"""Before a fold's end, estimated by the length of the one before: enough to import TensorFlow."""


class FoldNotStartedError(Exception):
    """No process could be had for a fold; ``outcome`` is that of its failure.json."""

    def __init__(self, outcome: str, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


class ProcessPool:
    """The live processes of a run. Close it with nothing left in it."""

    def __init__(
        self,
        launcher: FoldLauncher,
        options: RunOptions,
        observer: RunObserver,
        *,
        admission_seconds: float = ADMISSION_SECONDS,
    ) -> None:
        self._launcher = launcher
        self._options = options
        self._observer = observer
        self._processes: list[FoldProcess] = []
        self._admission = AdmissionControl()
        self._admission_seconds = admission_seconds
        self._waits_since: float | None = None
        self._announced: set[int] = set()
        self._prestarted: set[int] = set()
        self._typical_seconds: float | None = None
        self._has_reported_lingering = False

    def __iter__(self) -> Iterator[FoldProcess]:
        """Iterate over a copy: a process that ended is removed meanwhile."""
        return iter(list(self._processes))

    def __len__(self) -> int:
        """Return the number of live processes."""
        return len(self._processes)

    @property
    def busy(self) -> int:
        """How many processes run a fold now."""
        return sum(process.fold is not None for process in self._processes)

    def acquire(self, fold: int) -> FoldProcess | None:
        """Return a process for ``fold``, or None if it must wait.

        Raises:
            FoldNotStartedError: The headroom stayed too small, or the process could not be started.
        """
        for process in self._processes:
            if process.fold is None and not process.is_dismissed:
                if process.reserved_for == fold:
                    return process
                if not self._options.is_isolated:
                    return process if self._can_reuse(process, fold) else None
        if not self._options.is_isolated and self._processes:
            return None  # the one that is recycled must be gone
        return self._launch(fold) if self._is_admitted(fold) else None

    def prestart(self, fold: int, state: RunState) -> None:
        """Launch the next worker while a fold is in its last stage, if both fit.

        Raises:
            FoldNotStartedError: It could not be started.
        """
        if fold in self._prestarted or not any(self._is_late(p, state) for p in self._processes):
            return
        self._prestarted.add(fold)  # tried once, even if it fails
        if self._admission.shortage_for_waiting_worker() is None:
            self._launch(fold)

    def wait(self, wakes: socket.socket, *, seconds: float) -> None:
        """Wait until a process reports something, ``wakes`` becomes readable, or ``seconds`` are over."""
        with (
            selectors.PollSelector() as selector
        ):  # it takes no descriptor, of which there may be none left
            selector.register(wakes, selectors.EVENT_READ)
            for process in self._processes:
                for connection in process.sockets():
                    selector.register(connection, selectors.EVENT_READ)
            selector.select(seconds)

    def end(self, reason: str, *, at_once: bool) -> None:
        """End every process, as `FoldProcess.end` does."""
        for process in self._processes:
            process.end(reason, at_once=at_once)

    def dismiss_idle(self) -> None:
        """Dismiss every process without a fold."""
        for process in self._processes:
            if process.fold is None and not process.is_dismissed:
                process.dismiss()

    def note_records(self, records: Sequence[Record]) -> None:
        """Note from a worker's journal what a loaded worker needs."""
        for record in records:
            if isinstance(record, Reading):
                self._admission.note_checkpoint(record)

    def note_finished(self, peaks: Mapping[int, Mapping[str, int]], *, seconds: float) -> None:
        """Note what a finished fold has needed: ``peaks`` by the folds of its process."""
        self._typical_seconds = seconds
        self._admission.note_fold(next(iter(peaks.values()), {}))

    def remove(self, process: FoldProcess) -> set[int]:
        """Forget a process that has ended; return the supervisors of the others."""
        self._processes.remove(process)
        if process.has_lingered and not self._has_reported_lingering:
            self._has_reported_lingering = True
            self._observer.on_message(
                f"a fold's process was killed: {LINGERED}; a non-daemon thread keeps a process alive"
            )
        return {other.supervised.supervisor_pid for other in self._processes}

    def close(self) -> None:
        """Close the descriptors, and leave the cgroups as they were."""
        self._admission.close()
        self._launcher.close()

    def _can_reuse(self, process: FoldProcess, fold: int) -> bool:
        """Whether the process takes this fold too; else recycle it and report why."""
        if self._options.isolation == "none" or not process.peaks:
            return True
        shortage = shortage_for_next_fold(list(process.peaks.values()), process.limits)
        if shortage is None:
            return True
        self._observer.on_message(f"fold {fold}: in a fresh process; in the one before, {shortage}")
        facts = {"fold": fold, "why": str(shortage)}
        process.write(Event(time=time.time(), pid=process.pid, name="recycled", facts=facts))
        process.dismiss()
        return False

    def _is_admitted(self, fold: int) -> bool:
        """Whether a fresh process for ``fold`` fits; it waits while another may free some."""
        shortage = self._admission.shortage_for_new_fold()
        if shortage is None:
            self._waits_since = None
            return True
        self._waits_since = self._waits_since or time.monotonic()
        if fold not in self._announced:
            self._announced.add(fold)
            self._observer.on_message(f"fold {fold}: waiting for headroom; {shortage}")
        is_over = time.monotonic() - self._waits_since > self._admission_seconds
        if is_over and not self._processes:
            raise FoldNotStartedError("refused", f"rejected: insufficient headroom; {shortage}")
        return False

    def _launch(self, fold: int) -> FoldProcess:
        try:
            process = self._launcher.launch(fold)
        except OSError as error:
            raise FoldNotStartedError(
                "not started", f"cannot be started: {explained(error)}"
            ) from error
        self._processes.append(process)
        return process

    def _is_late(self, process: FoldProcess, state: RunState) -> bool:
        if process.fold is None:
            return False
        stages = state[process.fold].checkpoints.keys()
        expected = self._typical_seconds
        seconds = time.monotonic() - process.fold_began
        return bool(LAST_STAGES & stages) or (
            expected is not None and seconds > expected - LEAD_SECONDS
        )
