"""Which process a record is of, and whether that one is still there: a PID alone is reused."""

from __future__ import annotations

import os
from typing import NamedTuple

from telemetry.interruption import pass_on

NAMESPACE = "/proc/self/ns/pid"
_GONE = (b"Z", b"X", b"x")
"""States of a process that has ended and waits to be reaped, or is reaped: proc_pid_stat(5)."""


class ProcessIdentity(NamedTuple):
    """Names one process for good; a part is None where it could not be read."""

    boot_id: str | None
    """Of the kernel that runs it: another host has another one, and so has this one after a boot."""
    pid_namespace: int | None
    """The inode of its PID namespace, in which ``pid`` counts."""
    pid: int
    start_ticks: int | None
    """When it started, in clock ticks since boot."""


def own_identity() -> ProcessIdentity:
    """Return the identity of this process."""
    pid = os.getpid()
    return ProcessIdentity(_boot_id(), _namespace(), pid, start_ticks(pid))


def is_alive(process: ProcessIdentity) -> bool | None:
    """Tell whether ``process`` is still there.

    Returns:
        False where it is proven that it has ended. None where this cannot be told from here: it ran on another
        host, before a boot, in another PID namespace, or it is hidden (hidepid, proc(5)).
    """
    if None in process or (process.boot_id, process.pid_namespace) != (_boot_id(), _namespace()):
        return None
    try:
        state, start_ticks = _stat(process.pid)
    except (FileNotFoundError, ProcessLookupError):
        return None if _is_hidden(process.pid) else False
    except (OSError, ValueError, IndexError):
        return None
    return start_ticks == process.start_ticks and state not in _GONE


def is_of_earlier_boot(process: ProcessIdentity) -> bool:
    """Whether this host was started anew since ``process`` ran, if it ran on this host."""
    return None not in {process.boot_id, now := _boot_id()} and process.boot_id != now


def has_ended(pid: int) -> bool:
    """Tell whether a process that this one has seen is gone, or waits to be reaped."""
    try:
        return _stat(pid)[0] in _GONE
    except (FileNotFoundError, ProcessLookupError):
        return not _is_hidden(pid)
    except (OSError, ValueError, IndexError):
        return False


def _is_hidden(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _boot_id() -> str | None:
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return file.read().decode().strip()
    except OSError as error:
        pass_on(error)
        return None


def _namespace() -> int | None:
    try:
        return os.stat(NAMESPACE).st_ino
    except OSError as error:
        pass_on(error)
        return None


def _stat(pid: int) -> tuple[bytes, int]:
    """Return state and start of a process: fields 3 and 22 of its stat, counted from the end of its name."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        text = file.read()
    fields = text[text.rindex(b")") + 1 :].split()
    return fields[0], int(fields[19])


def start_ticks(pid: int) -> int | None:
    """Return when a process started; None if it is gone or hidden."""
    try:
        return _stat(pid)[1]
    except (OSError, ValueError, IndexError) as error:
        pass_on(error)
        return None
