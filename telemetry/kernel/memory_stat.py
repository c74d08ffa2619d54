"""The part of a memory cgroup's usage that the kernel takes back before it kills: page cache.

From memory.stat, v1 and v2. memory.current counts cached files as used
(Documentation/admin-guide/cgroup-v2.rst): a healthy run that reads its data from files sits at its
limit, so fullness alone proves nothing there.
"""

from __future__ import annotations

import os

from telemetry.interruption import pass_on
from telemetry.kernel.cgroup_controller import parse_event
from telemetry.kernel.kernel_file import KernelFile

_KEYS = (
    (
        "total_inactive_file",
        "total_active_file",
    ),  # v1, where the plain ones leave the levels below out
    ("inactive_file", "active_file", "slab_reclaimable"),
)


# inactive_file 4096
# active_file 8192
def parse_reclaimable(text: bytes) -> int | None:
    """Add up the reclaimable bytes; None if no line has them. Raises ValueError.

    tmpfs and shared memory are on the anonymous lists, so they are not among it.
    """
    for keys in _KEYS:
        counts = [count for key in keys if (count := parse_event(text, key)) is not None]
        if counts:
            return sum(counts)
    return None


class MemoryStat:
    """The memory.stat of whichever memory cgroup binds process ``pid``, held open."""

    def __init__(self, *, root: str = "/", pid: int) -> None:
        is_other = root == "/" and pid != os.getpid()  # its mounts, as cgroup.Controller reads them
        self._root = os.path.join("/proc", str(pid), "root") if is_other else root
        self._file: KernelFile | None = None

    def reclaimable_bytes(self, folder: str | None) -> int | None:
        """Read it for the cgroup at ``folder``; None if there is no such file.

        Raises OSError if it cannot be read, ValueError if it is not understood.
        """
        if folder is None:
            return None
        path = os.path.join(self._root, folder.lstrip("/"), "memory.stat")
        if self._file is None or self._file.path != path:
            self.close()
            self._file = KernelFile(path, size=16384)
        try:
            return parse_reclaimable(self._file.read())
        except FileNotFoundError as error:
            pass_on(error)
            return None

    def close(self) -> None:
        """Give the descriptor back."""
        if self._file is not None:
            self._file.close()
        self._file = None
