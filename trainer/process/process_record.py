"""`ProcessRecord`: what is recorded of one process from outside, in a journal."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from telemetry.journal.private_files import make_fold_folder
from telemetry.journal.records import RECORDED_CAPS, Event, Header
from telemetry.journal.run_layout import BLACK_BOX, JOURNAL
from telemetry.kernel.process_identity import own_identity, start_ticks
from telemetry.masking import masked
from telemetry.rank import rank_of
from telemetry.reading import PEAKS, Reading
from trainer.process.black_box import SHARE, BlackBox, is_death, is_wanted
from trainer.process.foreground_reader import ForegroundReader
from trainer.process.holder_log import HolderLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from telemetry.journal.records import Record
    from telemetry.journal.writer import JournalWriter
    from telemetry.kernel.applied_limits import AppliedLimit
    from telemetry.thread_line import Label
    from trainer.run.warning import FileErrors


class ProcessRecord:
    """Reads a process and writes the readings; a journal that cannot be written costs readings, never an exception."""

    def __init__(
        self,
        pid: int,
        journal: JournalWriter,
        *,
        errors: FileErrors,
        follows_children: bool,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin to watch it.

        Args:
            pid: The process.
            journal: Where to write; closed with this.
            errors: Who tells of a journal that cannot be written.
            follows_children: Whether the child that a shell or another launcher waits for is read in its place.
            check: Raises OSError if nothing may be written any more.

        Raises:
            OSError: There is no such process.
        """
        self.pid = pid
        self._journal, self._errors, self._check = journal, errors, check
        self._holders = HolderLog(pid, self.write, errors)
        self._reader = ForegroundReader(pid, follows_children=follows_children)
        self._peaks: dict[str, int] = {}
        """Since the last label."""
        self._box: BlackBox | None = None

    def keep_last_minute(self, share: float = SHARE) -> None:
        """Keep what is written of a death, for that ``share`` of a core, unless that is switched off."""
        if is_wanted():
            self._box = BlackBox(self.pid, share=share)
            self._box.start()

    def sample(self) -> Reading | None:
        """Take a reading without a label; None if the process is gone."""
        reading = self._read(in_full=False)
        if reading is not None:
            if self._box is not None:
                self._box.follow(reading)
            self._holders.take(reading)
            self.write(reading)
        return reading

    def checkpoint(self, label: Label, *, in_full: bool = True) -> Reading | None:
        """Take a reading under ``label``; None if the process is gone."""
        reading = self._read(in_full=in_full)
        if reading is None:
            return None
        self.note_label(reading.pid)
        reading = replace(
            reading,
            label=label.text,
            stage=label.stage,
            fold=label.fold,
            folds=label.folds,
            peaks=self._peaks,
        )
        self._peaks = {}
        self.write(reading)
        return reading

    def note_label(self, pid: int) -> None:
        """Take it that there is a labelled reading of a process."""
        self._reader.note_label(pid)

    def write(self, record: Record) -> None:
        """Append to its journal; report an error on standard error and go on."""
        self._errors.value(lambda: self._append(record), JOURNAL)

    def note_end(self, facts: Mapping[str, object], directory: str) -> None:
        """Write how it ended: ``facts``, and the counters of its cgroups; of a death its last minute, into ``directory``."""
        known = {**facts, **self._reader.program_status(), **self._reader.final_counters()}
        self.write(Event(time=time.time(), pid=self._reader.worker, name="exited", facts=known))
        if self._box is not None and is_death(facts):
            path = os.path.join(directory, BLACK_BOX)
            self._errors.value(partial(self._write_box, self._box, path), path)

    def _write_box(self, box: BlackBox, path: str) -> None:
        self._check()
        if not os.path.lexists(folder := os.path.dirname(path)):
            make_fold_folder(folder)
        box.write(path)

    def close(self) -> None:
        """Give every descriptor back."""
        if self._box is not None:
            self._box.close()
        self._reader.close()
        self._journal.close()

    def _append(self, record: Record) -> None:
        self._check()
        self._journal.write(record)

    def _read(self, *, in_full: bool) -> Reading | None:
        reading = self._reader.read(in_full=in_full)
        if reading.rss_bytes is None:
            return None
        for name in PEAKS:
            if (value := getattr(reading, name)) is not None:
                self._peaks[name] = max(value, self._peaks.get(name, value))
        return reading


def header_of(
    pid: int,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    limits: Iterable[AppliedLimit] = (),
) -> Header:
    """Say which process it is, and what it was given: if all die at once, its end can be proven by it.

    Args:
        pid: The process.
        command: Its command line; secrets in it are left out.
        environment: Its environment, of which the caps on thread pools and the rank are told.
        limits: All that apply to it; none for one that has yet to begin.
    """
    own, rank = own_identity(), rank_of(environment)
    return Header(
        time=time.time(),
        pid=pid,
        start_ticks=start_ticks(pid),
        host=socket.gethostname(),
        boot_id=own.boot_id,
        pid_namespace=own.pid_namespace,
        argv=masked(tuple(command)),
        versions={},
        environment={name: environment[name] for name in RECORDED_CAPS if name in environment},
        ceilings=tuple(limit.as_json() for limit in limits),
        rank=rank.number,
        local_rank=rank.local,
        world_size=rank.world_size,
        rank_origin=rank.origin,
    )
