"""`process_source`: one running process: the record that it has already, or one that is made while it is watched."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from foldwatch.top.directory_source import DirectorySource
from telemetry.errors import InputError
from telemetry.journal.run_layout import JOURNAL, fold_of
from telemetry.kernel.program_name import program_name
from trainer.attach.attached_process import AttachedProcess
from trainer.attach.log_labels import LogLabels, label_of_thread_line
from trainer.attach.target import Target, lineage
from trainer.run.warning import explained

if TYPE_CHECKING:
    from foldwatch.top.watcher import StateSource, Wanted


def process_source(pid: int) -> StateSource:
    """Return where the states of a process come from. Raises InputError: there is none, or it may not be looked at."""
    target = Target(pid)
    directory = _recorded_in(pid)
    if directory is None:
        return AttachedSource(target)
    target.handle.close()
    return DirectorySource(directory)


class AttachedSource:
    """Records a process from outside, in a directory that goes with this object; the process runs on."""

    def __init__(self, target: Target) -> None:
        """Begin the record. Raises InputError."""
        self.name = str(target)
        self._top = tempfile.mkdtemp(prefix="foldwatch-top-")
        program = re.sub(r"[^\w.]+", "-", program_name(list(target.command)) or "process")
        log = target.standard_output()
        try:
            labels = (
                LogLabels(log, label_of_thread_line) if log and os.access(log, os.R_OK) else None
            )
            self._process = AttachedProcess(
                target, os.path.join(self._top, f"{program}-{target.pid}"), labels=labels
            )
        except OSError as error:
            shutil.rmtree(self._top, ignore_errors=True)
            raise InputError(explained(error, error.filename or self._top)) from error
        self._runs = DirectorySource(self._top)
        self._has_ended = False

    def look(self, wanted: Wanted) -> dict[str, Any]:
        """Take a reading, and return the present state."""
        if not self._has_ended and self._process.has_ended():
            self._has_ended = True
            self._process.finish()
        elif not self._has_ended:
            self._process.take_labels()
            self._process.sample()
        return self._runs.look(wanted)

    def close(self) -> None:
        """Let go of the process, and remove the record."""
        self._process.close()
        shutil.rmtree(self._top, ignore_errors=True)


def _recorded_in(pid: int) -> str | None:
    """Return the run directory that a process is recorded in, by itself or by one above it: an agent of `foldwatch run`."""
    for one in sorted(lineage(pid), key=lambda other: other != pid):
        with suppress(OSError):
            for number in os.listdir(f"/proc/{one}/fd"):
                with suppress(OSError):
                    path = os.readlink(f"/proc/{one}/fd/{number}")
                    if os.path.basename(path) == JOURNAL and os.access(path, os.R_OK):
                        folder = os.path.dirname(path)
                        return folder if fold_of(path) is None else os.path.dirname(folder)
    return None
