"""`ProcessTable`: every process that can be seen, at one moment, and which of them are of one run."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from telemetry.holders import clean_name
from telemetry.interruption import pass_on
from telemetry.kernel.process_tree import BUFFER_BYTES
from telemetry.kernel.procfs import parse_status, status_value
from telemetry.kernel.program_name import read_program_name
from telemetry.kernel.syscalls import Buffer, list_folder, read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_LAUNCHERS = frozenset({"foldwatch", "trainer", "trainer.agent", "supervisor.py"})
"""What `foldwatch run` puts above a fold: all folds below one are of one run."""
_KTHREADD = 2
"""The parent of the kernel's threads, on the host (kernel/kthread.c)."""


class SeenProcess(NamedTuple):
    """What /proc/PID/status says of a process."""

    pid: int
    parent: int
    uid: int | None
    tasks: int
    rss_bytes: int
    is_zombie: bool
    """Whether all of it has ended; of one whose first thread alone has, the others still run."""
    is_stuck: bool
    """Whether it waits for a device: what reads its command line might wait as well."""
    is_of_kernel: bool
    comm: str


class ProcessTable:
    """The processes that can be seen, read once; what may not take longer is left out."""

    def __init__(self, pid: int, *, until: float, clock: Callable[[], float]) -> None:
        """Take the process whose run is asked for, and when to stop."""
        self._pid, self._until, self._clock = pid, until, clock
        self.processes: dict[int, SeenProcess] = {}
        self.run: frozenset[int] = frozenset()
        """The process, its siblings of the same name, and all that descends from them."""
        self._names: dict[int, str] = {}

    def is_out_of_time(self) -> bool:
        """Whether no more is to be read."""
        return self._clock() > self._until

    def read(self, *, first: Iterable[int] = ()) -> None:
        """Read every process, ``first`` those that are wanted most. Raises OSError."""
        buffer = Buffer(BUFFER_BYTES)
        every = (int(name) for name in list_folder("/proc", buffer) if name.isdigit())
        for pid in dict.fromkeys((*first, *every)):
            if self.is_out_of_time():
                break
            try:
                self.processes[pid] = _seen(pid, read_file(f"/proc/{pid}/status", buffer))
            except (OSError, ValueError) as error:  # it has ended, or is hidden
                pass_on(error)
        self.run = self._of_run()

    def name(self, pid: int) -> str:
        """Return the name of a process; as the kernel knows it, where its command line may not or need not be read."""
        if pid not in self._names:
            one = self.processes.get(pid)
            may_wait = one is None or one.is_stuck or one.is_zombie or self.is_out_of_time()
            name = None if may_wait else read_program_name(pid)
            self._names[pid] = name or (clean_name(one.comm) if one else f"pid {pid}")
        return self._names[pid]

    def _of_run(self) -> frozenset[int]:
        children: dict[int, list[int]] = defaultdict(list)
        for one in self.processes.values():
            children[one.parent].append(one.pid)
        top = self._top()
        waiting = [top, *self._siblings(top, children)]
        found: set[int] = set()
        while waiting:
            pid = waiting.pop()
            if pid not in found:
                found.add(pid)
                waiting += children[pid]
        return frozenset(found)

    def _top(self) -> int:
        """Return the process, or what `foldwatch run` is above it."""
        pid, seen = self._pid, {self._pid}
        while (one := self.processes.get(pid)) is not None and one.parent not in seen:
            if one.parent not in self.processes or self.name(one.parent) not in _LAUNCHERS:
                break
            pid = one.parent
            seen.add(pid)
        return pid

    def _siblings(self, top: int, children: dict[int, list[int]]) -> list[int]:
        """Return those of the same name with the same parent; what init has taken over is nobody's sibling."""
        parent = self.processes[top].parent if top in self.processes else 0
        if parent <= 1:
            return []
        return [pid for pid in children[parent] if self.name(pid) == self.name(top)]


def _seen(pid: int, text: bytes) -> SeenProcess:
    """Parse /proc/PID/status. Raises ValueError."""
    status, state = parse_status(text), status_value(text, b"State")
    parent, tasks = status.parent_pid or 0, status.threads or 1
    return SeenProcess(
        pid=pid,
        parent=parent,
        uid=status.real_uid,
        tasks=tasks,
        rss_bytes=status.rss_bytes or 0,
        is_zombie=state == b"Z" and tasks <= 1,
        is_stuck=state == b"D",
        is_of_kernel=_KTHREADD in {pid, parent} and status.virtual_bytes is None,
        comm=text[: text.find(b"\n")].partition(b"\t")[2].decode("utf-8", "replace"),
    )
