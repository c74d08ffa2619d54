"""`Reading`: the numbers of one process at one moment, and which sources failed.

Everything downstream is made from readings.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from telemetry.limits import USED_BY

if TYPE_CHECKING:
    from collections.abc import Mapping


class LimitState(enum.Enum):
    """Why a limit is not a number; the three are different and 0 is none of them."""

    UNLIMITED = "unlimited"
    """There is no limit (``max``, ``unlimited``, or a root cgroup)."""
    INVISIBLE = "invisible"
    """There may be one, but it cannot be seen from here (no such mount or file in this namespace)."""
    UNREADABLE = "unreadable"
    """It is there and reading it failed (EACCES, EPERM, EIO, or text that is not a number)."""


Limit: TypeAlias = int | LimitState


@dataclass(frozen=True, slots=True)
class Usage:
    """The use of one limit; both numbers come from the same place at the same time."""

    current: int | None
    limit: Limit

    @property
    def headroom(self) -> int | None:
        """Limit minus current; negative if a limit was lowered under the usage."""
        if self.current is None or not isinstance(self.limit, int):
            return None
        return self.limit - self.current

    @property
    def ratio(self) -> float | None:
        """Current over limit, 1.0 when full; infinite over a limit of 0, and None for 0 of 0, which says nothing."""
        if (
            self.current is None
            or not isinstance(self.limit, int)
            or not (self.current or self.limit)
        ):
            return None
        return self.current / self.limit if self.limit else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUsage:
    """One GPU, or one MIG instance of one; a field is None if the driver does not report it."""

    gpu: str
    """Index, or ``index/instance`` for a MIG instance."""
    used_bytes: int | None = None
    total_bytes: int | None = None
    utilization_ratio: float | None = None
    """0 to 1, over the driver's last sample period."""
    process_used_bytes: int | None = None
    """The share of this very process."""
    ecc_errors: int | None = None
    """Errors of its memory that could not be corrected, since the driver was loaded."""
    throttled_by: tuple[str, ...] | None = None
    """Why its clocks are held down now: names of `telemetry.kernel.nvml.THROTTLE_REASONS`; empty where they are not."""


OWN_LIMITS = ("max_map_count", "open_files", "address_space", "data_size")
"""The limits that each process of a tree has for itself; of what the others count all share."""
CHILDREN_KEPT = 10
"""Of a reading: those nearest to a limit of their own."""


LONGEST_ROLE = 60
"""Characters."""


def short_role(text: str) -> str:
    """Return a role that fits a line and a label, of a text that another program has chosen."""
    words = text[:LONGEST_ROLE]
    return words if words.isprintable() else "".join(c if c.isprintable() else "?" for c in words)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildUsage:
    """One process below the one that is read, and what it uses of its own limits.

    A field that was not read, or not for long, is None. Of ``virtual_bytes`` and ``data_bytes``, so is one without a limit.
    """

    pid: int
    start_ticks: int | None = None
    """Its start in clock ticks since boot: with the PID it names the process for good."""
    role: str
    """What it is there for, as ``DataLoader worker``; else its program or script."""
    threads: int | None = None
    rss_bytes: int | None = None
    pss_bytes: int | None = None
    """Resident memory, of which a shared page counts in equal parts among the processes that map it."""
    virtual_bytes: int | None = None
    data_bytes: int | None = None
    maps: int | None = None
    open_fds: int | None = None
    limits: Mapping[str, Limit] = field(default_factory=dict)
    """By name, of OWN_LIMITS."""

    @property
    def identity(self) -> tuple[int, int | None]:
        """Its PID and its start."""
        return self.pid, self.start_ticks

    @property
    def name(self) -> str:
        """Its role and its PID, as metrics, alerts and reports have it."""
        return f"{self.role} pid {self.pid}"

    @property
    def binding(self) -> str | None:
        """The limit of its own that it is nearest to; None if none is known."""
        ratios = {
            name: ratio for name in OWN_LIMITS if (ratio := self.usage(name).ratio) is not None
        }
        return max(ratios, key=lambda name: ratios[name], default=None)

    def usage(self, name: str) -> Usage:
        """Return the use of limit ``name`` of OWN_LIMITS."""
        current: int | None = getattr(self, USED_BY[name])
        return Usage(current, self.limits.get(name, LimitState.UNREADABLE))


PRESSURES = tuple(
    f"{resource}_{share}" for resource in ("cpu", "memory", "io") for share in ("some", "full")
)
"""Names of ``pressure_seconds``."""
PEAKS = ("threads", "cgroup_pids", "maps", "rss_bytes", "open_fds", "cgroup_memory_bytes")
"""Fields of `Reading` whose peak between labels is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The state of one process and its surroundings at one moment.

    A field that could not be read is None, and ``errors`` says for its source why not; 0 is always
    a measured 0. A process is (``pid``, ``start_ticks``): a PID alone is reused by the kernel.
    """

    time: float
    """Seconds since the epoch."""
    pid: int
    start_ticks: int | None = None
    """Start of the process in clock ticks since boot (field 22 of /proc/PID/stat)."""
    label: str | None = None
    """The checkpoint's label as the training gave it; None for a sample between checkpoints."""
    fold: int | None = None
    folds: int | None = None
    stage: str | None = None
    """The label without its ``Fold K/N`` part; None for a sample between checkpoints."""
    threads: int | None = None
    rss_bytes: int | None = None
    rss_anon_bytes: int | None = None
    """Of ``rss_bytes``: what malloc, mmap without a file, and stacks hold."""
    rss_file_bytes: int | None = None
    """Of ``rss_bytes``: pages of files, which the kernel can take back."""
    rss_shmem_bytes: int | None = None
    """Of ``rss_bytes``: shared memory, tmpfs and /dev/shm included."""
    virtual_bytes: int | None = None
    data_bytes: int | None = None
    """VmData: private writable mappings, stacks of threads included, touched or not."""
    maps: int | None = None
    """Entries of /proc/PID/maps that count against vm.max_map_count (``[vsyscall]`` does not)."""
    open_fds: int | None = None
    cgroup: str | None = None
    """The process's own pids cgroup; its counters do not cover a time in another one."""
    cgroup_pids: int | None = None
    """pids.current of the pids cgroup that binds; threads count as PIDs there."""
    cgroup_memory_bytes: int | None = None
    cgroup_pids_peak: int | None = None
    """pids.peak of that cgroup: the highest ``cgroup_pids`` since the cgroup was made."""
    cgroup_memory_peak_bytes: int | None = None
    """memory.peak (v2) or memory.max_usage_in_bytes (v1) of the memory cgroup that binds."""
    cgroup_memory_reclaimable_bytes: int | None = None
    """The part of ``cgroup_memory_bytes`` that the kernel takes back before it kills: see memory_stat."""
    user_tasks: int | None = None
    """Tasks of the process's real user that can be seen: what RLIMIT_NPROC counts, or fewer.

    Not counted if RLIMIT_NPROC does not bind.
    """
    uid: int | None = None
    is_exempt_from_nproc: bool | None = None
    """Whether RLIMIT_NPROC does not bind: root of the initial user namespace, or a capability."""
    descendants: int | None = None
    """Processes below this one."""
    tree_threads: int | None = None
    tree_rss_bytes: int | None = None
    """Of this process and its descendants together; shared pages count in each."""
    tree_pss_bytes: int | None = None
    """Resident memory of this process and its descendants together; a shared page counts once."""
    tree_maps: int | None = None
    tree_open_fds: int | None = None
    children: tuple[ChildUsage, ...] | None = None
    """Of the descendants the CHILDREN_KEPT that are nearest to a limit of their own, the nearest first."""
    children_time: float | None = None
    """When ``children`` and what is told of maps, descriptors and PSS of the tree were read, if that was before ``time``."""
    cpu_seconds: float | None = None
    state: str | None = None
    """Of its main thread, as the kernel has it: ``R`` runs, ``S`` sleeps, ``D`` waits in the kernel, ``T`` is stopped."""
    main_thread_waits: int | None = None
    """How often its main thread has given up the CPU to wait."""
    tree_cpu_seconds: float | None = None
    """Of this process and its descendants together, those that ended included."""
    tree_io_bytes: int | None = None
    """That this process and its descendants have had read from storage, or written to it."""
    output_time: float | None = None
    """When its standard output or error was written to last, in seconds since the epoch of that file's clock."""
    context_switches: int | None = None
    """Of all threads, voluntary or not; None for another process than the reader's own."""
    host_tasks: int | None = None
    """Tasks (threads) that exist on the host, from /proc/loadavg."""
    host_memory_used_bytes: int | None = None
    """Memory and swap of the host that are not available, from /proc/meminfo: of all its processes."""
    gpu_memory_used_bytes: int | None = None
    """Of the GPU with the least free memory by share, which is the one its limit is of."""
    pids_limit_hits: int | None = None
    """Forks that the pids controller refused, as far as visible from here: see cgroup_controller.Controller."""
    oom_kills: int | None = None
    """``oom_kill`` of memory.events (v2) or memory.oom_control (v1)."""
    pools: Mapping[str, int] | None = None
    """Threads by pool: names without their number, the 20 largest and ``other``."""
    map_kinds: Mapping[str, int] | None = None
    """Memory maps by kind, if a checkpoint asked for them: see memory_maps.KINDS."""
    pressure_seconds: Mapping[str, float] | None = None
    """Time stalled so far, by ``cpu_some``, ``memory_some``, ``memory_full``, ``io_some``, ..."""
    pressure_scope: str | None = None
    """Whose time that is: of the process's own ``cgroup``, or of the whole ``host``."""
    gpus: tuple[GpuUsage, ...] | None = None
    peaks: Mapping[str, int] = field(default_factory=dict)
    """The highest value since the last label of each field in PEAKS, this reading's included."""
    limits: Mapping[str, Limit] = field(default_factory=dict)
    """By name, for the limits of `USED_BY`."""
    errors: Mapping[str, str] = field(default_factory=dict)
    """Why a source gave nothing, by source; empty when every source was read."""

    @property
    def binding(self) -> str | None:
        """The limit with the least relative headroom of those read; None if none is known.

        The host's memory is not, where the memory cgroup leaves less.
        """
        ratios = {
            name: ratio
            for name in USED_BY
            if (ratio := self.usage(name).ratio) is not None
            and not (name == "nproc" and self.is_exempt_from_nproc)
        }
        if leaves_less(self.usage("cgroup_memory"), self.usage("host_memory")):
            ratios.pop("host_memory", None)
        return max(ratios, key=lambda name: ratios[name], default=None)

    def usage(self, name: str) -> Usage:
        """Return the use of limit ``name``, a key of `USED_BY`."""
        current: int | None = getattr(self, USED_BY[name])
        return Usage(current, self.limits.get(name, LimitState.UNREADABLE))

    def fullest_child(self, name: str) -> ChildUsage | None:
        """Return the child that is nearest to its own limit ``name``, if that is nearer than this process is to its."""
        if name not in OWN_LIMITS:
            return None
        own = self.usage(name).ratio or 0.0
        ratios = [(child.usage(name).ratio or 0.0, child) for child in self.children or ()]
        ratio, fullest = max(ratios, key=lambda found: found[0], default=(0.0, None))
        return fullest if ratio > own else None

    @property
    def binding_child(self) -> ChildUsage | None:
        """The child that is nearest to a limit of its own, if that is nearer than this process is to any."""
        own = 0.0 if self.binding is None else self.usage(self.binding).ratio or 0.0
        found = [child for name in OWN_LIMITS if (child := self.fullest_child(name)) is not None]
        nearest = max(found, key=_nearness, default=None)
        return nearest if nearest is not None and _nearness(nearest) > own else None


def _nearness(child: ChildUsage) -> float:
    return 0.0 if child.binding is None else child.usage(child.binding).ratio or 0.0


def leaves_less(one: Usage, other: Usage) -> bool:
    """Whether ``one`` is known to leave less than ``other``."""
    left, others = one.headroom, other.headroom
    return left is not None and others is not None and left < others


PACED = {
    "maps": "maps",
    "pools": "tasks",
    "descendants": "children",
    "tree_threads": "children",
    "tree_rss_bytes": "children",
    "tree_pss_bytes": "children",
    "tree_maps": "children",
    "tree_open_fds": "children",
    "tree_cpu_seconds": "children",
    "tree_io_bytes": "children",
    "children": "children",
    "children_time": "children",
    "user_tasks": "user_tasks",
    "gpus": "gpu",
    "gpu_memory_used_bytes": "gpu",
    "cgroup_memory_reclaimable_bytes": "memory_stat",
}
"""Source by field, for the fields that a sample between labels may leave out to save their cost."""


def latest_known(before: Reading | None, reading: Reading) -> Reading:
    """Fill the fields that ``reading`` left out from ``before``, if it is of the same process; failed ones stay None."""
    if before is None or (before.pid, before.start_ticks) != (reading.pid, reading.start_ticks):
        return reading
    known = {
        name: value
        for name, source in PACED.items()
        if getattr(reading, name) is None
        and source not in reading.errors
        and (value := getattr(before, name)) is not None
    }
    if reading.children and before.children:
        known["children"] = _with_known(reading.children, before.children)
    return replace(reading, **known) if known else reading


def _with_known(
    children: tuple[ChildUsage, ...], before: tuple[ChildUsage, ...]
) -> tuple[ChildUsage, ...]:
    """Fill what was not read of each child from what was known of it."""
    if all(child.maps is not None and child.pss_bytes is not None for child in children):
        return children
    earlier = {child.identity: child for child in before}
    return tuple(_with_known_of(child, earlier.get(child.identity)) for child in children)


def _with_known_of(child: ChildUsage, known: ChildUsage | None) -> ChildUsage:
    if known is None:
        return child
    missing = {
        name: value
        for name in ("maps", "pss_bytes")
        if getattr(child, name) is None and (value := getattr(known, name)) is not None
    }
    return replace(child, **missing) if missing else child


STAGES_KEPT = 200
"""How many stages keep their last reading for the metrics: a label per step must not flood them."""


def with_stage(
    checkpoints: Mapping[str, Reading], stage: str, reading: Reading
) -> dict[str, Reading]:
    """Return the last readings by stage, oldest first, with ``reading`` among them.

    Beyond STAGES_KEPT the oldest goes, but for the first: a fold's begin is read from it.
    """
    kept = {name: one for name, one in checkpoints.items() if name != stage} | {stage: reading}
    if len(kept) > STAGES_KEPT:
        del kept[next(islice(kept, 1, None))]
    return kept
