"""Which processes hold the lock of a run's directory, and whether one of them was left there stopped.

A lock of flock(2) belongs to an open file, so whoever inherited its descriptor holds it. A fold's process does for the
moment between its fork and its exec: stopped there, while its runner and its supervisor are killed, it would hold the
lock until somebody finds it.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import NamedTuple

from telemetry.kernel.program_name import read_program_name

_SUPERVISOR = "supervisor.py"
_STOPPED = "T"


class LockHolder(NamedTuple):
    """A process that holds the lock."""

    pid: int
    name: str
    is_stopped: bool

    @property
    def is_of_runner(self) -> bool:
        """Whether a runner started it, and it ends with that one."""
        return self.name in {_SUPERVISOR, "trainer.agent"}

    def __str__(self) -> str:
        """What to tell the user."""
        stopped = f", stopped: wake it with kill -CONT {self.pid}" if self.is_stopped else ""
        return f"{self.name} (pid {self.pid}{stopped})"


def holders_of_lock(path: str) -> list[LockHolder]:
    """Return the processes that hold the lock of ``path``, as far as this one may see their descriptors."""
    real = os.path.realpath(path)
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    return [
        LockHolder(pid, read_program_name(pid) or "a process", _is_stopped(pid))
        for pid in pids
        if pid != os.getpid() and _holds(pid, real)
    ]


def wake_left_behind(holders: list[LockHolder]) -> None:
    """Wake what supervisors without a runner left stopped; it finds them gone and ends."""
    if all(holder.name == _SUPERVISOR for holder in holders):
        for holder in holders:
            if holder.is_stopped:
                with suppress(OSError):
                    os.kill(holder.pid, signal.SIGCONT)


def _holds(pid: int, path: str) -> bool:
    """Whether a descriptor of ``pid`` is open on the file, with a lock: proc_pid_fdinfo(5).

    By its link, which is no access to the file: others may lie on a server that does not answer.
    """
    with suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{number}") == path:
                    with open(f"/proc/{pid}/fdinfo/{number}", encoding="ascii") as file:
                        if "lock:" in file.read():
                            return True
    return False


def _is_stopped(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] == _STOPPED
    except (OSError, IndexError):
        return False
