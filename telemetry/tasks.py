"""The tasks of a process: its threads by pool, and the processes that descend from it.

Owns thread names, the walk over /proc/PID/task/TID/children, and how many tasks a user has. It must
not know about labels or limits. A thread name is at most 15 bytes (TASK_COMM_LEN in
include/linux/sched.h), so ``tf_data_private_threadpool`` shows as ``tf_data_private``.
"""

from __future__ import annotations

import errno
import os
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.procfs import parse_status

if TYPE_CHECKING:
    from collections.abc import Iterator

POOLS_KEPT = 20
OTHER = "other"

# tf_Compute/12, OpenMP-3, worker_7, pool-1-thread-2: the number of a thread within its pool.
_NUMBER = re.compile(r"[/_.:# -]*\d+$")


def pool_name(thread_name: str) -> str:
    """Return the pool that a thread belongs to: its name without the number at the end."""
    return _NUMBER.sub("", thread_name) or thread_name


def threads_by_pool(pid: int, *, root: str = "/") -> dict[str, int]:
    """Count the threads of ``pid`` by pool: the POOLS_KEPT largest, and the rest as "other".

    Raises OSError. Costs three system calls a thread.
    """
    folder = os.path.join(root, "proc", str(pid), "task")
    counts: Counter[str] = Counter()
    for tid in os.listdir(folder):
        try:
            counts[
                pool_name(_read(f"{folder}/{tid}/comm").decode("utf-8", "replace").rstrip("\n"))
            ] += 1
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended between the listing and the read
    if not counts:
        raise FileNotFoundError(errno.ENOENT, "no thread has a name", folder)
    # Not most_common(): it imports heapq when first called, and an import at a limit fails.
    pools = dict(sorted(counts.items(), key=lambda pool: -pool[1])[:POOLS_KEPT])
    if rest := counts.total() - sum(pools.values()):
        pools[OTHER] = pools.get(OTHER, 0) + rest
    return pools


@dataclass(frozen=True, slots=True)
class Descendants:
    """The processes below one: how many, and their threads and memory together."""

    count: int
    threads: int
    rss_bytes: int


def descendants(pid: int, *, root: str = "/") -> Descendants:
    """Add up the processes that descend from ``pid``. Raises OSError where it cannot be told.

    A child that ended meanwhile is left out, and so is a PID that was taken by a process of another
    parent since: the parent in its status must be the one whose list named it.
    """
    count = threads = rss_bytes = 0
    for child in _descendant_pids(pid, root):
        try:
            status = parse_status(_read(f"{root}/proc/{child.pid}/status"))
        except (FileNotFoundError, ProcessLookupError):
            continue
        if status.parent_pid != child.parent_pid:
            continue
        count += 1
        threads += status.threads or 0
        rss_bytes += status.rss_bytes or 0
    return Descendants(count, threads, rss_bytes)


@dataclass(frozen=True, slots=True)
class _Child:
    pid: int
    parent_pid: int


def _descendant_pids(top: int, root: str) -> Iterator[_Child]:
    waiting = [top]
    seen = {top}
    while waiting:
        pid = waiting.pop()
        try:
            children = _children(pid, root)
        except (FileNotFoundError, ProcessLookupError):
            if pid == top:
                raise
            continue
        for child in children:
            if child not in seen:
                seen.add(child)
                waiting.append(child)
                yield _Child(child, pid)


def _children(pid: int, root: str) -> list[int]:
    """Read the children of every thread: a child belongs to the thread that made it.

    Kernels without CONFIG_PROC_CHILDREN have no such file: psutil then looks through all processes.
    """
    folder = f"{root}/proc/{pid}/task"
    tids = os.listdir(folder)
    children: list[int] = []
    for tid in tids:
        try:
            children += map(int, _read(f"{folder}/{tid}/children").split())
        except (FileNotFoundError, ProcessLookupError):
            if tid == str(pid) and os.path.isdir(f"{folder}/{tid}"):
                return _children_by_psutil(pid)
    return children


def _children_by_psutil(pid: int) -> list[int]:
    import psutil  # noqa: PLC0415 - only kernels without CONFIG_PROC_CHILDREN pay for it

    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.Error as error:
        raise ProcessLookupError(str(error)) from error


def tasks_of_user(uid: int, *, root: str = "/") -> int:
    """Count the tasks of real user ``uid``, as RLIMIT_NPROC does. Raises OSError.

    Reads every visible process. Processes of other PID namespaces count against the limit but cannot
    be seen from here: the result is a lower bound.
    """
    total = 0
    processes = os.path.join(root, "proc")
    for name in os.listdir(processes):
        if not name.isdigit():
            continue
        try:
            status = parse_status(_read(f"{processes}/{name}/status"))
        except (FileNotFoundError, ProcessLookupError):
            continue
        if status.real_uid == uid:
            total += status.threads or 0
    return total


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 65536)
    finally:
        os.close(descriptor)
