"""What is counted of this process at the events of a call, and what that costs: some at each, the dear ones seldom."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from telemetry.interruption import pass_on
from telemetry.kernel.kernel_file import KernelFile
from telemetry.own_thread import OWN_THREADS
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
        self._left = self._capacity = CAPACITY_SECONDS
        self._cost = 0.0
        """Of the last reading."""
        self._at = time.perf_counter()

    def allow(self, seconds: float) -> None:
        """Let it take so many seconds from here on."""
        self._left = self._capacity = seconds

    def read(self, depth: int) -> int | None:
        """Return it, unless what it may take is used up; the further in a call is, the more is held back from it."""
        now = time.perf_counter()
        self._left = min(self._capacity, self._left + SHARE * (now - self._at))
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


def _cpu_us(native_id: int | None) -> int | None:
    """Return the CPU time of a thread in microseconds; None if it has ended."""
    try:
        # As pthread_getcpuclockid makes it (include/linux/posix-timers_types.h), which may be asked of no ended thread.
        return time.clock_gettime_ns(~(native_id or 0) << 3 | 6) // 1000
    except OSError as error:
        pass_on(error)
        return None


class PythonThreads:
    """The CPU time of Python's other threads, of those that have ended as well."""

    def __init__(self, thread_id: int) -> None:
        self._thread_id = thread_id
        self._clocks: dict[int, int] = {}
        """When last looked at, in microseconds."""
        self.worked_us = 0
        self.count = 0
        """How many there are, beside telemetry's own."""

    def look(self, others_us: int) -> None:
        """Ask for it; ``others_us`` is that of all other threads since the last look."""
        # Not sys._current_frames: from Python 3.12 on it takes apart, without their lock, the stacks of subinterpreters
        # that are at work, which crashes.
        threads = [*threading._active.values()]  # type: ignore[attr-defined] # noqa: SLF001 - enumerate() takes a lock
        own = {self._thread_id, *(thread.ident for thread in OWN_THREADS if thread.is_alive())}
        others = [thread.native_id for thread in threads if thread.ident not in own]
        self.count = len(others)
        if len(others) > MOST_THREADS:
            self.worked_us += others_us
            return
        before, times = self._clocks, ((one, _cpu_us(one)) for one in others)
        self._clocks = now = {one: us for one, us in times if us is not None}
        more = [us - before.get(thread, 0) for thread, us in now.items()]
        # What one did before its end is not known: all that others did may be it. A new one may have its number.
        if min(more, default=0) < 0 or not before.keys() <= now.keys():
            self.worked_us += others_us
        else:
            self.worked_us += sum(more)


class ProcessCounts:
    """Counts of this process, which its own thread asks for."""

    def __init__(self, thread_id: int) -> None:
        self._statm = KernelFile("/proc/self/statm", size=256)
        self._children = _held(f"/proc/self/task/{threading.get_native_id()}/children", size=2**14)
        maps = KernelFile("/proc/self/maps", size=2**16)
        self._maps = DearNumber(lambda: maps.count_lines().count)
        self._dear = {
            "malloc_bytes": DearNumber(malloc_in_use()),
            "python_blocks": DearNumber(sys.getallocatedblocks),
        }
        self._sizes_counted: tuple[bytes, bytes] = (b"", b"")
        """VmSize and what of it is written to, in pages, when the maps were counted; while both stay, as a rule they do.

        What splits a map by changing whether it can be written to leaves VmSize as it is.
        """
        self._other_us = 0
        self.python = PythonThreads(thread_id)
        self._threads = 0
        """When Python's were looked at."""
        for file in (self._statm, maps):
            file.hold()
        self._files = [file for file in (self._statm, self._children, maps) if file is not None]

    def read(self, ledger: CallLedger, depth: int) -> dict[str, int]:
        """Return what is read this time; ``depth`` is that of the call, from the base of what is watched."""
        self._give_up_lost_files()
        size, resident, shared, _, _, data, _ = self._statm.read().split(b" ", 6)
        sizes = size, data
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
        others = process - own - self._other_us
        # One that has begun is known before it ends: its clock cannot be asked for afterwards.
        if others > AT_WORK_MICROSECONDS or values["threads"] != self._threads:
            self._other_us, self._threads = process - own, values["threads"]
            self.python.look(others)
        values["python_us"] = self.python.worked_us
        if sizes != self._sizes_counted:
            if (count := self._maps.read(depth)) is not None:
                values["maps"], self._sizes_counted = count, sizes
        elif (count := ledger.value("maps")) is not None:
            values["maps"] = count
        for name, source in self._dear.items():
            if (value := source.read(depth)) is not None:
                values[name] = value
        return values

    def allow(self, seconds: float) -> None:
        """Let each of the dear numbers take so many seconds from here on."""
        for source in (self._maps, *self._dear.values()):
            source.allow(seconds)

    def _give_up_lost_files(self) -> None:
        """Open anew what the training has closed with every descriptor it does not know: it may have files there."""
        if self._statm.is_lost:
            for file in self._files:
                if file.is_lost:
                    file.close()
