"""Every ceiling that can refuse a thread, a process, a mapping, memory or a descriptor.

Owns the list of ceilings, their scope, and which of them binds. It must not know how they are shown.
Rules: kernel/fork.c copy_process (RLIMIT_NPROC, threads-max), kernel/cgroup/pids.c,
mm/mmap.c (vm.max_map_count), man 2 getrlimit.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from telemetry.cgroup import Controller, ControllerUsage
from telemetry.errors import InputError
from telemetry.procfs import ProcessFiles, parse_status, tasks_of_user
from telemetry.reader import Reader
from telemetry.reading import Limit, LimitState, Reading, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

CAP_SYS_ADMIN = 21
CAP_SYS_RESOURCE = 24
"""Bits of CapEff; either one lifts RLIMIT_NPROC (kernel/fork.c). include/uapi/linux/capability.h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """One limit, what is used of it, whom it binds and where it was read."""

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


def binding(ceilings: Sequence[Ceiling]) -> Ceiling | None:
    """Return the ceiling with the least relative headroom; None where none has both numbers."""
    known = [c for c in ceilings if c.usage.ratio is not None and not c.is_exempt]
    return max(known, key=lambda ceiling: ceiling.usage.ratio or 0.0, default=None)


def read_ceilings(*, root: str = "/", pid: int | None = None) -> tuple[Ceiling, ...]:
    """Read every ceiling of process ``pid``, this one by default.

    Raises InputError where there is no such process. Counts the tasks of the user for RLIMIT_NPROC
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
        _cgroup("pids_cgroup", "pids", reading, root=root),
        _nproc(number, root=root),
        _host("threads_max", "/proc/sys/kernel/threads-max", reading),
        _host("pid_max", "/proc/sys/kernel/pid_max", reading),
        Ceiling(
            name="max_map_count",
            usage=reading.usage("max_map_count"),
            scope="this process",
            source="/proc/sys/vm/max_map_count",
        ),
        _cgroup("cgroup_memory", "memory", reading, root=root),
        _resource_limit("address_space", reading),
        _resource_limit("open_files", reading),
    )


def _cgroup(name: str, controller: str, reading: Reading, *, root: str) -> Ceiling:
    reader = Controller(controller, root=root, pid=reading.pid)
    try:
        found = reader.read()
    except OSError as error:
        unreadable = Usage(None, LimitState.UNREADABLE)
        return Ceiling(
            name=name,
            usage=unreadable,
            scope="cgroup",
            source=error.filename or "",
            note=str(error),
        )
    finally:
        reader.close()
    return Ceiling(
        name=name,
        usage=found.usage,
        scope="cgroup",
        source=found.folder or f"/proc/{reading.pid}/cgroup",
        note=_cgroup_note(found, controller),
    )


def _cgroup_note(found: ControllerUsage, controller: str) -> str:
    if found.usage.limit is LimitState.INVISIBLE:
        return f"the {controller} controller cannot be seen from here"
    if found.folder is None:
        return f"in the root cgroup of the {controller} controller, which has no limit"
    if found.has_hidden_ancestors:
        return "cgroups above this one cannot be seen from here and may have tighter limits"
    return ""


def _nproc(pid: int, *, root: str) -> Ceiling:
    path = f"/proc/{pid}/limits"
    files = ProcessFiles(root=root, pid=pid)
    limit: Limit
    try:
        limit = files.soft_limit("Max processes")
        with open(os.path.join(root, "proc", str(pid), "status"), "rb") as file:
            status = parse_status(file.read())
        uid = status.real_uid
        current = None if uid is None else tasks_of_user(uid, root=root)
        capabilities = status.effective_capabilities or 0
    except (OSError, ValueError) as error:
        limit, current, uid, capabilities = LimitState.UNREADABLE, None, None, 0
        note = str(error)
    else:
        note = ""
    finally:
        files.close()
    is_exempt = uid == 0 or bool(capabilities & (1 << CAP_SYS_ADMIN | 1 << CAP_SYS_RESOURCE))
    return Ceiling(
        name="nproc",
        usage=Usage(current, limit),
        scope="user" if uid is None else f"user {uid}",
        source=path,
        note="does not bind root" if is_exempt else note,
        is_exempt=is_exempt,
    )


def _host(name: str, path: str, reading: Reading) -> Ceiling:
    return Ceiling(name=name, usage=reading.usage(name), scope="host", source=path)


def _resource_limit(name: str, reading: Reading) -> Ceiling:
    return Ceiling(
        name=name,
        usage=reading.usage(name),
        scope="this process",
        source=f"/proc/{reading.pid}/limits",
    )
