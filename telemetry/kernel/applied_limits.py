"""The limits that apply to a process: their use, their scope, the one that binds, and warnings.

Rules: kernel/fork.c copy_process (RLIMIT_NPROC, threads-max), kernel/cgroup/pids.c, mm/mmap.c
(vm.max_map_count; may_expand_vm for RLIMIT_AS and RLIMIT_DATA), man 2 getrlimit.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from telemetry.errors import InputError
from telemetry.interruption import pass_on
from telemetry.kernel.cgroup_controller import Controller, ControllerUsage
from telemetry.kernel.reader import Reader
from telemetry.kernel.tasks import tasks_of_user
from telemetry.reading import LimitState, Reading, Usage, leaves_less

if TYPE_CHECKING:
    from collections.abc import Sequence

PIDS_PER_CORE = 16
"""Fewer than this many PIDs per visible core is too few: vast-ai/base-image#214 saw a host crash at
2.7 and healthy ones at 30 to 122."""

ORCHESTRATOR_DEFAULTS = {
    1024: "CRI-O's old default",
    2048: "podman's default",
    4096: "a common podPidsLimit of Kubernetes",
}
"""Defaults of pids.max, which were not chosen for this job."""

KILLED_AS_ONE = "memory.oom.group is 1: an OOM kill ends every process in it"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedLimit:
    """One limit: its use, its scope and its source."""

    name: str
    usage: Usage
    scope: str
    source: str
    note: str = ""
    is_exempt: bool = False
    """The kernel does not apply it to this process."""

    def as_json(self) -> dict[str, Any]:
        """A JSON object; a limit that is not a number is the name of its state."""
        limit = self.usage.limit
        return {
            "ceiling": self.name,
            "current": self.usage.current,
            "limit": limit.value if isinstance(limit, LimitState) else limit,
            "headroom": self.usage.headroom,
            "scope": self.scope,
            "source": self.source,
            "note": self.note,
            "exempt": self.is_exempt,
        }


def binding(limits: Sequence[AppliedLimit]) -> AppliedLimit | None:
    """Return the limit with the least relative headroom; None if none has both numbers.

    It is not the host's memory where a memory cgroup leaves less.
    """
    of_cgroups = [limit.usage for limit in limits if limit.name == "cgroup_memory"]
    known = [
        limit
        for limit in limits
        if limit.usage.ratio is not None
        and not limit.is_exempt
        and not (
            limit.name == "host_memory"
            and any(leaves_less(usage, limit.usage) for usage in of_cgroups)
        )
    ]
    return max(known, key=lambda limit: limit.usage.ratio or 0.0, default=None)


def warnings(limits: Sequence[AppliedLimit], *, cores: int) -> list[str]:
    """Return a warning for each limit that will bite on a machine with ``cores`` visible cores, though not full yet."""
    found = []
    for applied in limits:
        limit = applied.usage.limit
        if applied.name != "pids_cgroup" or not isinstance(limit, int):
            continue
        if limit < PIDS_PER_CORE * cores:
            found.append(
                f"{applied.source}: {limit:,} PIDs for {cores} visible cores is under"
                f" {PIDS_PER_CORE} per core; thread pools are sized by cores, so cap them"
            )
        if limit in ORCHESTRATOR_DEFAULTS:
            found.append(
                f"{applied.source}: {limit:,} is {ORCHESTRATOR_DEFAULTS[limit]};"
                " somebody else set it, so ask for what the job needs"
            )
    return found


def read_applied_limits(*, root: str = "/", pid: int | None = None) -> tuple[AppliedLimit, ...]:
    """Read every limit of process ``pid``, this one by default; each cgroup level is one.

    Raises InputError if there is no such process. Counts the tasks of the user for RLIMIT_NPROC
    by reading every process, so it is for asking on demand.
    """
    number = os.getpid() if pid is None else pid
    process = os.path.join(root, "proc", str(number))
    if not os.path.isdir(process):
        raise InputError(f"no process {number} in {os.path.join(root, 'proc')}")
    reader = Reader(root=root, pid=number)
    try:
        reading = reader.read()
    finally:
        reader.close()
    return (
        *_cgroup("pids_cgroup", "pids", reading, root=root),
        _nproc(reading, root=root),
        _host("threads_max", "/proc/sys/kernel/threads-max", reading),
        _host("pid_max", "/proc/sys/kernel/pid_max", reading),
        AppliedLimit(
            name="max_map_count",
            usage=reading.usage("max_map_count"),
            scope="this process",
            source="/proc/sys/vm/max_map_count",
            note=_why_unknown(reading, "maps"),
        ),
        *_cgroup("cgroup_memory", "memory", reading, root=root),
        AppliedLimit(
            name="host_memory",
            usage=reading.usage("host_memory"),
            scope="host",
            source="/proc/meminfo",
            note=_why_unknown(reading, "meminfo") or "memory and swap, used by all its processes",
        ),
        _resource_limit("address_space", reading, counted_by="status"),
        _resource_limit("data_size", reading, counted_by="status"),
        _resource_limit("open_files", reading, counted_by="fd"),
        *_gpus(reading),
    )


def _cgroup(name: str, controller: str, reading: Reading, *, root: str) -> list[AppliedLimit]:
    """Give every visible level with a limit, the one that binds first, or the one line why none."""
    reader = Controller(controller, root=root, pid=reading.pid)
    try:
        found, levels = reader.read(), reader.levels()
        killed_as_one = reader.levels_killed_as_one()
    except OSError as error:
        pass_on(error)
        source = error.filename or f"/proc/{reading.pid}/cgroup"
        unreadable = Usage(None, LimitState.UNREADABLE)
        return [
            AppliedLimit(
                name=name, usage=unreadable, scope="cgroup", source=source, note=str(error)
            )
        ]
    finally:
        reader.close()
    notes = dict.fromkeys(killed_as_one, KILLED_AS_ONE)
    binds = AppliedLimit(
        name=name,
        usage=found.usage,
        scope="cgroup",
        source=found.folder or f"/proc/{reading.pid}/cgroup",
        note="; ".join(
            filter(None, (_cgroup_note(found, controller), notes.get(found.folder or "")))
        ),
    )
    others = [
        AppliedLimit(
            name=name, usage=usage, scope="cgroup", source=folder, note=notes.get(folder, "")
        )
        for folder, usage in levels
        if folder != found.folder
        and (usage.limit is not LimitState.UNLIMITED or folder in killed_as_one)
    ]
    return [binds, *others]


def _cgroup_note(found: ControllerUsage, controller: str) -> str:
    if found.usage.limit is LimitState.INVISIBLE:
        return f"the {controller} controller cannot be seen from here"
    if found.folder is None:
        return f"in the root cgroup of the {controller} controller, which has no limit"
    if found.has_hidden_ancestors:
        return "cgroups above the mount cannot be seen from here and may have tighter limits"
    return ""


def _nproc(reading: Reading, *, root: str) -> AppliedLimit:
    exempt = reading.is_exempt_from_nproc is True
    tasks = reading.user_tasks
    if tasks is None and reading.uid is not None:
        tasks = tasks_of_user(reading.uid, root=root)
    scope = "user" if reading.uid is None else f"user {reading.uid}"
    return AppliedLimit(
        name="nproc",
        usage=Usage(tasks, reading.limits["nproc"]),
        scope=scope,
        source=f"/proc/{reading.pid}/limits",
        note="does not bind this process: root, or CAP_SYS_RESOURCE or CAP_SYS_ADMIN"
        if exempt
        else "counts the user's tasks on the whole host; those of other containers are not seen",
        is_exempt=exempt,
    )


def _gpus(reading: Reading) -> list[AppliedLimit]:
    return [
        AppliedLimit(
            name="gpu_memory",
            usage=Usage(
                gpu.used_bytes,
                LimitState.UNREADABLE if gpu.total_bytes is None else gpu.total_bytes,
            ),
            scope=f"GPU {gpu.gpu}",
            source="NVML",
        )
        for gpu in reading.gpus or ()
    ]


def _host(name: str, path: str, reading: Reading) -> AppliedLimit:
    return AppliedLimit(name=name, usage=reading.usage(name), scope="host", source=path)


def _why_unknown(reading: Reading, source: str) -> str:
    why = reading.errors.get(source)
    return f"its use cannot be read: {why}" if why else ""


def _resource_limit(name: str, reading: Reading, *, counted_by: str) -> AppliedLimit:
    return AppliedLimit(
        name=name,
        usage=reading.usage(name),
        scope="this process",
        source=f"/proc/{reading.pid}/limits",
        note=_why_unknown(reading, counted_by),
    )
