"""`AttachedProcess`: records a process that runs already, with its tree, until it ends."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from telemetry.journal.private_files import make_folder
from telemetry.journal.records import Event
from telemetry.journal.run_layout import OUTPUT, RunLayout
from telemetry.journal.writer import JournalWriter
from telemetry.kernel.applied_limits import read_applied_limits
from trainer.attach.kernel_log import KernelLog
from trainer.attach.output_tails import OutputTails
from trainer.process.launcher import ExitStatus
from trainer.process.process_record import ProcessRecord, header_of
from trainer.process.stall_watch import StallWatch
from trainer.run.warning import FileErrors, warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.reading import Reading
    from trainer.attach.log_labels import LogLabels
    from trainer.attach.target import Target

ATTACHED = "attached"
"""The event that a record from outside begins with: what came before is not in it."""
REAP_SECONDS = 2.0
"""For its parent to reap it, after which the kernel tells how it ended."""
FULL_SECONDS = 5.0
"""At most so often a label counts the memory maps and threads anew: a log may have one a millisecond."""
BOX_SHARE = 0.0003
"""Of a core, for its last minute: a part of what attaching may cost, see `trainer.attach.pace`."""
DETACHED = "detached"
"""The event that it ends with if the process runs on."""
MOST_LABELS = 20
"""At one look; of more, those in between have no reading."""


class EndSeen(NamedTuple):
    """How it ended."""

    status: ExitStatus | None
    """None where the kernel does not tell."""

    def __str__(self) -> str:
        """Say it in words."""
        if self.status is None:
            return "ended; how is not known: before Linux 6.15 the kernel tells its parent alone"
        if self.status.signal is not None:
            return f"was ended by {self.status.signal}"
        return f"exited with {self.status.exit_code}"


class AttachedProcess:
    """Records a target in a run directory, as `telemetry.start` in the process itself would.

    Invariant: the target is only looked at; nothing here signals it or waits for it, and nothing stops it, but for the
    look at its stacks once it has stalled.
    """

    def __init__(
        self,
        target: Target,
        directory: str,
        *,
        labels: LogLabels | None = None,
        before: Sequence[Reading] = (),
    ) -> None:
        """Begin its record.

        Args:
            target: The process.
            directory: Where to write.
            labels: Of its log.
            before: What is known of it from before; their times are estimates.

        Raises:
            OSError: The directory cannot be written to, or the process is gone.
        """
        self.target, self.directory, self._labels = target, directory, labels
        make_folder(directory)
        journal = JournalWriter(RunLayout(directory).journal(None))
        self._own_errors = FileErrors(directory)
        try:
            self._record = ProcessRecord(
                target.pid, journal, errors=self._own_errors, follows_children=True
            )
        except BaseException:
            journal.close()
            raise
        self._full_at = 0.0
        self._hidden: set[str] = set()
        self._tails = OutputTails(target.pid, labels.path if labels else None)
        self._kernel_log = KernelLog(target.pid)
        self._errors = FileErrors(os.path.dirname(labels.path) if labels else "")
        self._stalls = StallWatch(
            self._record.write, directory, self._own_errors, {**os.environ, **target.environment}
        )
        limits = read_applied_limits(pid=target.pid)
        self._record.write(header_of(target.pid, target.command, target.environment, limits=limits))
        for reading in before:
            self._record.write(reading)
            self._stalls.take(reading)
        self._record.write(self._event(ATTACHED, _known_of(target, labels, len(before))))

    def keep_last_minute(self) -> None:
        """Keep what is written if it dies."""
        self._record.keep_last_minute(BOX_SHARE)

    def fileno(self) -> int:
        """Return what becomes readable when it ends."""
        return self.target.handle.fileno()

    @property
    def has_log(self) -> bool:
        """Whether labels come from a log."""
        return self._labels is not None

    def take_labels(self) -> bool:
        """Take a reading at each label that its log has got; whether there was one."""
        if self._labels is None:
            return False
        name = os.path.basename(self._labels.path)
        found = self._errors.value(self._labels.poll, name) or []
        if len(found) > MOST_LABELS:
            found = [*found[: MOST_LABELS - 1], found[-1]]
        for label in found:
            is_full = time.monotonic() - self._full_at >= FULL_SECONDS or label.names_fold
            self._follow(self._record.checkpoint(label, in_full=is_full))
            if is_full:
                self._full_at = time.monotonic()
        return bool(found)

    def sample(self) -> Reading | None:
        """Take a reading; None if it is gone. What of it may not be read is said once."""
        reading = self._record.sample()
        self._follow(reading)
        if reading is not None:
            hidden = {name for name, why in reading.errors.items() if why in {"EACCES", "EPERM"}}
            if new := sorted(hidden - self._hidden):
                warn(
                    f"{self.target}: {', '.join(new)} cannot be read: not permitted;"
                    " attach as its user, or as root"
                )
            self._hidden |= hidden
        return reading

    def _follow(self, reading: Reading | None) -> None:
        """Look at its stacks if it has not gone on for too long."""
        if reading is not None:
            self._stalls.note_process(reading)
            self._stalls.take(reading)
        self._stalls.poll()

    def has_ended(self) -> bool:
        """Whether it has ended."""
        return self.target.handle.has_ended()

    def finish(self) -> EndSeen:
        """Write how it ended, once it has, and the end of its output beside."""
        self.take_labels()
        code = self.target.handle.exit_code(wait_seconds=REAP_SECONDS)
        status = None if code is None else ExitStatus.of(code)
        facts: dict[str, object] = {} if status is None else {"exit_code": status.exit_code}
        if status is not None and status.signal is not None:
            facts["signal"] = status.signal
        self._record.note_end(facts, self.directory)
        output = RunLayout(self.directory).output(None)
        lines = self._kernel_log.lines()
        self._own_errors.value(lambda: self._tails.write(output, more=lines), OUTPUT)
        return EndSeen(status)

    def detach(self) -> None:
        """Write that its record ends before it does."""
        self._record.write(self._event(DETACHED, {}))

    def close(self) -> None:
        """Let go of it; it runs on, if it has not ended."""
        self._stalls.poll(is_last=True)
        self._record.close()
        self._tails.close()
        self._kernel_log.close()
        self.target.handle.close()
        if self._labels is not None:
            self._labels.close()

    def _event(self, name: str, facts: dict[str, object]) -> Event:
        return Event(time=time.time(), pid=self.target.pid, name=name, facts=facts)


def _known_of(target: Target, labels: LogLabels | None, before: int) -> dict[str, object]:
    """Return what is known of a process from before it was recorded."""
    facts: dict[str, object] = {}
    if (age := target.age_seconds) is not None:
        facts["age_seconds"] = round(age, 1)
    if labels is not None and labels.last is not None:
        facts |= {"labels_before": labels.before, "last_label": labels.last.text}
    if before:
        facts["readings_before"] = before
    return facts
