"""`ForegroundReader`: reads the process that does the work, which a shell or another launcher may only wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.kernel.process_handle import ProcessHandle
from telemetry.kernel.process_identity import has_ended
from telemetry.kernel.process_tree import foreground_child
from telemetry.kernel.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.reading import Reading

REAP_SECONDS = 0.2
"""For a launcher, or the supervisor after it, to reap the program."""


class ForegroundReader:
    """Reads a process, or the child that ``sh -c ...`` or ``uv run ...`` waits for."""

    def __init__(self, pid: int, *, follows_children: bool) -> None:
        """Take the process; without ``follows_children`` no other is read. Raises OSError."""
        self._pid, self._follows_children = pid, follows_children
        self._reader = Reader(pid=pid)
        self._reader.read(in_full=False)  # the counters of its cgroups, before it runs
        self._child: Reader | None = None
        self._handle: ProcessHandle | None = None
        """Of the child that was read last."""
        self._workers: set[int] = set()
        """Whom it waited for while they did the work, and itself; not one of several children."""
        self._last_labelled: int | None = None

    def read(self, *, in_full: bool) -> Reading:
        """Read the process that does the work now."""
        pid = foreground_child(self._pid) if self._follows_children else self._pid
        if self._child is not None and self._child.pid != pid:
            if not has_ended(self._child.pid):
                self._workers.discard(self._child.pid)
            self._child.close()
            self._child = None
        if pid != self._pid and self._child is None:
            self._child = Reader(pid=pid)
            self._hold(pid)
        self._workers.add(pid)
        return (self._child or self._reader).read(in_full=in_full)

    def _hold(self, pid: int) -> None:
        if self._handle is not None:
            self._handle.close()
        try:
            self._handle = ProcessHandle(pid)
        except OSError:  # it is gone already, or the kernel knows no pidfd
            self._handle = None

    def program_status(self) -> Mapping[str, int]:
        """Return how the program ended that did the work for a shell or another launcher; empty where that is not known.

        A launcher may end with another exit code, as ``sh -c 'train || true'`` does.
        """
        if self._handle is None or self.worker != self._handle.pid:
            return {}
        code = self._handle.exit_code(wait_seconds=REAP_SECONDS)
        return {} if code is None else {"program_exit_code": 128 - code if code < 0 else code}

    def note_label(self, pid: int) -> None:
        """Take it that there is a labelled reading of a process."""
        self._last_labelled = pid

    @property
    def worker(self) -> int:
        """The process whose readings the end belongs to: a shell may go on after the program that did the work."""
        if self._last_labelled in self._workers:
            return self._last_labelled
        return self._pid if self._child is None else self._child.pid

    def final_counters(self) -> Mapping[str, int | str | bool]:
        """Return the counters of the cgroups, after the process's end."""
        return self._reader.final_counters()

    def close(self) -> None:
        """Give the files back."""
        for reader in (self._reader, self._child):
            if reader is not None:
                reader.close()
        if self._handle is not None:
            self._handle.close()
