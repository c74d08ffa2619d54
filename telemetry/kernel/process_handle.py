"""`ProcessHandle`: how a process ended that is not this one's child, where the kernel tells.

A pidfd becomes readable when its process ends (pidfd_open(2), Linux 5.3). Once somebody has reaped the process, the
ioctl PIDFD_GET_INFO with PIDFD_INFO_EXIT gives the status (Linux 6.15, include/uapi/linux/pidfd.h). Before that,
and on an older kernel, its stat file has it, for those who may trace it.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import time

from telemetry.interruption import pass_on

_INFO = struct.Struct("=QQ11Ii")
"""struct pidfd_info of 64 bytes: mask, cgroup, eleven numbers of processes and users, exit_code."""
_PIDFD_GET_INFO = 0xC000_0000 | _INFO.size << 16 | 0xFF << 8 | 11
_PIDFD_INFO_EXIT = 1 << 3
_RETRY_SECONDS = 0.002


class ProcessHandle:
    """A process, held so that its PID cannot come to mean another one."""

    def __init__(self, pid: int) -> None:
        """Take hold of it. Raises OSError: ESRCH if there is none, ENOSYS before Linux 5.3."""
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def fileno(self) -> int:
        """Return the descriptor, which becomes readable when the process ends."""
        return self._descriptor

    def has_ended(self) -> bool:
        """Whether the process has ended, reaped or not."""
        poller = select.poll()
        poller.register(self._descriptor, select.POLLIN)
        return bool(poller.poll(0))

    def exit_code(self, *, wait_seconds: float) -> int | None:
        """Return how it ended, negative for a signal, as `os.waitstatus_to_exitcode` does.

        Args:
            wait_seconds: How long to wait for its parent to reap it, from now on.

        Returns:
            None where it lives, was not reaped in time, or the kernel does not tell.
        """
        deadline = time.monotonic() + wait_seconds
        status = _status_of_zombie(self.pid) if self.has_ended() else None
        if status is not None:
            return os.waitstatus_to_exitcode(status)
        while self.has_ended():
            asked = _INFO.pack(_PIDFD_INFO_EXIT, *[0] * 13)
            try:
                mask, *_, told = _INFO.unpack(fcntl.ioctl(self._descriptor, _PIDFD_GET_INFO, asked))
            except (
                OSError
            ):  # ENOTTY, EINVAL: an older kernel; ESRCH: reaped before such a kernel could note it
                break
            if mask & _PIDFD_INFO_EXIT:
                return os.waitstatus_to_exitcode(told)
            if time.monotonic() > deadline:
                break
            time.sleep(_RETRY_SECONDS)
        return None

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


def _status_of_zombie(pid: int) -> int | None:
    """Return the status in proc_pid_stat(5), as a process has it that nobody has reaped yet.

    The kernel writes 0 for those who may not trace the process (fs/proc/array.c): that says nothing.
    """
    try:
        owner = os.stat(f"/proc/{pid}").st_uid
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            parts = file.read().rpartition(")")[2].split()
        state, status = parts[0], int(parts[-1])
    except (OSError, ValueError, IndexError) as error:
        pass_on(error)
        return None
    may_trace = os.geteuid() in {0, owner}
    return status if state == "Z" and (status or may_trace) else None
