"""`QuickLook`: the counters of another process that cost so little that they can be read many times a second.

Which locks of the process the kernel takes for a file of it, by fs/proc/array.c and fs/proc/task_mmu.c, and what a read
costs beside 60,000 maps or 3,000 threads (Linux 6.18, measured):

    status         its task lock and siglock, each to copy a few words; sizes are counters, read as they stand: 15 us
    statm          its task lock alone; it has neither threads nor page tables: 4 us
    stat           siglock while it adds up the times of every thread: 220 us of 3,000 threads, so not read here
    maps           up to Linux 6.16 mmap_lock, shared, for each page of text anew; since 6.17 ("read proc/pid/maps under
                   per-vma lock") RCU and the lock of the one map that is written: 1.2 us a map, 75 ms in all
    PROCMAP_QUERY  the same for each map by itself, at the same cost for maps without a path
    smaps_rollup   mmap_lock while it walks the pages of all maps: 23 ms, so not read here

pids.current and memory.current of a cgroup are counters without a lock of the process.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from telemetry.kernel.kernel_file import KernelFile

if TYPE_CHECKING:
    from telemetry.kernel.syscalls import Buffer

# In the kernel's order; at a line's start, where no name that a process has chosen can stand.
_STATUS = re.compile(
    rb"\nVmSize:\s+(\d+) kB.*?\nVmRSS:\s+(\d+) kB.*?\nVmPTE:\s+(\d+) kB.*?\nThreads:\s+(\d+)",
    re.DOTALL,
)


_STATUS_BYTES = 8192
_STATM_BYTES = 256
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Counters(NamedTuple):
    """What the status file of a process says of its size."""

    virtual_bytes: int
    rss_bytes: int
    page_table_bytes: int
    threads: int


def parse_counters(status: bytes) -> Counters | None:
    """Parse /proc/PID/status; None of a process that has no memory any more."""
    found = _STATUS.search(status)
    if found is None:
        return None
    virtual, rss, page_table, threads = map(int, found.groups())
    return Counters(virtual * 1024, rss * 1024, page_table * 1024, threads)


class Sizes(NamedTuple):
    """What the statm file of a process says of its size."""

    virtual_bytes: int
    rss_bytes: int


class QuickLook:
    """Reads one process; not for two threads at once.

    Its files are read by ``os.pread``, which gives up the interpreter's lock: half as dear here as a call by ctypes that
    keeps it, for a process in which nobody else wants the lock.
    """

    def __init__(self, pid: int, *, patient: Buffer, root: str = "/") -> None:
        """Take the process, and a buffer that gives way for the file that waits for the lock of its maps."""
        self._folder = f"{root.rstrip('/')}/proc/{pid}"
        self._patient, self._status, self._statm = patient, -1, -1

    def sizes(self) -> Sizes | None:
        """Return its sizes alone, at a third of the cost; None if it has ended. Raises OSError."""
        if self._statm < 0:
            self._statm = os.open(f"{self._folder}/statm", os.O_RDONLY | os.O_CLOEXEC)
        virtual, resident, _ = os.pread(self._statm, _STATM_BYTES, 0).split(b" ", 2)
        return Sizes(int(virtual) * _PAGE, int(resident) * _PAGE) if virtual != b"0" else None

    def read(self) -> Counters | None:
        """Return its counters; None if it has ended. Raises OSError."""
        if self._status < 0:
            self._status = os.open(f"{self._folder}/status", os.O_RDONLY | os.O_CLOEXEC)
        return parse_counters(os.pread(self._status, _STATUS_BYTES, 0))

    def count_maps(self) -> int | None:
        """Count its memory maps; None if it ended meanwhile, for then some were gone already. Raises OSError.

        The file is opened anew: an open one is of the program that ran when it was opened (exec).
        """
        file = KernelFile(f"{self._folder}/maps", buffer=self._patient)
        try:
            lines = file.count_lines()
        finally:
            file.close()
        if not lines.count or self.read() is None:
            return None
        return lines.count - lines.tail.endswith(b"[vsyscall]\n")

    def close(self) -> None:
        """Give the descriptor back."""
        for descriptor in (self._status, self._statm):
            if descriptor >= 0:
                os.close(descriptor)
        self._status = self._statm = -1
