"""Fill one limit, and print what a new thread and a new process come to.

``python -m tests.scripts.why_eagain LIMIT``, a key of LIMITS.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MARGIN = 64 * 2**20
kept: list[mmap.mmap] = []


def used(field: str) -> int:
    """Return a field of /proc/self/status in bytes."""
    with open("/proc/self/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field))


def fill_with_threads() -> None:
    """Start threads until none can be had."""
    stop = threading.Event()
    try:
        while True:
            threading.Thread(target=stop.wait, daemon=True).start()
    except (RuntimeError, MemoryError):
        pass


def fill_with_maps() -> None:
    """Make memory maps until none can be had, in turn of two kinds, so that the kernel merges none."""
    kinds = (mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    try:
        while True:
            kept.append(mmap.mmap(-1, mmap.PAGESIZE, flags=flags, prot=kinds[len(kept) % 2]))
    except (OSError, MemoryError):
        pass


def fork() -> str:
    """Fork once, and return the name of the error, or ``works``."""
    try:
        child = os.fork()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "works"


def limit_address_space() -> None:
    """Leave 64 MB of it."""
    limit = used("VmSize") + MARGIN
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def limit_data() -> None:
    """Leave 64 MB of private writable memory."""
    limit = used("VmData") + MARGIN
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def limit_tasks_of_the_user() -> None:
    """Become a user whom RLIMIT_NPROC binds, with 20 tasks."""
    if os.getuid() == 0:
        os.setuid(54321)
    resource.setrlimit(resource.RLIMIT_NPROC, (20, 20))


def limit_pid_numbers() -> None:
    """Lower the PID namespace's kernel.pid_max."""
    with open("/proc/sys/kernel/pid_max", "w", encoding="ascii") as file:
        file.write("400")


LIMITS: dict[str, Callable[[], None]] = {
    "RLIMIT_AS": limit_address_space,
    "RLIMIT_DATA": limit_data,
    "RLIMIT_NPROC": limit_tasks_of_the_user,
    "max_map_count": fill_with_maps,
    "pids cgroup": lambda: None,
    "pid_max": limit_pid_numbers,
}
"""By the page's name of a limit, how it comes near; threads then fill it."""

if __name__ == "__main__":
    libc = ctypes.CDLL(None)
    nothing = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(lambda _: 0)
    thread = ctypes.c_ulong()
    LIMITS[sys.argv[1]]()
    fill_with_threads()
    code = libc.pthread_create(ctypes.byref(thread), None, nothing, None)
    print(errno.errorcode.get(code, "works"), fork(), flush=True)
    os._exit(0)
