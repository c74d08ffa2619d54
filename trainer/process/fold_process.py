"""One process that runs folds, watched from outside: its journal, its output, its peaks."""

from __future__ import annotations

import errno
import math
import os
import time
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING

from telemetry.journal.follower import JournalFollower
from telemetry.journal.private_files import make_folder
from telemetry.journal.run_layout import JOURNAL, OUTPUT, RunLayout, fold_number
from telemetry.journal.writer import JournalWriter
from telemetry.reading import Reading
from telemetry.thread_line import Label
from trainer.process.launcher import SupervisedProcess
from trainer.process.native_threads import ThreadWatch
from trainer.process.output_labels import OutputLabels
from trainer.process.process_record import ProcessRecord, header_of
from trainer.process.stall_watch import StallWatch
from trainer.process.supervisor import KILL_SECONDS
from trainer.run.warning import FileErrors
from trainer.run.worker_protocol import DoneLines

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from telemetry.journal.records import Record
    from trainer.process.launcher import ExitStatus, ProcessSpec
    from trainer.run.checkpoint_pattern import CheckpointPattern

SAMPLE_SECONDS = 1.0
GRACE_SECONDS = 4.0
"""Between SIGTERM and SIGKILL: a run that is told to stop has ended all of its folds within five seconds."""
ANSWER_SECONDS = KILL_SECONDS + GRACE_SECONDS
"""For the supervisor to say that a killed process has ended; then it is killed itself."""
EXIT_SECONDS = 10.0
"""For a process without another fold: its exit handlers may take a while."""
LINGERED = f"it had nothing more to do and did not end within {EXIT_SECONDS:g} s"


class FoldProcess:
    """A launched process.

    Invariants: after `close` nothing of it lives, and its end is in its journal, if that can be written. What it
    has made of its own files costs readings, never an exception.
    """

    def __init__(
        self,
        spec: ProcessSpec,
        *,
        folds: int,
        pattern: CheckpointPattern | None = None,
    ) -> None:
        """Launch it.

        Raises:
            OSError: It cannot be started.
        """
        self._spec, self._folds, self._pattern = spec, folds, pattern
        self.fold_dir = os.path.dirname(spec.output_path)
        make_folder(self.fold_dir)
        self._is_by_link = os.path.islink(self.fold_dir)
        self.fold: int | None = None
        """The fold that it runs now."""
        self.fold_began = time.monotonic()
        self.end_reason: str | None = None
        """Why its agent ended it; None if it ended by itself."""
        self.has_lingered = False
        """Whether it did not end after that, and was killed."""
        self._replies = DoneLines()
        self._kill_at = self._give_up_at = math.inf
        self._sampled_at = 0.0
        self._errors = FileErrors(self.fold_dir)
        self._follower = JournalFollower(os.path.join(self.fold_dir, JOURNAL))
        self._follower.skip()  # records of another process or an earlier run
        self._thread_watch = ThreadWatch(self.write, spec.environment)
        self._stall_watch = StallWatch(self.write, self.fold_dir, self._errors, spec.environment)
        self._launch()

    def _launch(self) -> None:
        """Open all that watches it, and let it run; after an error nothing is left. Raises OSError."""
        with ExitStack() as undo:
            journal = JournalWriter(self._follower.path)
            undo.callback(journal.close)
            self.supervised = SupervisedProcess(self._spec)
            undo.callback(self.supervised.close)  # the supervisor ends it when nobody listens
            self.pid = self.supervised.pid
            path, pattern = self._spec.output_path, self._pattern
            self._labels = OutputLabels(path, pattern.label) if pattern else None
            self._record = ProcessRecord(
                self.pid,
                journal,
                errors=self._errors,
                follows_children=not self._spec.is_persistent,
                check=self._check_folder,
            )
            undo.pop_all()
        self._record.keep_last_minute()
        self.write(header_of(self.pid, self._spec.command, self._spec.environment))
        self.supervised.start()

    def sockets(self) -> Iterator[socket.socket | IO[bytes]]:
        """Yield what becomes readable when it reports something, or what looks at it does."""
        yield self.supervised.control
        yield from self._thread_watch.files()
        yield from self._stall_watch.files()
        if self.supervised.requests is not None:
            yield self.supervised.requests

    def give(self, fold: int, token: str) -> None:
        """Start ``fold`` in it, under the lease with that token."""
        self.fold, self.fold_began = fold, time.monotonic()
        self.supervised.request(f"{fold} {token}")

    def dismiss(self) -> None:
        """Close its standard input, so that it exits."""
        self.supervised.close_requests()
        self._kill_at = time.monotonic() + EXIT_SECONDS

    def end(self, reason: str, *, at_once: bool = False) -> None:
        """End it by SIGTERM, and by SIGKILL after GRACE_SECONDS or at once."""
        if self.end_reason is None:
            self.end_reason = reason
            self.supervised.terminate()
            self._kill_at = time.monotonic() + GRACE_SECONDS
        if at_once:
            self._kill()

    def _kill(self) -> None:
        self.supervised.kill()
        self._kill_at = math.inf
        self._give_up_at = min(self._give_up_at, time.monotonic() + ANSWER_SECONDS)

    def folds_done(self) -> set[int]:
        """Return the folds that it has reported as done since the last call; never waits."""
        if self.supervised.requests is None:
            return set()
        done, is_open = self._replies.read(self.supervised.requests)
        if not is_open:
            self.supervised.close_requests()
        return done

    def poll(self) -> ExitStatus | None:
        """Return how it ended, or None while it lives; kill it if its grace is over."""
        self._thread_watch.poll()
        self._stall_watch.poll()
        if time.monotonic() > self._kill_at:
            self.has_lingered = self.end_reason is None
            self._kill()
        if time.monotonic() > self._give_up_at:
            self.supervised.kill_supervisor()
        return self.supervised.poll()

    def take_labels(self) -> None:
        """Take a checkpoint at each new line of its output that is a label."""
        if self._labels is None:
            return
        for stage in self._errors.value(self._labels.poll, OUTPUT) or []:
            if self.fold is not None:
                text = f"Fold {self.fold}/{self._folds} {stage}"
                self._record.checkpoint(Label(text, self.fold, self._folds, stage))

    def sample(self) -> bool:
        """Read it from outside if a sample is due; return whether it was."""
        if time.monotonic() - self._sampled_at < SAMPLE_SECONDS:
            return False
        self._sampled_at = time.monotonic()
        reading = self._record.sample()
        self._stall_watch.note_process(reading)
        if reading is None:  # it is gone, which a stopped supervisor cannot say
            self.supervised.wake()
        return True

    def follow(self) -> None:
        """Note in its journal whose readings the labels are, and whether a fold has left threads."""
        for record in self._errors.value(self._follower.poll, JOURNAL) or []:
            if isinstance(record, Reading) and record.label is not None:
                self._record.note_label(record.pid)
            self._thread_watch.take(record)
            self._stall_watch.take(record)

    def close(self, status: ExitStatus) -> None:
        """Record how it ended in its journal and release everything."""
        self._thread_watch.poll(is_last=True)
        self._stall_watch.poll(is_last=True)
        facts: dict[str, object] = {"exit_code": status.exit_code}
        if status.signal is not None:
            facts |= {"signal": status.signal}
        if reason := self.end_reason or (LINGERED if self.has_lingered else None):
            facts |= {"by_runner": True, "why": reason}
        self._record.note_end(facts, self._dir_of_fold())
        self.supervised.close()
        self._record.close()
        if self._labels is not None:
            self._labels.close()

    def _dir_of_fold(self) -> str:
        """Return the directory of the fold that it runs, which is not its own if it runs several; no link of its making."""
        if fold_number(os.path.basename(self.fold_dir)) is not None:
            return self.fold_dir
        of_fold = RunLayout(self.fold_dir).fold_dir(self.fold)
        return self.fold_dir if os.path.islink(of_fold) else of_fold

    def write(self, record: Record) -> None:
        """Append to its journal; report an error on standard error and go on."""
        self._record.write(record)

    def _check_folder(self) -> None:
        """See that its folder is no link of the fold's own making: a new journal would be begun behind it."""
        if os.path.islink(self.fold_dir) and not self._is_by_link:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self.fold_dir)
