"""One process that runs folds, watched from outside: its journal, its output, its peaks."""

from __future__ import annotations

import errno
import math
import os
import socket
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from telemetry.journal.follower import JournalFollower
from telemetry.journal.private_files import make_folder
from telemetry.journal.records import RECORDED_CAPS, Event, Header
from telemetry.journal.run_layout import JOURNAL, OUTPUT
from telemetry.journal.writer import JournalWriter
from telemetry.kernel.process_identity import own_identity, start_ticks
from telemetry.masking import masked
from telemetry.rank import rank_of
from telemetry.reading import PEAKS, Reading
from trainer.process.foreground_reader import ForegroundReader
from trainer.process.holder_log import HolderLog
from trainer.process.launcher import SupervisedProcess
from trainer.process.native_threads import ThreadWatch
from trainer.process.output_follower import OutputFollower
from trainer.process.supervisor import KILL_SECONDS
from trainer.run.warning import FileErrors
from trainer.run.worker_protocol import DoneLines

if TYPE_CHECKING:
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
        self._last_label: str | None = None
        self._peaks_since_label: dict[str, int] = {}
        self._replies = DoneLines()
        self._kill_at = self._give_up_at = math.inf
        self._sampled_at = 0.0
        self._errors = FileErrors(self.fold_dir)
        self._follower = JournalFollower(os.path.join(self.fold_dir, JOURNAL))
        self._follower.skip()  # records of another process or an earlier run
        self._thread_watch = ThreadWatch(self.write, spec.environment)
        self._launch()

    def _launch(self) -> None:
        """Open all that watches it, and let it run; after an error nothing is left. Raises OSError."""
        with ExitStack() as undo:
            self._journal = JournalWriter(self._follower.path)
            undo.callback(self._journal.close)
            self.supervised = SupervisedProcess(self._spec)
            undo.callback(self.supervised.close)  # the supervisor ends it when nobody listens
            self.pid = self.supervised.pid
            self._output = OutputFollower(self._spec.output_path) if self._pattern else None
            self._holders = HolderLog(self.pid, self.write, self._errors)
            self._reader = ForegroundReader(self.pid, follows_children=not self._spec.is_persistent)
            undo.pop_all()
        self.write(header_of(self.pid, self._spec))
        self.supervised.start()

    def sockets(self) -> Iterator[socket.socket | IO[bytes]]:
        """Yield what becomes readable when it reports something, or what looks at it does."""
        yield self.supervised.control
        yield from self._thread_watch.files()
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
        if time.monotonic() > self._kill_at:
            self.has_lingered = self.end_reason is None
            self._kill()
        if time.monotonic() > self._give_up_at:
            self.supervised.kill_supervisor()
        return self.supervised.poll()

    def take_labels(self) -> None:
        """Take a checkpoint at each new line of its output that is a label."""
        if self._output is None or self._pattern is None:
            return
        for line in self._errors.value(self._output.poll, OUTPUT) or []:
            label = self._pattern.label(line.text)
            # A redrawn progress bar repeats its label; only a complete line may repeat one on purpose.
            if label is not None and not (line.is_redraw and label == self._last_label):
                self._last_label = label
                self._checkpoint(label)

    def sample(self) -> bool:
        """Read it from outside if a sample is due; return whether it was."""
        if time.monotonic() - self._sampled_at < SAMPLE_SECONDS:
            return False
        self._sampled_at = time.monotonic()
        reading = self._reader.read(in_full=False)
        if reading.rss_bytes is None:  # it is gone, which a stopped supervisor cannot say
            self.supervised.wake()
        else:
            self._note_since_label(reading)
            self._holders.take(reading)
            self.write(reading)
        return True

    def follow(self) -> None:
        """Note in its journal whose readings the labels are, and whether a fold has left threads."""
        for record in self._errors.value(self._follower.poll, JOURNAL) or []:
            if isinstance(record, Reading) and record.label is not None:
                self._reader.note_label(record.pid)
            self._thread_watch.take(record)

    def close(self, status: ExitStatus) -> None:
        """Record how it ended in its journal and release everything."""
        self._thread_watch.poll(is_last=True)
        facts = {
            "exit_code": status.exit_code,
            **self._reader.program_status(),
            **self._reader.final_counters(),
        }
        if status.signal is not None:
            facts |= {"signal": status.signal}
        if reason := self.end_reason or (LINGERED if self.has_lingered else None):
            facts |= {"by_runner": True, "why": reason}
        self.write(Event(time=time.time(), pid=self._reader.worker, name="exited", facts=facts))
        self.supervised.close()
        self._reader.close()
        self._journal.close()
        if self._output is not None:
            self._output.close()

    def write(self, record: Record) -> None:
        """Append to its journal; report an error on standard error and go on."""
        self._errors.value(lambda: self._append(record), JOURNAL)

    def _append(self, record: Record) -> None:
        if os.path.islink(self.fold_dir) and not self._is_by_link:
            # The fold has put it there, and a new journal would be begun behind it.
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self.fold_dir)
        self._journal.write(record)

    def _checkpoint(self, stage: str) -> None:
        reading = self._reader.read(in_full=True)
        if reading.rss_bytes is None or self.fold is None:
            return
        self._note_since_label(reading)
        self._reader.note_label(reading.pid)
        self.write(
            replace(
                reading,
                label=f"Fold {self.fold}/{self._folds} {stage}",
                stage=stage,
                fold=self.fold,
                folds=self._folds,
                peaks=dict(self._peaks_since_label),
            )
        )
        self._peaks_since_label = {}

    def _note_since_label(self, reading: Reading) -> None:
        for name in PEAKS:
            if (value := getattr(reading, name)) is not None:
                self._peaks_since_label[name] = max(value, self._peaks_since_label.get(name, value))


def header_of(pid: int, spec: ProcessSpec) -> Header:
    """Say which process it is, and what it was given: if all die at once, its end can be proven by it."""
    own, environment = own_identity(), spec.environment
    rank = rank_of(environment)
    return Header(
        time=time.time(),
        pid=pid,
        start_ticks=start_ticks(pid),
        host=socket.gethostname(),
        boot_id=own.boot_id,
        pid_namespace=own.pid_namespace,
        argv=masked(spec.command),
        versions={},
        environment={name: environment[name] for name in RECORDED_CAPS if name in environment},
        ceilings=(),
        rank=rank.number,
        local_rank=rank.local,
        world_size=rank.world_size,
        rank_origin=rank.origin,
    )
