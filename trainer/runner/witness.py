"""`Witness`: what this host says of a process that is no child of this one: its end, and its cgroups' counters."""

from __future__ import annotations

import select

from telemetry.kernel.process_handle import ProcessHandle
from telemetry.kernel.reader import Reader
from trainer.process.launcher import ExitStatus

END_SECONDS = 5.0
"""For the supervisor to end it."""
REAP_SECONDS = 2.0
"""For whoever adopts the process to reap it, after which the kernel tells how it ended."""


class Witness:
    """Sees how a process on this host ends that is no child of this one."""

    def __init__(self, pid: int) -> None:
        """Take hold of the process, and of its cgroups' files. Raises OSError if it is gone."""
        self.pid = pid
        """The process that it sees."""
        self._handle = ProcessHandle(pid)
        self._reader = Reader(pid=pid)
        self._reader.read(in_full=False)  # opens the files, which outlive the process
        self._counters: dict[str, int | str | bool] | None = None

    def status(self) -> ExitStatus | None:
        """Return how it ended; None where the kernel does not tell."""
        code = self._handle.exit_code(wait_seconds=REAP_SECONDS)
        return None if code is None else ExitStatus.of(code)

    def note_end(self) -> None:
        """Wait until it has ended, which is near, and read the counters: its cgroup is removed soon after."""
        poller = select.poll()
        poller.register(self._handle, select.POLLIN)
        poller.poll(END_SECONDS * 1000)
        self._counters = self._reader.final_counters()

    def counters(self) -> dict[str, int | str | bool]:
        """Return the counters of its cgroups, beside what they were when it was first seen."""
        return self._counters or self._reader.final_counters()

    def close(self) -> None:
        """Give the descriptors back."""
        self._handle.close()
        self._reader.close()


def witness_of(pid: object) -> Witness | None:
    """Return the witness of a process; None where there is no such one any more, or it cannot be seen."""
    try:
        return Witness(pid) if isinstance(pid, int) else None
    except OSError:
        return None
