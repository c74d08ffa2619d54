"""`command_now`: the command that gives a process room for the moment: which file, which number, which process.

It is told to a person and run by nobody. What helps for good is the limit's own advice.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telemetry.reading import ChildUsage, Reading

MOST_PIDS = 4_194_304
"""PID_MAX_LIMIT of a 64-bit kernel."""
_RLIMITS = {"nproc": "nproc", "open_files": "nofile", "address_space": "as", "data_size": "data"}
"""The options of prlimit(1)."""
_SYSCTLS = {
    "max_map_count": "vm.max_map_count",
    "threads_max": "kernel.threads-max",
    "pid_max": "kernel.pid_max",
}
_FILES = {"pids_cgroup": "pids.max", "cgroup_memory": "memory.max"}
_V1_MEMORY = "/sys/fs/cgroup/memory/"


def command_now(
    limit: str, reading: Reading, *, child: ChildUsage | None = None, folder: str = ""
) -> str:
    """Return the command that doubles ``limit``; empty where none does.

    Args:
        limit: A key of `LIMITS`.
        reading: Of the process that is near to it.
        child: The one of its descendants that is nearer.
        folder: The cgroup whose limit it is; empty if that is not known.
    """
    most = (child or reading).usage(limit).limit
    pid = (child or reading).pid
    if not isinstance(most, int):
        return ""
    if limit in _SYSCTLS:
        number = min(2 * most, MOST_PIDS) if limit == "pid_max" else 2 * most
        return f"sysctl -w {_SYSCTLS[limit]}={number}"
    if limit in _RLIMITS:
        return f"prlimit --pid {pid} --{_RLIMITS[limit]}={2 * most}"
    if limit not in _FILES:
        return "ps aux --sort=-rss | head" if limit == "host_memory" else ""
    if not folder.startswith("/"):
        return f"foldwatch limits --who --pid {pid}"
    name = "memory.limit_in_bytes" if folder.startswith(_V1_MEMORY) else _FILES[limit]
    return f"echo {2 * most} > {shlex.quote(f'{folder}/{name}')}"
