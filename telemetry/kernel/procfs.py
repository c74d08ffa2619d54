"""The /proc files of one process and of the host.

/proc/PID/{status,stat,maps,limits,fd}, /proc/loadavg and /proc/sys integers. Parsers take the text and
return values; `ProcessFiles` reads. Formats: man 5 proc; Documentation/filesystems/proc.rst in the
kernel tree.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import NamedTuple

from telemetry.interruption import pass_on
from telemetry.kernel.kernel_file import KernelFile, SettledFile
from telemetry.kernel.procmap_query import ProcmapQuery
from telemetry.limits import LIMITS
from telemetry.reading import Limit, LimitState


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """The lines of /proc/PID/status that foldwatch uses; None if the kernel left one out."""

    threads: int | None
    rss_bytes: int | None
    rss_anon_bytes: int | None
    rss_file_bytes: int | None
    rss_shmem_bytes: int | None
    virtual_bytes: int | None
    data_bytes: int | None
    parent_pid: int | None
    real_uid: int | None
    effective_capabilities: int | None
    state: str | None = None
    """Of the main thread, by its letter."""
    waits: int | None = None
    """Of the main thread: how often it gave up the CPU to wait."""


# Name:	python3
# PPid:	1
# Uid:	1000	1000	1000	1000
# VmSize:	  123456 kB
# VmRSS:	   54321 kB        (the kernel's kB are 1024 bytes; a zombie or kernel thread has no Vm lines)
# RssAnon:	   43210 kB        (with RssFile and RssShmem it makes VmRSS, since Linux 4.5)
# VmData:	   43210 kB
# Threads:	36
# State:	S (sleeping)
# CapEff:	000001ffffffffff
# voluntary_ctxt_switches:	4711
def parse_status(text: bytes) -> ProcessStatus:
    """Parse /proc/PID/status. Raises ValueError for a number that is none."""
    threads, uid = status_value(text, b"Threads"), status_value(text, b"Uid")
    capabilities, parent = status_value(text, b"CapEff"), status_value(text, b"PPid")
    state, waits = status_value(text, b"State"), status_value(text, b"voluntary_ctxt_switches")
    return ProcessStatus(
        threads=None if threads is None else int(threads),
        rss_bytes=_status_bytes(text, b"VmRSS"),
        rss_anon_bytes=_status_bytes(text, b"RssAnon"),
        rss_file_bytes=_status_bytes(text, b"RssFile"),
        rss_shmem_bytes=_status_bytes(text, b"RssShmem"),
        virtual_bytes=_status_bytes(text, b"VmSize"),
        data_bytes=_status_bytes(text, b"VmData"),
        parent_pid=None if parent is None else int(parent),
        real_uid=None if uid is None else int(uid),
        effective_capabilities=None if capabilities is None else int(capabilities, 16),
        state=None if state is None else state.decode("ascii"),
        waits=None if waits is None else int(waits),
    )


def _status_bytes(text: bytes, key: bytes) -> int | None:
    value = status_value(text, key)
    return None if value is None else int(value) * 1024


def status_value(text: bytes, key: bytes) -> bytes | None:
    """Return the first word after ``key:`` at a line's start.

    The Name line comes first and holds the process's own text, but its newlines are escaped by the
    kernel, so a key at a line's start is the kernel's.
    """
    start = text.find(b"\n" + key + b":")
    if start < 0:
        return None
    start += len(key) + 2
    words = text[start : text.find(b"\n", start)].split(None, 1)
    return words[0] if words else None


@dataclass(frozen=True, slots=True)
class ProcessTimes:
    """The times of a process, from /proc/PID/stat."""

    start_ticks: int
    """starttime, in clock ticks since boot: with the PID it names the process for good."""
    cpu_seconds: float
    """utime and stime of all its threads, those that ended included."""
    reaped_cpu_seconds: float = 0.0
    """cutime and cstime: of its children that it has waited for, and theirs."""


_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


# 4242 (a name) with ) in it) S 1 4242 ... 14th to 17th field: 500 60 20 4 ... 22nd field: 123456
def parse_stat(text: bytes) -> ProcessTimes:
    """Parse fields 14 to 17 and 22 of /proc/PID/stat.

    The name in parentheses may hold spaces and parentheses, so fields count from the last ``)``.
    Raises ValueError or IndexError on anything else.
    """
    fields = text[text.rindex(b")") + 1 :].split()
    own, reaped = (int(fields[at]) + int(fields[at + 1]) for at in (11, 13))
    return ProcessTimes(int(fields[19]), own / _TICKS_PER_SECOND, reaped / _TICKS_PER_SECOND)


# rchar: 323934931      (what system calls read, of pipes and of /proc as well)
# read_bytes: 0         (what was fetched from storage, memory-mapped files included)
# write_bytes: 323932160
def parse_io(text: bytes) -> int:
    """Return the bytes read from storage and written to it, of /proc/PID/io. Raises ValueError."""
    text = b"\n" + text
    read, written = (status_value(text, key) for key in (b"read_bytes", b"write_bytes"))
    if read is None or written is None:
        raise ValueError("no read_bytes and write_bytes")
    return int(read) + int(written)


def is_initial_user_namespace(uid_map: bytes) -> bool:
    """Whether /proc/PID/uid_map maps every user to itself, as only the initial namespace does."""
    return uid_map.split() == [b"0", b"0", b"4294967295"]


# Max processes             96365                96365                processes
# Max address space         unlimited            unlimited            bytes
# Max data size             unlimited            unlimited            bytes
def parse_soft_limits(text: bytes) -> dict[str, Limit]:
    """Return the soft limits in /proc/PID/limits by the limit's name.

    Of the data size the hard one if the soft one is 0: then the kernel goes by that (mm/mmap.c).
    """
    return {name: _soft_limit(text, row) for name, row in RLIMITS.items()}


RLIMITS = {
    name: spec.proc_limits_row for name, spec in LIMITS.items() if spec.proc_limits_row is not None
}


def _soft_limit(text: bytes, row: bytes) -> Limit:
    start = text.find(row)
    if start < 0:
        return LimitState.INVISIBLE
    soft, hard = text[start + len(row) : text.find(b"\n", start)].split()[:2]
    is_hard = soft == b"0" and row == RLIMITS["data_size"]  # may_expand_vm, for Valgrind
    word = hard if is_hard else soft
    return LimitState.UNLIMITED if word == b"unlimited" else int(word)


# 0.20 0.18 0.12 1/80 11206        4th field: runnable tasks / tasks that exist on the host
def parse_host_tasks(text: bytes) -> int:
    """Return how many tasks (threads) the host holds. Raises ValueError or IndexError."""
    return int(text.split()[3].split(b"/")[1])


class HostMemory(NamedTuple):
    """Memory and swap of the host together."""

    used_bytes: int
    total_bytes: int


_MEMINFO = re.compile(rb"^(MemTotal|MemAvailable|SwapTotal|SwapFree): +(\d+) kB$", re.MULTILINE)


# MemTotal:       24737108 kB
# MemAvailable:   21578000 kB     what could be had without swapping (since Linux 3.14)
def parse_host_memory(text: bytes) -> HostMemory:
    """Return what is used: the kernel kills when neither memory nor swap is left. Raises ValueError."""
    sizes = {name: int(size) * 1024 for name, size in _MEMINFO.findall(text)}
    try:
        total = sizes[b"MemTotal"] + sizes.get(b"SwapTotal", 0)
        free = sizes[b"MemAvailable"] + sizes.get(b"SwapFree", 0)
    except KeyError as error:
        raise ValueError(f"no {error.args[0].decode()}") from error
    return HostMemory(max(0, total - free), total)


LONG_MAP_BYTES = 100
"""From this mean length of a line on, formatting paths costs more than a system call for each map:
per map the text takes 0.4 us without a path and 1.3 us with a long one, the question 0.8 us."""


class ProcessFiles:
    """The /proc files of one process, held open under ``root``.

    Invariant: nothing is opened before the first read or `hold`; every method raises OSError when
    its own file cannot be read and ValueError when its text is not understood, and costs no other.
    """

    def __init__(self, *, root: str = "/", pid: int) -> None:
        process = os.path.join(root, "proc", str(pid))
        self.pid = pid
        self._status = KernelFile(os.path.join(process, "status"), size=16384)
        self._stat = KernelFile(os.path.join(process, "stat"))
        # Counted 64 KiB at a time: malloc takes copies of that size from the heap, not from new maps.
        self._maps = KernelFile(os.path.join(process, "maps"), size=65536)
        self._map_query, self._most_by_query = ProcmapQuery(), 0
        self._io = KernelFile(os.path.join(process, "io"))
        self._limits = KernelFile(os.path.join(process, "limits"))
        self._limits_text, self._soft_limits = b"", dict[str, Limit]()
        self._uid_map = SettledFile(os.path.join(process, "uid_map"))
        self._loadavg = KernelFile(os.path.join(root, "proc", "loadavg"))
        self._meminfo = KernelFile(os.path.join(root, "proc", "meminfo"), size=1024)
        self._max_map_count = SettledFile(os.path.join(root, "proc/sys/vm/max_map_count"))
        self._threads_max = SettledFile(os.path.join(root, "proc/sys/kernel/threads-max"))
        self._pid_max = SettledFile(os.path.join(root, "proc/sys/kernel/pid_max"))
        self._descriptors = os.path.join(process, "fd")
        self._is_procfs = root == "/"  # the size of a folder in a recorded tree counts nothing

    def hold(self) -> None:
        """Open every file now, while descriptors are still to be had; failures show at the read."""
        for file in self._files():
            try:
                file.hold()
            except OSError as error:
                pass_on(error)
                continue  # the read reports it, with its source's name

    @property
    def is_lost(self) -> bool:
        """Whether the program has closed the descriptors; it closes all or none, so one is asked."""
        return self._status.is_lost

    def close(self) -> None:
        """Give every descriptor back."""
        for file in self._files():
            file.close()

    def _files(self) -> list[KernelFile]:
        return [value for value in vars(self).values() if isinstance(value, KernelFile)]

    def status(self) -> ProcessStatus:
        """Threads and memory of the process."""
        return parse_status(self._status.read())

    def times(self) -> ProcessTimes:
        """Start time and CPU time of the process."""
        return parse_stat(self._stat.read())

    def io_bytes(self) -> int | None:
        """Bytes read from storage and written to it; None where the kernel counts none or does not tell."""
        try:
            return parse_io(self._io.read())
        except OSError as error:
            pass_on(error)
            return None

    def output_time(self) -> float | None:
        """When standard output or error was written to last: a file, a terminal and a pipe tell it alike.

        None where neither is one of them, or neither may be looked at.
        """
        times = []
        for number in (1, 2) if self._is_procfs else ():
            try:
                times.append(os.stat(f"{self._descriptors}/{number}").st_mtime)
            except OSError as error:
                pass_on(error)
        return max(times, default=None)

    def is_in_initial_user_namespace(self) -> bool:
        """Whether its root is the host's root."""
        return is_initial_user_namespace(self._uid_map.read())

    def maps(self) -> int:
        """Count the memory maps that vm.max_map_count limits.

        Map by map if the text was mostly paths at the last look, and until there are a quarter more of
        them; else by the lines of the text. ``[vsyscall]``, if there is one, is listed there last and
        is no mapping of the process. A process that is gone has an empty file: ProcessLookupError, not
        0. So has one that became another program (exec) since the file was opened: then the file is
        opened anew once.
        """
        try:
            return self._count_maps()
        except ProcessLookupError as gone:
            pass_on(gone)
            self._maps.close()
            try:
                return self._count_maps()
            except FileNotFoundError as error:
                pass_on(error)
                raise gone from None

    def _count_maps(self) -> int:
        if self._most_by_query:
            count = self._map_query.count(self._maps.hold(), most=self._most_by_query)
            if count:
                return count
        lines = self._maps.count_lines()
        if lines.count == 0:
            raise ProcessLookupError(f"{self._maps.path} is empty: the process has ended")
        is_long = lines.size_bytes > LONG_MAP_BYTES * lines.count
        self._most_by_query = lines.count * 5 // 4 if is_long else 0
        return lines.count - lines.tail.endswith(b"[vsyscall]\n")

    def open_fds(self) -> int:
        """Count the open descriptors.

        Since Linux 6.2 the size of /proc/PID/fd is their number, which needs no descriptor to learn
        ("proc: report open files as size in stat() for /proc/pid/fd"). Before, the folder is listed,
        and a process that lists its own sees the descriptor it lists with.
        """
        if self._is_procfs and (size := os.stat(self._descriptors).st_size):
            return size
        names = os.listdir(self._descriptors)
        return len(names) - (self._is_procfs and self.pid == os.getpid())

    def soft_limits(self) -> dict[str, Limit]:
        """Return the soft limits of the process, by the limit's name."""
        text = self._limits.read()
        if text != self._limits_text:  # they are hardly ever changed, and parsing costs more
            self._limits_text, self._soft_limits = text, parse_soft_limits(text)
        return self._soft_limits

    def host_tasks(self) -> int:
        """Count the tasks on the host."""
        return parse_host_tasks(self._loadavg.read())

    def host_memory(self) -> HostMemory:
        """Memory and swap of the host."""
        return parse_host_memory(self._meminfo.read())

    def max_map_count(self) -> int:
        """vm.max_map_count."""
        return int(self._max_map_count.read())

    def threads_max(self) -> int:
        """kernel.threads-max."""
        return int(self._threads_max.read())

    def pid_max(self) -> int:
        """kernel.pid_max."""
        return int(self._pid_max.read())
