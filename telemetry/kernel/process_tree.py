"""The processes that a process has started, from /proc/PID/task/TID/children.

Children belong to the thread that made them. A kernel without CONFIG_PROC_CHILDREN has no such files:
then psutil looks through all processes.

trainer/process/supervisor.py walks /proc/PID/stat on its own: it runs as a single file without the
packages (``python -I -S``), and must still find the children of a process that is gone.
"""

from __future__ import annotations

import os

from telemetry.interruption import pass_on
from telemetry.kernel.syscalls import Buffer, list_folder, read_file

BUFFER_BYTES = 65536
"""Takes a thread's list of some 8,000 children; one with more shows the first of them."""


def children_of(pid: int, *, root: str = "/", buffer: Buffer | None = None) -> list[int]:
    """Return the children of every thread of ``pid``. Raises OSError if it is gone."""
    buffer = buffer or Buffer(BUFFER_BYTES)
    folder = f"{root}/proc/{pid}/task"
    children: list[int] = []
    for tid in list_folder(folder, buffer):
        try:
            children += children_of_thread(folder, tid, buffer)
        except (FileNotFoundError, ProcessLookupError) as error:
            pass_on(error)
            if tid == str(pid) and os.path.isdir(f"{folder}/{tid}"):
                return children_by_psutil(pid)
    return children


def children_of_thread(folder: str, tid: str, buffer: Buffer) -> list[int]:
    """Return the children of one thread; ``folder`` is its process's ``task``. Raises OSError."""
    return [int(word) for word in read_file(f"{folder}/{tid}/children", buffer).split()]


def children_by_psutil(pid: int) -> list[int]:
    """Look through all processes. Raises ProcessLookupError."""
    import psutil  # noqa: PLC0415 - only a kernel without children files pays for it

    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.Error as error:
        raise ProcessLookupError(str(error)) from error


def foreground_child(pid: int) -> int:
    """Return ``pid``, or the process that it has started and waits for.

    A shell or another launcher has one thread and one child, which is bigger than itself; so has a
    script only while a bigger program does its work for it.
    """
    buffer = Buffer(BUFFER_BYTES)
    try:
        while len(list_folder(f"/proc/{pid}/task", buffer)) == 1:
            children = children_of(pid, buffer=buffer)
            if len(children) != 1 or _resident_pages(children[0]) <= _resident_pages(pid):
                break
            pid = children[0]
    except (OSError, ValueError, IndexError):  # it ended meanwhile
        pass
    return pid


def _resident_pages(pid: int) -> int:
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1])
