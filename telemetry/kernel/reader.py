"""`Reader`: one process, all its sources, one `Reading` at a time.

A source that fails costs its own fields only. A source whose cost grows with the process is read no
oftener than its budget allows.
"""

from __future__ import annotations

import errno
import os
import resource
import time
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from telemetry.interruption import pass_on
from telemetry.kernel.cgroup_controller import Controller, ControllerUsage, membership_file
from telemetry.kernel.child_processes import ChildProcesses, ChildrenFound
from telemetry.kernel.children_aside import ChildrenAside
from telemetry.kernel.memory_maps import read_maps_by_kind
from telemetry.kernel.memory_stat import MemoryStat
from telemetry.kernel.nvml import Gpus, load_nvml
from telemetry.kernel.pressure import PressureFiles
from telemetry.kernel.process_tree import BUFFER_BYTES
from telemetry.kernel.procfs import RLIMITS, HostMemory, ProcessFiles, ProcessStatus, ProcessTimes
from telemetry.kernel.read_budget import ReadBudget
from telemetry.kernel.syscalls import Buffer
from telemetry.kernel.tasks import Tasks, read_tasks, tasks_of_user
from telemetry.reading import PACED, GpuUsage, Limit, LimitState, Reading, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")

CAP_SYS_ADMIN = 21
CAP_SYS_RESOURCE = 24
"""Bits of CapEff; either one lifts RLIMIT_NPROC (kernel/fork.c). include/uapi/linux/capability.h."""

_NOTHING = ControllerUsage(
    Usage(None, LimitState.UNREADABLE), None, None, None, None, has_hidden_ancestors=False
)
_HELD = ("meminfo",)
"""Sources of the whole host, whose last value stands for the next ones: see `_Sources.held`."""
_NO_STATUS = ProcessStatus(*[None] * len(fields(ProcessStatus)))


class _Found(NamedTuple):
    """The sources that fill several fields of a reading."""

    status: ProcessStatus
    times: ProcessTimes | None
    pids: ControllerUsage
    memory: ControllerUsage
    tasks: Tasks | None
    tree: ChildrenFound | None
    gpus: tuple[GpuUsage, ...] | None
    host_memory: HostMemory | None


class Reader:
    """Reads the numbers of process ``pid`` from the tree under ``root``; not for two threads at once.

    Invariant: `read` never raises for a source that fails; the reading's ``errors`` name it.
    """

    def __init__(
        self,
        *,
        root: str = "/",
        pid: int | None = None,
        clock: Callable[[], float] = time.time,
        children: ChildrenAside | None = None,
    ) -> None:
        """Take what to read; ``children`` if another thread looks at them, so that `read` waits for none of them."""
        self.pid = os.getpid() if pid is None else pid
        self._root = root
        self._clock = clock
        self._files = ProcessFiles(root=root, pid=self.pid)
        membership = membership_file(root, self.pid)
        self._pids = Controller("pids", root=root, pid=self.pid, membership=membership)
        self._memory = Controller("memory", root=root, pid=self.pid, membership=membership)
        self._memory_stat = MemoryStat(root=root, pid=self.pid)
        self._pressure = PressureFiles(root=root, pid=self.pid)
        nvml = load_nvml() if root == "/" else None
        self._gpus = None if nvml is None else Gpus(nvml, pid=self.pid)
        self._is_own = root == "/" and self.pid == os.getpid()
        self._sources = _Sources()
        self._buffer = Buffer(BUFFER_BYTES)
        self.children = children or ChildProcesses(root=root, pid=self.pid, buffer=self._buffer)

    def hold(self) -> None:
        """Open what will be read, while descriptors and memory are still to be had."""
        self._files.hold()
        self.read(in_full=False)

    def final_counters(self) -> dict[str, int | str | bool]:
        """Return the counters of its cgroups once the process is gone; unknown ones are left out.

        Each counter stands beside what it was when the process was first seen in that cgroup.
        """
        facts: dict[str, int | str | bool | None] = {}
        pids, memory = self._pids.final_counters(), self._memory.final_counters()
        if pids is not None:
            facts |= {
                "cgroup": pids.own_folder,
                "pids_limit_hits_before": pids.before,
                "pids_limit_hits": pids.after,
                "sees_every_pids_level": pids.sees_every_level,
            }
        if memory is not None:
            facts |= {
                "oom_kills_before": memory.before,
                "oom_kills": memory.after,
                "cgroup_memory_peak_bytes": memory.peak,
                "sees_every_memory_level": memory.sees_every_level,
            }
        return {name: fact for name, fact in facts.items() if fact is not None}

    @property
    def is_lost(self) -> bool:
        """Whether another part of the program has closed its descriptors: then a new reader is to be made."""
        return self._files.is_lost

    def close(self) -> None:
        """Give every descriptor back."""
        for files in (self._files, self._pids, self._memory, self._memory_stat, self._pressure):
            files.close()

    def read(self, *, in_full: bool = True, with_map_kinds: bool = False) -> Reading:
        """Read the sources now.

        Sources that cost with the size of the process (maps, threads by name, descendants, GPUs) are
        read ``in_full`` at a label; between labels only when due by their budget, else None without an
        error. Counting the user's tasks looks at the whole host: it keeps to its budget at labels too.
        So does the memory of the host, which is that of some milliseconds ago until it is due again.
        """
        self._sources.errors = {}
        found = self._read_shared(in_full=in_full)
        return self._reading(found, in_full=in_full, with_map_kinds=with_map_kinds)

    def _read_shared(self, *, in_full: bool) -> _Found:
        sources, files = self._sources, self._files
        read = partial(read_tasks, self.pid, root=self._root, buffer=self._buffer)
        tasks = sources.paced("tasks", read, in_full=in_full)
        return _Found(
            status=sources.attempt("status", files.status) or _NO_STATUS,
            times=sources.attempt("stat", files.times),
            pids=sources.attempt("pids_cgroup", self._pids.read) or _NOTHING,
            memory=sources.attempt("memory_cgroup", self._memory.read) or _NOTHING,
            tasks=tasks,
            tree=self._tree(tasks, in_full=in_full),
            gpus=None
            if self._gpus is None
            else sources.paced("gpu", self._gpus.read, in_full=in_full),
            host_memory=sources.held("meminfo", files.host_memory),
        )

    def _reading(self, found: _Found, *, in_full: bool, with_map_kinds: bool) -> Reading:
        """Read the sources of one field each, and put all into the fields of a reading."""
        sources, files = self._sources, self._files
        status, times, pids, memory, tasks, tree, gpus, host_memory = found
        maps = sources.paced("maps", files.maps, in_full=in_full)
        open_fds = sources.attempt("fd", files.open_fds)
        kinds = partial(read_maps_by_kind, self.pid, root=self._root)
        fullest = max(gpus or (), key=_gpu_ratio, default=None)
        is_exempt = self._is_exempt_from_nproc(status)
        return Reading(
            time=self._clock(),
            pid=self.pid,
            start_ticks=None if times is None else times.start_ticks,
            threads=status.threads,
            rss_bytes=status.rss_bytes,
            rss_anon_bytes=status.rss_anon_bytes,
            rss_file_bytes=status.rss_file_bytes,
            rss_shmem_bytes=status.rss_shmem_bytes,
            virtual_bytes=status.virtual_bytes,
            data_bytes=status.data_bytes,
            maps=maps,
            open_fds=open_fds,
            cgroup_pids=pids.usage.current,
            cgroup_memory_bytes=memory.usage.current,
            cgroup=pids.own_folder,
            cgroup_pids_peak=pids.peak,
            cgroup_memory_peak_bytes=memory.peak,
            cgroup_memory_reclaimable_bytes=self._reclaimable(memory.folder, in_full=in_full),
            user_tasks=self._user_tasks(status.real_uid, is_exempt=is_exempt),
            uid=status.real_uid,
            is_exempt_from_nproc=is_exempt,
            **_tree_fields(tree, status, maps, open_fds),
            **_work(found, files, sources),
            cpu_seconds=None if times is None else times.cpu_seconds,
            context_switches=_own_context_switches() if self._is_own else None,
            host_tasks=sources.attempt("loadavg", files.host_tasks),
            host_memory_used_bytes=None if host_memory is None else host_memory.used_bytes,
            gpu_memory_used_bytes=None if fullest is None else fullest.used_bytes,
            pids_limit_hits=pids.events,
            oom_kills=memory.events,
            pools=None if tasks is None else tasks.pools,
            map_kinds=sources.attempt("map_kinds", kinds) if with_map_kinds else None,
            pressure_seconds=sources.attempt("pressure", self._pressure.read),
            pressure_scope=self._pressure.scope,
            gpus=gpus,
            limits=self._limits(pids.usage.limit, memory.usage.limit, host_memory, fullest),
            errors=sources.errors,
        )

    def _limits(
        self, pids: Limit, memory: Limit, host_memory: HostMemory | None, gpu: GpuUsage | None
    ) -> dict[str, Limit]:
        files, limit = self._files, self._sources.limit
        host: Limit = LimitState.UNREADABLE if host_memory is None else host_memory.total_bytes
        limits: dict[str, Limit] = {
            "pids_cgroup": pids,
            "cgroup_memory": memory,
            "max_map_count": limit("max_map_count", files.max_map_count),
            "threads_max": limit("threads_max", files.threads_max),
            "pid_max": limit("pid_max", files.pid_max),
            "host_memory": host,
        }
        soft = self._sources.attempt("limits", files.soft_limits) or {}  # empty as it ends
        limits |= {name: soft.get(name, LimitState.UNREADABLE) for name in RLIMITS}
        if gpu is not None:
            total = gpu.total_bytes
            limits["gpu_memory"] = LimitState.UNREADABLE if total is None else total
        return limits

    def _is_exempt_from_nproc(self, status: ProcessStatus) -> bool | None:
        """kernel/fork.c, copy_process: INIT_USER, CAP_SYS_RESOURCE and CAP_SYS_ADMIN are let through.

        Both count in the initial user namespace only: root of a rootless container is bound.
        """
        if status.real_uid is None or status.effective_capabilities is None:
            return None
        is_initial = self._sources.attempt("uid_map", self._files.is_in_initial_user_namespace)
        has_capability = status.effective_capabilities & (
            1 << CAP_SYS_ADMIN | 1 << CAP_SYS_RESOURCE
        )
        is_strong = status.real_uid == 0 or bool(has_capability)
        return None if is_initial is None else is_initial and is_strong

    def _user_tasks(self, uid: int | None, *, is_exempt: bool | None) -> int | None:
        """Look at every process of the host only if RLIMIT_NPROC binds."""
        if uid is None or is_exempt:
            return None
        return self._sources.paced(
            "user_tasks", lambda: tasks_of_user(uid, root=self._root), in_full=False
        )

    def _tree(self, tasks: Tasks | None, *, in_full: bool) -> ChildrenFound | None:
        if tasks is None:
            return None
        limit = self._sources.limit("max_map_count", self._files.max_map_count)
        find = partial(self.children.find, tasks.children, limit, in_full=in_full)
        return self._sources.attempt("children", find)

    def _reclaimable(self, folder: str | None, *, in_full: bool) -> int | None:
        return self._sources.paced(
            "memory_stat", lambda: self._memory_stat.reclaimable_bytes(folder), in_full=in_full
        )


def reader_beside_training() -> Reader:
    """Return a reader of this process that waits for none of its children."""
    return Reader(children=ChildrenAside(pid=os.getpid()))


class _Sources:
    """Reads sources by name: keeps to their budgets, and notes in ``errors`` why one gave nothing."""

    def __init__(self) -> None:
        self.errors: dict[str, str] = {}
        self._budgets = {name: ReadBudget() for name in (*PACED.values(), *_HELD)}
        self._held: dict[str, Any] = {}

    def attempt(self, source: str, read: Callable[[], Value]) -> Value | None:
        """Return the result of ``read``; None, and a note, if it fails."""
        try:
            return read()
        except OSError as error:
            pass_on(error)
            self.errors[source] = errno.errorcode.get(error.errno or 0, str(error))
        except (ValueError, IndexError) as error:
            pass_on(error)
            self.errors[source] = f"not understood: {error}"
        except MemoryError as error:  # a process at its map limit cannot even take a small buffer
            pass_on(error)
            self.errors[source] = "ENOMEM"
        return None

    def paced(self, source: str, read: Callable[[], Value], *, in_full: bool) -> Value | None:
        """Attempt it if it is due, or at once if ``in_full``; else return None without a note."""
        budget = self._budgets[source]
        if not in_full and not budget.is_due():
            return None
        with budget:
            return self.attempt(source, read)

    def held(self, source: str, read: Callable[[], Value]) -> Value | None:
        """Attempt it if it is due; else return what the last attempt gave."""
        if self._budgets[source].is_due():
            self._held[source] = self.paced(source, read, in_full=True)
        value: Value | None = self._held[source]
        return value

    def limit(self, source: str, read: Callable[[], Limit]) -> Limit:
        """Attempt to read a limit."""
        limit = self.attempt(source, read)
        return LimitState.UNREADABLE if limit is None else limit


def _gpu_ratio(gpu: GpuUsage) -> float:
    return (gpu.used_bytes or 0) / (gpu.total_bytes or 1)


def _tree_fields(
    tree: ChildrenFound | None, own: ProcessStatus, maps: int | None, open_fds: int | None
) -> dict[str, Any]:
    """Return what is known of a process and its descendants together, and of its children one by one."""
    if tree is None:
        return {}
    return {
        "descendants": tree.processes,
        "tree_threads": _sum(own.threads, tree.threads),
        "tree_rss_bytes": _sum(own.rss_bytes, tree.rss_bytes),
        "tree_pss_bytes": tree.pss_bytes,
        "tree_maps": _sum(maps, tree.maps),
        "tree_open_fds": _sum(open_fds, tree.open_fds),
        "children": None if tree.is_count else tree.nearest,
        "children_time": tree.at,
    }


def _work(found: _Found, files: ProcessFiles, sources: _Sources) -> dict[str, Any]:
    """Return what tells whether a process and its descendants move."""
    fields: dict[str, Any] = {
        "state": found.status.state,
        "main_thread_waits": found.status.waits,
        "output_time": files.output_time(),
    }
    tree, times = found.tree, found.times
    if tree is not None:
        fields["tree_io_bytes"] = _sum(sources.attempt("io", files.io_bytes), tree.io_bytes)
    if tree is not None and times is not None and tree.cpu_seconds is not None:
        cpu = times.cpu_seconds + times.reaped_cpu_seconds + tree.cpu_seconds
        fields["tree_cpu_seconds"] = round(cpu, 2)
    return fields


def _sum(own: int | None, others: int | None) -> int | None:
    return None if own is None or others is None else own + others


def _own_context_switches() -> int:
    """Of all threads, by getrusage; /proc/PID/status has the main thread's alone."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_nvcsw + usage.ru_nivcsw
