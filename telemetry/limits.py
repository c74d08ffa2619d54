"""The catalogue of limits: every limit that can refuse a thread, a process, a mapping, memory or a descriptor.

A new limit is one entry here and one reader in `telemetry.kernel.reader`. Sources: kernel/fork.c
copy_process (RLIMIT_NPROC, threads-max), kernel/cgroup/pids.c, mm/mmap.c (vm.max_map_count;
may_expand_vm for RLIMIT_AS and RLIMIT_DATA), man 2 getrlimit.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Refusal(enum.Enum):
    """How the kernel enforces a limit."""

    TASK = "clone and fork fail with EAGAIN"
    MAPPING = "mmap fails with ENOMEM"
    KILL = "the OOM killer sends SIGKILL"
    DESCRIPTOR = "open, socket and pipe fail with EMFILE"


_CAP_POOLS = (
    "Cap the thread pools (OMP_NUM_THREADS, TF_NUM_INTEROP_THREADS, TF_NUM_INTRAOP_THREADS) and run"
    " each fold in a process of its own; raising the limit only moves the crash where something leaks."
)
_BOUND_MEMORY = (
    "Run each fold in a process of its own, bound the input pipeline's caches and prefetching, or"
    " give the run more memory."
)


class LimitSpec(NamedTuple):
    """What is known of one limit before any is read."""

    title: str
    """For a sentence: ``the limit on memory maps (vm.max_map_count)``."""
    label: str
    """For a table or a chart: ``Memory maps``."""
    is_bytes: bool = False
    """Whether it is counted in bytes; else in tasks, maps or descriptors."""
    used_by: str | None = None
    """The field of `Reading` that the kernel compares with it; None if no reading has it."""
    grows_with: str | None = None
    """The field of `Reading` by which one process comes nearer to it."""
    resource: str | None = None
    """The judged resource whose growth brings it nearer: a name of `analyzer.resources.RESOURCES`."""
    proc_limits_row: bytes | None = None
    """The start of its line in /proc/PID/limits."""
    refuses: frozenset[Refusal] = frozenset()
    hits: str | None = None
    """The field of `Reading` that counts its refusals, if the kernel keeps such a counter."""
    full_is_proof: bool = False
    """Whether a use at the limit proves it; page cache, for one, fills a memory cgroup as a rule."""
    advice: str = ""
    """What to do when it fills; empty for a limit that never alerts."""


LIMITS: Mapping[str, LimitSpec] = {
    "pids_cgroup": LimitSpec(
        title="the pids cgroup's limit on tasks",
        label="PIDs of the cgroup",
        used_by="cgroup_pids",
        grows_with="cgroup_pids",
        resource="cgroup_pids",
        refuses=frozenset({Refusal.TASK}),
        hits="pids_limit_hits",
        full_is_proof=True,
        advice=_CAP_POOLS,
    ),
    "max_map_count": LimitSpec(
        title="the limit on memory maps (vm.max_map_count)",
        label="Memory maps",
        used_by="maps",
        grows_with="maps",
        resource="maps",
        refuses=frozenset({Refusal.MAPPING}),
        full_is_proof=True,
        advice=(
            "Run each fold in a process of its own: a fold's maps end with it; vm.max_map_count can be"
            " raised with sysctl meanwhile."
        ),
    ),
    "cgroup_memory": LimitSpec(
        title="the memory cgroup's limit",
        label="Memory of the cgroup",
        is_bytes=True,
        used_by="cgroup_memory_bytes",
        # A cgroup's memory holds page cache, which the kernel takes back, so a process's own counts.
        grows_with="rss_bytes",
        resource="rss_bytes",
        refuses=frozenset({Refusal.MAPPING, Refusal.KILL}),
        hits="oom_kills",
        advice=_BOUND_MEMORY,
    ),
    "nproc": LimitSpec(
        title="the user's limit on tasks (RLIMIT_NPROC, ulimit -u)",
        label="Tasks of the user",
        used_by="user_tasks",
        grows_with="user_tasks",
        resource="threads",
        proc_limits_row=b"Max processes ",
        refuses=frozenset({Refusal.TASK}),
        full_is_proof=True,
        advice=_CAP_POOLS,
    ),
    "gpu_memory": LimitSpec(
        title="the GPU's memory",
        label="GPU memory",
        is_bytes=True,
        used_by="gpu_memory_used_bytes",
        grows_with="gpu_memory_used_bytes",
        resource="gpu_memory_used_bytes",
    ),
    "open_files": LimitSpec(
        title="the limit on open files (RLIMIT_NOFILE, ulimit -n)",
        label="Open files",
        used_by="open_fds",
        grows_with="open_fds",
        resource="open_fds",
        proc_limits_row=b"Max open files ",
        refuses=frozenset({Refusal.DESCRIPTOR}),
        full_is_proof=True,
        advice="Close what each epoch opens, or raise the soft limit with ulimit -n.",
    ),
    "address_space": LimitSpec(
        title="the limit on address space (RLIMIT_AS, ulimit -v)",
        label="Address space",
        is_bytes=True,
        used_by="virtual_bytes",
        grows_with="virtual_bytes",
        resource="rss_bytes",
        proc_limits_row=b"Max address space ",
        refuses=frozenset({Refusal.MAPPING}),
        advice=_BOUND_MEMORY,
    ),
    "data_size": LimitSpec(
        title="the limit on private writable memory (RLIMIT_DATA, ulimit -d)",
        label="Private writable memory",
        is_bytes=True,
        used_by="data_bytes",
        grows_with="data_bytes",
        resource="rss_bytes",
        proc_limits_row=b"Max data size ",
        refuses=frozenset({Refusal.MAPPING}),
        advice=_BOUND_MEMORY,
    ),
    "threads_max": LimitSpec(
        title="the host's limit on threads (kernel.threads-max)",
        label="Tasks of the host",
        used_by="host_tasks",
        resource="threads",
        refuses=frozenset({Refusal.TASK}),
        advice=_CAP_POOLS,
    ),
    "pid_max": LimitSpec(
        title="the host's range of PIDs (kernel.pid_max)",
        label="PID numbers of the host",
        used_by="host_tasks",
        resource="threads",
        refuses=frozenset({Refusal.TASK}),
        advice=_CAP_POOLS,
    ),
    "host_memory": LimitSpec(
        title="the host's memory and swap",
        label="Memory of the host",
        is_bytes=True,
        used_by="host_memory_used_bytes",
        grows_with="rss_bytes",
        resource="rss_bytes",
        refuses=frozenset({Refusal.MAPPING, Refusal.KILL}),
        hits="oom_kills",  # counted in the victim's cgroup, whatever memory ran out
        advice=(
            "All processes of the host share it, so look first who holds it (ps aux --sort=-rss); if it"
            " is this run, use a smaller batch and bound the input pipeline's caches and prefetching."
        ),
    ),
    "shared_memory": LimitSpec(title="the size of /dev/shm", label="Shared memory", is_bytes=True),
    "locked_memory": LimitSpec(
        title="the limit on locked memory (RLIMIT_MEMLOCK, ulimit -l)",
        label="Locked memory",
        is_bytes=True,
    ),
}
"""By name, which is the metrics' label ``ceiling`` and a key of every JSON."""

USED_BY: Mapping[str, str] = {
    name: spec.used_by for name, spec in LIMITS.items() if spec.used_by is not None
}
"""For each limit that a reading can carry, the field of `Reading` that counts against it."""
GROWS_WITH: Mapping[str, str] = {
    name: spec.grows_with for name, spec in LIMITS.items() if spec.grows_with is not None
}
"""For each limit that one process brings nearer, the field of `Reading` that does."""


def refusing(refusal: Refusal) -> tuple[str, ...]:
    """Return the limits that the kernel enforces that way."""
    return tuple(name for name, spec in LIMITS.items() if refusal in spec.refuses)
