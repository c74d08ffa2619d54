"""`ChildrenAside`: the children of a process, looked at by a thread that nobody waits for.

What tells most of a child waits while that child holds the lock of its memory maps, as it does in a large mmap or munmap.
A label uses what was seen last, and says when that was.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from telemetry.kernel.child_processes import ChildProcesses, ChildrenFound, counted
from telemetry.kernel.process_tree import BUFFER_BYTES
from telemetry.kernel.syscalls import Buffer
from telemetry.kernel.tasks import read_descendants
from telemetry.reading import LimitState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from telemetry.reading import Limit

FRESH_SECONDS = 10.0
"""What was seen longer ago is not told at a label."""


class ChildrenAside:
    """The descendants of process ``pid``.

    Invariant: `find` waits for none of them. `look` may, and is for one other thread alone; between the two go tuples that
    nobody changes.
    """

    def __init__(
        self, *, pid: int, root: str = "/", clock: Callable[[], float] = time.time
    ) -> None:
        self._root, self._pid, self._clock = root, pid, clock
        self._buffer = Buffer(BUFFER_BYTES)
        self._processes = ChildProcesses(root=root, pid=pid, buffer=Buffer(BUFFER_BYTES))
        self._wanted: tuple[Sequence[int], Limit] = (), LimitState.UNREADABLE
        self._seen = self._told = ChildrenFound()
        self._spent_at_labels = 0.0

    def look(self) -> None:
        """Look at the children that were found last, if the budget allows it. Raises OSError."""
        children, max_map_count = self._wanted
        # Counting at labels is paid for here: a budget is not for two threads at once.
        spent, self._spent_at_labels = self._spent_at_labels, 0.0
        self._processes.budget.pay(spent)
        if children and self._processes.is_due(children, in_full=False):
            at = self._clock()
            found = self._processes.read(children, max_map_count, in_full=False)
            self._seen = found._replace(at=at)

    def find(
        self, children: Sequence[int], max_map_count: Limit, *, in_full: bool
    ) -> ChildrenFound | None:
        """Return what was seen of them last. Raises OSError.

        At a label, ``in_full``, they are counted now, by files that never wait. Between labels, None if that was told
        before.
        """
        self._wanted = children, max_map_count
        if not children:
            self._seen = self._told = ChildrenFound()
            return self._seen
        seen = self._seen
        is_fresh = seen.at is not None and self._clock() - seen.at <= FRESH_SECONDS
        if in_full:
            return self._counted(children, seen if is_fresh else None)
        if seen is self._told or not is_fresh:
            return None
        self._told = seen
        return seen

    def _counted(self, children: Sequence[int], seen: ChildrenFound | None) -> ChildrenFound:
        began = time.thread_time()
        below = read_descendants(self._pid, children, root=self._root, buffer=self._buffer)
        self._spent_at_labels += time.thread_time() - began
        found = counted(below)
        if seen is None:
            return found
        there = {one.pid for one in below}
        return found._replace(
            nearest=tuple(child for child in seen.nearest if child.pid in there),
            maps=seen.maps,
            open_fds=seen.open_fds,
            pss_bytes=seen.pss_bytes,
            cpu_seconds=seen.cpu_seconds,
            io_bytes=seen.io_bytes,
            is_count=False,
            at=seen.at,
        )
