"""One process that runs folds, watched from outside: its journal, its output, its peaks."""

from __future__ import annotations

import math
import os
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from telemetry.journal.follower import JournalFollower
from telemetry.journal.private_files import make_folder
from telemetry.journal.records import Event
from telemetry.journal.run_layout import JOURNAL, OUTPUT
from telemetry.journal.writer import JournalWriter
from telemetry.limits import GROWS_WITH
from telemetry.reading import PEAKS, Reading
from trainer.process.foreground_reader import ForegroundReader
from trainer.process.launcher import SupervisedProcess
from trainer.process.output_follower import OutputFollower
from trainer.process.supervisor import KILL_SECONDS
from trainer.run.warning import Attempts
from trainer.run.worker_protocol import RunnerChannel

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping

    from telemetry.journal.records import Record
    from telemetry.reading import Limit
    from trainer.process.launcher import ExitStatus, ProcessSpec
    from trainer.run.checkpoint_pattern import CheckpointPattern

SAMPLE_SECONDS = 1.0
GRACE_SECONDS = 5.0
"""Between SIGTERM and SIGKILL."""
ANSWER_SECONDS = KILL_SECONDS + GRACE_SECONDS
"""For the supervisor to say that a killed process has ended; then it is killed itself."""
EXIT_SECONDS = 10.0
"""For a process without another fold: its exit handlers may take a while."""
LINGERED = f"it had nothing more to do and did not end within {EXIT_SECONDS:g} s"
_KEPT = frozenset({*GROWS_WITH.values(), "tree_threads"})


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
        reserved_for: int | None = None,
        pattern: CheckpointPattern | None = None,
    ) -> None:
        """Launch it.

        Raises:
            OSError: It cannot be started.
        """
        self._folds, self._pattern = folds, pattern
        self.fold_dir = os.path.dirname(spec.output_path)
        make_folder(self.fold_dir)
        self.reserved_for = reserved_for
        """The fold that it was made for and has not been given yet."""
        self.fold: int | None = None
        """The fold that it runs now."""
        self.fold_began = time.monotonic()
        self.end_reason: str | None = None
        """Why the runner ended it; None if it ended by itself."""
        self.peaks: dict[int, dict[str, int]] = {}
        """By fold, the highest value of each quantity that the forecast needs."""
        self.limits: Mapping[str, Limit] = {}
        self.is_dismissed = False
        """Whether its standard input was closed: there is no other fold for it."""
        self.has_lingered = False
        """Whether it did not end after that, and was killed."""
        self._last_label: str | None = None
        self._peaks_since_label: dict[str, int] = {}
        self._replies = RunnerChannel()
        self._kill_at = self._give_up_at = math.inf
        self._sampled_at = 0.0
        self._attempts = Attempts(self.fold_dir)
        self._follower = JournalFollower(os.path.join(self.fold_dir, JOURNAL))
        self._follower.skip()  # records of another process or an earlier run
        self._launch(spec)

    def _launch(self, spec: ProcessSpec) -> None:
        """Open all that watches it, and let it run; after an error nothing is left. Raises OSError."""
        with ExitStack() as undo:
            self._journal = JournalWriter(self._follower.path)
            undo.callback(self._journal.close)
            self.supervised = SupervisedProcess(spec)
            undo.callback(self.supervised.close)  # the supervisor ends it when nobody listens
            self.pid = self.supervised.pid
            self._output = OutputFollower(spec.output_path)
            self._reader = ForegroundReader(self.pid, follows_children=not spec.is_persistent)
            undo.pop_all()
        self.supervised.start()

    def sockets(self) -> Iterator[socket.socket]:
        """Yield the sockets that become readable when it reports something."""
        yield self.supervised.control
        if self.supervised.requests is not None:
            yield self.supervised.requests

    def give(self, fold: int) -> None:
        """Start ``fold`` in it."""
        self.fold, self.reserved_for = fold, None
        self.fold_began = time.monotonic()
        self.supervised.request(str(fold))

    def dismiss(self) -> None:
        """Close its standard input, so that it exits."""
        self.is_dismissed = True
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
        if time.monotonic() > self._kill_at:
            self.has_lingered = self.end_reason is None
            self._kill()
        if time.monotonic() > self._give_up_at:
            self.supervised.kill_supervisor()
        return self.supervised.poll()

    def lines(self) -> list[str]:
        """Return the lines to show that it wrote since; take a checkpoint at each line that is a label."""
        lines = self._attempts.value(self._output.poll, OUTPUT) or []
        for line in lines if self._pattern else ():
            label = self._pattern.label(line.text) if self._pattern else None
            # A redrawn progress bar repeats its label; only a complete line may repeat one on purpose.
            if label is not None and not (line.is_redraw and label == self._last_label):
                self._last_label = label
                self._checkpoint(label)
        return self._output.shown(lines)

    def last_lines(self) -> list[str]:
        """Return the remaining lines of its output, after its end."""
        return self._output.shown(self._attempts.value(self._output.finish, OUTPUT) or [])

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
            self.write(reading)
        return True

    def records(self) -> list[Record]:
        """Return the new records of its journal, the runner's own included."""
        records = self._attempts.value(self._follower.poll, JOURNAL) or []
        for record in records:
            if isinstance(record, Reading) and record.label is not None:
                self._reader.note_label(record.pid)
            if isinstance(record, Reading) and self.fold is not None:
                self.limits = record.limits
                _note_peaks(self.peaks.setdefault(record.fold or self.fold, {}), record)
        return records

    def close(self, status: ExitStatus) -> None:
        """Record how it ended in its journal and release everything."""
        facts = {"exit_code": status.exit_code, **self._reader.final_counters()}
        if status.signal is not None:
            facts |= {"signal": status.signal}
        if reason := self.end_reason or (LINGERED if self.has_lingered else None):
            facts |= {"by_runner": True, "why": reason}
        self.write(Event(time=time.time(), pid=self._reader.worker, name="exited", facts=facts))
        self.supervised.close()
        self._reader.close()
        self._journal.close()

    def write(self, record: Record) -> None:
        """Append to its journal; report an error on standard error and go on."""
        self._attempts.value(lambda: self._journal.write(record), JOURNAL)

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


def _note_peaks(peaks: dict[str, int], reading: Reading) -> None:
    for name in _KEPT:
        values = (getattr(reading, name), reading.peaks.get(name), peaks.get(name))
        known = [value for value in values if value is not None]
        if known:
            peaks[name] = max(known)
