"""`ChildProcesses`: what each process below another one uses of its own limits.

At most MOST_PROCESSES are looked at. What costs with the size of a process (its maps, its PSS) keeps to a budget of its own,
see `child_maps` and `child_memory`. No descriptor is held: a training at its limit of them must not pay for its children.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from telemetry.interruption import pass_on
from telemetry.kernel.child_maps import MapCount, MapCounter
from telemetry.kernel.child_memory import ProportionalSizes
from telemetry.kernel.child_roles import is_launcher, local_rank, role_of
from telemetry.kernel.process_tree import BUFFER_BYTES
from telemetry.kernel.procfs import parse_io, parse_soft_limits, parse_stat
from telemetry.kernel.read_budget import SavedBudget
from telemetry.kernel.syscalls import Buffer, folder_size, list_folder, read_file
from telemetry.kernel.tasks import read_descendants
from telemetry.reading import CHILDREN_KEPT, OWN_LIMITS, ChildUsage, LimitState, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from telemetry.kernel.procfs import ProcessStatus
    from telemetry.kernel.tasks import Descendant
    from telemetry.reading import Limit

MOST_PROCESSES = 500
SHARE = 0.0008
"""Of wall time, that looking at each descendant may take, without its maps and its PSS."""
CAPACITY_SECONDS = 0.05
FOR_LABELS_SECONDS = 0.025
"""Of CAPACITY_SECONDS, for readings at labels."""
LOOKS_AT_ROLE = 3
"""A process is first seen between its fork and its exec, as a rule with its parent's command line."""
LIMITS_AGAIN_FROM = 0.5
"""From this use on its limits are read at each look: PyTorch's workers raise theirs after they have begun."""


class ChildrenFound(NamedTuple):
    """The children that are nearest to their limits, and sums over all processes of the tree but the top one."""

    nearest: tuple[ChildUsage, ...] = ()
    processes: int = 0
    threads: int = 0
    rss_bytes: int = 0
    maps: int | None = 0
    """None until each was counted; also if one of them cannot be read."""
    open_fds: int | None = 0
    pss_bytes: int | None = None
    """The top one's included, for its shared pages are divided among all; None until each was read."""
    cpu_seconds: float | None = 0.0
    """Those that ended included; None if they were counted only."""
    io_bytes: int | None = 0
    """From storage and to it, of those that may be asked; None if they were counted only."""
    is_count: bool = False
    """Whether they were counted only."""
    at: float | None = None
    """When they were read, in seconds since the epoch, if that was before the reading that they are for."""


def counted(below: Sequence[Descendant]) -> ChildrenFound:
    """Return what the status files of descendants say alone."""
    return ChildrenFound(
        (),
        len(below),
        sum(one.status.threads or 0 for one in below),
        sum(one.status.rss_bytes or 0 for one in below),
        None,
        None,
        cpu_seconds=None,
        io_bytes=None,
        is_count=True,
    )


@dataclass(slots=True)
class _Child:
    """One process as it is known so far; another one that gets its PID is another `_Child`."""

    pid: int
    start_ticks: int
    folder: str
    maps: MapCount
    role: str = ""
    command: bytes = b""
    name: bytes = b""
    looks: int = 0
    limits: dict[str, Limit] = field(default_factory=dict)
    status: ProcessStatus | None = None
    open_fds: int | None = None
    cpu_seconds: float = 0.0
    io_bytes: int = 0

    @property
    def used(self) -> tuple[int | None, ...] | None:
        """What of its limits it uses, as far as each look tells; None before the first."""
        status = self.status
        return (self.open_fds, status.virtual_bytes, status.data_bytes) if status else None

    def usage(self, pss_bytes: int | None, since: float) -> ChildUsage:
        """Return it as a reading has it; without maps that were counted before ``since`` and may be others by now."""
        status, limits = self.status, self.limits
        is_counted = self.maps.is_current or self.maps.at >= since
        return ChildUsage(
            pid=self.pid,
            start_ticks=self.start_ticks,
            role=self.role,
            threads=status.threads if status else None,
            rss_bytes=status.rss_bytes if status else None,
            pss_bytes=pss_bytes,
            virtual_bytes=status.virtual_bytes
            if status and isinstance(limits.get("address_space"), int)
            else None,
            data_bytes=status.data_bytes
            if status and isinstance(limits.get("data_size"), int)
            else None,
            maps=self.maps.count if is_counted else None,
            open_fds=self.open_fds,
            limits=dict(limits),
        )

    @property
    def nearness(self) -> tuple[float, int, int]:
        """Sort the nearest to a limit of its own first, and of those about as near the oldest, which are the same each time."""
        status = self.status
        used = {
            "max_map_count": self.maps.count,
            "open_files": self.open_fds,
            "address_space": status.virtual_bytes if status else None,
            "data_size": status.data_bytes if status else None,
        }
        ratios = [
            Usage(used[name], self.limits.get(name, LimitState.UNREADABLE)).ratio or 0.0
            for name in OWN_LIMITS
        ]
        return -round(max(ratios), 2), self.start_ticks, self.pid


class ChildProcesses:
    """Reads the descendants of process ``pid``; not for two threads at once."""

    def __init__(
        self,
        *,
        root: str,
        pid: int,
        buffer: Buffer,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._root, self._processes = root, f"{root.rstrip('/')}/proc"
        self._pid = pid
        self._buffer, self._clock = buffer, clock
        self._patient = Buffer(BUFFER_BYTES, gives_way=True)
        """For the files that wait for the lock of a process's memory maps."""
        self._known: dict[int, _Child] = {}
        self.budget = SavedBudget(share=SHARE, capacity=CAPACITY_SECONDS, clock=clock)
        self._maps = MapCounter(self._patient, clock=clock)
        self._sizes = ProportionalSizes(clock=clock)
        self._command: bytes | None = None
        """Of the top process: it may be torchrun."""

    def look(self) -> None:
        """Do nothing: `find` looks at them itself."""

    def is_due(self, children: Sequence[int], *, in_full: bool) -> bool:
        """Whether they may be looked at now; ``in_full``, at a label, all that is saved may be used up."""
        return not children or self.budget.left > (0.0 if in_full else FOR_LABELS_SECONDS)

    def count(self, children: Sequence[int]) -> ChildrenFound:
        """Count what descends from these children, with what their status files say alone. Raises OSError."""
        return counted(read_descendants(self._pid, children, root=self._root, buffer=self._buffer))

    def find(
        self, children: Sequence[int], max_map_count: Limit, *, in_full: bool
    ) -> ChildrenFound | None:
        """Read them if the budget allows it. Raises OSError.

        At a label, ``in_full``, they are counted at least: growth is judged by labels. Between labels, else None.
        """
        if self.is_due(children, in_full=in_full):
            return self.read(children, max_map_count, in_full=in_full)
        return self.count(children) if in_full else None

    def read(
        self, children: Sequence[int], max_map_count: Limit, *, in_full: bool = True
    ) -> ChildrenFound:
        """Read what descends from these children of the top process. Raises OSError.

        What has ended meanwhile is left out; of a zombie nothing but its existence is known.
        """
        if not children:
            self._known = {}
            return ChildrenFound()
        since = self._clock()
        with self.budget:
            below = read_descendants(self._pid, children, root=self._root, buffer=self._buffer)
            self._look(below, max_map_count)
        known = [*self._known.values()]
        is_whole = len(known) == sum(bool(one.status.rss_bytes) for one in below)
        limit = max_map_count if isinstance(max_map_count, int) else None
        self._maps.count((one.maps for one in known), limit=limit)
        top = f"{self._processes}/{self._pid}"
        pss_bytes = self._sizes.read([top, *(one.folder for one in known)], in_full=in_full)
        known.sort(key=attrgetter("nearness"))
        return ChildrenFound(
            tuple(one.usage(self._sizes.of(one.folder), since) for one in known[:CHILDREN_KEPT]),
            len(below),
            sum(one.status.threads or 0 for one in below),
            sum(one.status.rss_bytes or 0 for one in below),
            _sum([one.maps.count for one in known]) if is_whole else None,
            _sum([one.open_fds for one in known]) if is_whole else None,
            pss_bytes,
            sum(one.cpu_seconds for one in known),
            sum(one.io_bytes for one in known),
        )

    def _look(self, below: Sequence[Descendant], max_map_count: Limit) -> None:
        """Note what each process is now, parents before their children."""
        before, self._known = self._known, {}
        for one in [one for one in below if one.status.rss_bytes][:MOST_PROCESSES]:
            try:
                self._take(one, before, max_map_count)
            except (OSError, ValueError, IndexError) as error:  # it ended meanwhile
                pass_on(error)

    def _take(
        self, descendant: Descendant, before: dict[int, _Child], max_map_count: Limit
    ) -> None:
        """Note what ``descendant`` is now. Raises OSError, ValueError or IndexError."""
        pid, parent, status = descendant
        folder = f"{self._processes}/{pid}"
        stat = read_file(f"{folder}/stat", self._buffer)
        times = parse_stat(stat)
        start_ticks = times.start_ticks
        one = before.get(pid)
        if one is None or one.start_ticks != start_ticks:
            one = _Child(pid, start_ticks, folder, MapCount(f"{folder}/maps"))
        name = stat[stat.index(b"(") + 1 : stat.rindex(b")")]
        if one.looks < LOOKS_AT_ROLE or name != one.name:
            one.looks += 1
            one.name, one.command = name, read_file(f"{folder}/cmdline", self._patient)
            one.role = self._role(one, parent)
        used_before = one.used
        one.status, one.open_fds = status, self._descriptors(folder)
        one.cpu_seconds = times.cpu_seconds + times.reaped_cpu_seconds
        one.io_bytes = self._io_bytes(folder)
        one.maps.sizes = status.virtual_bytes, status.data_bytes
        # A process may lower its limits at any time; what it holds then changes before it meets them.
        if one.used != used_before or -one.nearness[0] >= LIMITS_AGAIN_FROM:
            one.limits = self._limits(folder, max_map_count)
        self._known[pid] = one

    def _role(self, one: _Child, parent: int) -> str:
        if parent == self._pid:
            if self._command is None:
                self._command = read_file(f"{self._processes}/{parent}/cmdline", self._patient)
            of_parent = self._command
        else:
            known = self._known.get(parent)
            of_parent = known.command if known else b""
        if is_launcher(of_parent) and one.command != of_parent:
            rank = self._local_rank(one.folder)
            if rank is not None:
                return f"torchrun rank {rank}"
        return role_of(one.command, name=one.name, of_parent=of_parent)

    def _local_rank(self, folder: str) -> int | None:
        try:
            return local_rank(read_file(f"{folder}/environ", self._patient))
        except OSError as error:  # of another user
            pass_on(error)
            return None

    def _descriptors(self, folder: str) -> int | None:
        """Count them, by the folder's size (since Linux 6.2) or its entries; None where it may not be read."""
        try:
            size = folder_size(f"{folder}/fd", self._buffer) if self._processes == "/proc" else 0
            return size or len(list_folder(f"{folder}/fd", self._buffer))
        except OSError as error:
            pass_on(error)
            return None

    def _io_bytes(self, folder: str) -> int:
        try:
            return parse_io(read_file(f"{folder}/io", self._buffer))
        except (OSError, ValueError) as error:  # of another user, or of a kernel without it
            pass_on(error)
            return 0

    def _limits(self, folder: str, max_map_count: Limit) -> dict[str, Limit]:
        soft = parse_soft_limits(read_file(f"{folder}/limits", self._buffer))
        soft["max_map_count"] = max_map_count
        return {name: soft[name] for name in OWN_LIMITS}


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
