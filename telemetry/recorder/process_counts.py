"""What is counted of this process at the events of a call, and what that costs: some at each, the dear ones seldom."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from telemetry.interruption import pass_on
from telemetry.kernel.kernel_file import KernelFile
from telemetry.recorder.allocator import malloc_in_use

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.recorder.call_ledger import CallLedger

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SHARE = 0.001
"""Of wall time that each dear number may take."""
CAPACITY_SECONDS = 0.005
MOST_THREADS = 50
"""Of Python, whose CPU time is asked for."""
AT_WORK_MICROSECONDS = 1000
"""Of CPU time of others from which it is asked whose it was."""


class DearNumber:
    """A number that costs the more to read the larger the process is."""

    def __init__(self, read: Callable[[], int | None]) -> None:
        self._read = read
        self._left = CAPACITY_SECONDS
        self._cost = 0.0
        """Of the last reading."""
        self._at = time.perf_counter()

    def read(self, depth: int) -> int | None:
        """Return it, unless what it may take is used up; the further in a call is, the more is held back from it."""
        now = time.perf_counter()
        self._left = min(CAPACITY_SECONDS, self._left + SHARE * (now - self._at))
        self._at = now
        held_back = CAPACITY_SECONDS * min(0.8, 0.2 * (depth - 1)) + self._cost if depth > 1 else 0
        if self._left < held_back:
            return None
        began = time.thread_time()
        value = self._read()
        self._cost = time.thread_time() - began
        self._left -= self._cost
        return value


def _held(path: str, *, size: int) -> KernelFile | None:
    """Return a file of the kernel's; None if this kernel has none such."""
    file = KernelFile(path, size=size)
    try:
        file.hold()
    except OSError as error:
        pass_on(error)
        return None
    return file


class ProcessCounts:
    """Counts of this process, which its own thread asks for."""

    def __init__(self, thread_id: int) -> None:
        self._thread_id = thread_id
        self._statm = KernelFile("/proc/self/statm", size=256)
        self._children = _held(f"/proc/self/task/{threading.get_native_id()}/children", size=2**14)
        maps = KernelFile("/proc/self/maps", size=2**16)
        self._maps = DearNumber(lambda: maps.count_lines().count)
        self._dear = {
            "malloc_bytes": DearNumber(malloc_in_use()),
            "python_blocks": DearNumber(sys.getallocatedblocks),
        }
        self._size_counted = b""
        """VmSize in pages when the maps were counted; while it stays, as a rule they do."""
        self._other_us = 0
        for file in (self._statm, maps):
            file.hold()

    def read(self, ledger: CallLedger, depth: int) -> dict[str, int]:
        """Return what is read this time; ``depth`` is that of the call, from the base of what is watched."""
        size, resident, shared, _ = self._statm.read().split(b" ", 3)
        own, process = time.thread_time_ns() // 1000, time.process_time_ns() // 1000
        values = {
            "us": time.perf_counter_ns() // 1000,
            "own_us": own,
            "other_us": process - own,
            "threads": os.stat("/proc/self/task").st_nlink,
            "rss_bytes": int(resident) * PAGE_BYTES,
            "shared_bytes": int(shared) * PAGE_BYTES,
        }
        if descriptors := os.stat("/proc/self/fd").st_size:  # since Linux 6.2
            values["open_fds"] = descriptors
        if self._children is not None:
            values["descendants"] = self._children.read().count(b" ")
        if (process - own) - self._other_us > AT_WORK_MICROSECONDS:
            self._other_us = process - own
            values["python_us"] = self._of_python()
        if size != self._size_counted:
            if (count := self._maps.read(depth)) is not None:
                values["maps"], self._size_counted = count, size
        elif (count := ledger.value("maps")) is not None:
            values["maps"] = count
        for name, source in self._dear.items():
            if (value := source.read(depth)) is not None:
                values[name] = value
        return values

    def _of_python(self) -> int:
        """Return the CPU time of Python's other threads in microseconds."""
        # Not threading's own list, which may hold a thread that has ended: its clock cannot be asked for. While this
        # thread holds the interpreter's lock none of these can end.
        others = sys._current_frames().keys() - {self._thread_id}  # noqa: SLF001 - its documented name
        if len(others) > MOST_THREADS:
            return self._other_us
        clocks = map(time.pthread_getcpuclockid, others)
        return sum(time.clock_gettime_ns(clock) for clock in clocks) // 1000
