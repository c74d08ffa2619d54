"""`Witness`: what this host says of a process that is no child of this one: its end, and its cgroups' counters."""

from __future__ import annotations

from telemetry.kernel.process_handle import ProcessHandle
from telemetry.kernel.reader import Reader
from trainer.process.launcher import ExitStatus

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
        self._reader.read(
            in_full=False
        )  # opens the files, which outlive the process and its cgroup

    def status(self) -> ExitStatus | None:
        """Return how it ended; None where the kernel does not tell."""
        code = self._handle.exit_code(wait_seconds=REAP_SECONDS)
        return None if code is None else ExitStatus.of(code)

    def counters(self) -> dict[str, int | str | bool]:
        """Return the counters of its cgroups, beside what they were when it was first seen."""
        return self._reader.final_counters()

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
