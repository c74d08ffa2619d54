"""The tasks of a process: its threads by pool, and the processes that descend from it.

A thread name is at most 15 bytes (TASK_COMM_LEN in include/linux/sched.h), so
``tf_data_private_threadpool`` shows as ``tf_data_private``.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from telemetry.interruption import pass_on
from telemetry.kernel.process_tree import (
    BUFFER_BYTES,
    children_by_psutil,
    children_of,
    children_of_thread,
)
from telemetry.kernel.procfs import ProcessStatus, parse_status, status_value
from telemetry.kernel.syscalls import Buffer, has_children, list_folder, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable

POOLS_KEPT = 20
OTHER = "other"

# tf_Compute/12, OpenMP-3, worker_7, pool-1-thread-2: the number of a thread within its pool.
_NUMBER = re.compile(r"[/_.:# -]*\d+$")


def pool_name(thread_name: str) -> str:
    """Return the pool that a thread belongs to: its name without the number at the end."""
    return _NUMBER.sub("", thread_name) or thread_name


class Descendant(NamedTuple):
    """A process below another one."""

    pid: int
    parent: int
    status: ProcessStatus


@dataclass(frozen=True, slots=True)
class Tasks:
    """The threads of a process by pool, and the processes that these threads have started."""

    pools: dict[str, int]
    """The POOLS_KEPT largest, and the rest as OTHER."""
    children: list[int]


def read_tasks(pid: int, *, root: str = "/", buffer: Buffer | None = None) -> Tasks:
    """Read the threads of ``pid`` and its children, through ``buffer``. Raises OSError.

    Costs three system calls a thread for its name, and three more for its children, which belong to
    the thread that made them; this very process is asked first whether it has any.
    """
    folder = f"{root}/proc/{pid}/task"
    has_no_child = root == "/" and pid == os.getpid() and not has_children()
    counts: dict[str, int] = {}
    children: list[int] = []
    has_children_files = has_no_child
    buffer = buffer or Buffer(BUFFER_BYTES)
    for tid in list_folder(folder, buffer):
        try:
            comm = read_file(f"{folder}/{tid}/comm", buffer)
            pool = pool_name(comm.decode("utf-8", "replace").rstrip("\n"))
            counts[pool] = counts.get(pool, 0) + 1
            if not has_no_child:
                children += children_of_thread(folder, tid, buffer)
                has_children_files = True
        except (FileNotFoundError, ProcessLookupError) as error:
            pass_on(error)
            continue  # it ended between the listing and the read, or the kernel has no such file
    if not counts:
        raise FileNotFoundError(errno.ENOENT, "no thread has a name", folder)
    if not has_children_files:
        children = children_by_psutil(pid)
    return Tasks(_largest(counts), children)


def _largest(counts: dict[str, int]) -> dict[str, int]:
    # Not Counter.most_common(): it imports heapq when first called, and an import at a limit fails.
    ordered = sorted(counts.items(), key=lambda pool: -pool[1])
    pools = dict(ordered[:POOLS_KEPT])
    if rest := sum(count for _, count in ordered[POOLS_KEPT:]):
        pools[OTHER] = pools.get(OTHER, 0) + rest
    return pools


def read_descendants(
    top: int, children: Iterable[int], *, root: str = "/", buffer: Buffer | None = None
) -> list[Descendant]:
    """Read the processes that descend from ``top``, whose own children are known. Raises OSError.

    A child that ended meanwhile is left out, and so is a PID that was taken by a process of another
    parent since: the parent in its status must be the one whose list named it.
    """
    buffer = buffer or Buffer(BUFFER_BYTES)
    found: list[Descendant] = []
    seen = {top}
    waiting = [(child, top) for child in children]
    while waiting:
        pid, parent = waiting.pop()
        if pid in seen:
            continue
        seen.add(pid)
        try:
            status = parse_status(read_file(f"{root}/proc/{pid}/status", buffer))
            if status.parent_pid != parent:
                continue
            waiting += [(child, pid) for child in children_of(pid, root=root, buffer=buffer)]
        except (FileNotFoundError, ProcessLookupError) as error:
            pass_on(error)
            continue
        found.append(Descendant(pid, parent, status))
    return found


def tasks_of_user(uid: int, *, root: str = "/") -> int:
    """Count the tasks of real user ``uid``, as RLIMIT_NPROC does. Raises OSError.

    Reads every visible process. Processes of other PID namespaces count against the limit but cannot
    be seen from here: the result is a lower bound.
    """
    total, wanted = 0, b"%d" % uid
    processes = os.path.join(root, "proc")
    buffer = Buffer(BUFFER_BYTES)
    for name in list_folder(processes, buffer):
        if not name.isdigit():
            continue
        try:
            text = read_file(f"{processes}/{name}/status", buffer)
        except (FileNotFoundError, ProcessLookupError) as error:
            pass_on(error)
            continue
        if status_value(text, b"Uid") == wanted:
            total += int(status_value(text, b"Threads") or 0)
    return total
