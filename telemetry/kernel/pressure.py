"""How long tasks waited for CPU, memory and I/O: pressure stall information.

Format of /proc/pressure/* and of a cgroup's *.pressure files: Documentation/accounting/psi.rst.
"""

from __future__ import annotations

import os

from telemetry.kernel.cgroup_mounts import locate
from telemetry.kernel.kernel_file import KernelFile

RESOURCES = ("cpu", "memory", "io")


# some avg10=7.60 avg60=6.77 avg300=2.31 total=10868271       (total in microseconds)
# full avg10=0.00 avg60=0.00 avg300=0.00 total=0
def parse_pressure(text: bytes) -> dict[str, float]:
    """Return the seconds stalled so far, by ``some`` and ``full``. Raises ValueError."""
    seconds = {}
    for line in text.splitlines():
        share, separator, microseconds = line.partition(b"total=")
        if not separator:
            raise ValueError(f"no total in {line!r}")
        seconds[share[:4].decode("ascii")] = int(microseconds) / 1e6
    return seconds


class PressureFiles:
    """The pressure files of a process's own v2 cgroup, or of the host if it has none.

    ``scope`` says which once they were read: ``cgroup`` or ``host``.
    """

    def __init__(self, *, root: str = "/", pid: int) -> None:
        self._root = root
        self._process = os.path.join(root, "proc", str(pid))
        self._files: dict[str, KernelFile] | None = None
        self.scope: str | None = None

    def read(self) -> dict[str, float]:
        """Return seconds by name (``memory_full``). Raises OSError: PSI may be off or not built in."""
        if self._files is None:
            self._files = {name: KernelFile(path) for name, path in self._paths().items()}
        return {
            f"{name}_{share}": seconds
            for name, file in self._files.items()
            for share, seconds in parse_pressure(file.read()).items()
        }

    def close(self) -> None:
        """Give the descriptors back."""
        for file in (self._files or {}).values():
            file.close()

    def _paths(self) -> dict[str, str]:
        texts = []
        for name in ("cgroup", "mountinfo"):
            with open(os.path.join(self._process, name), "rb") as file:
                texts.append(file.read())
        location = locate("pressure", *texts)  # no v1 hierarchy has it
        if location is not None:
            own = os.path.join(self._root, location.folders[0].lstrip("/"))
            # A container's own cgroup is where the hierarchy is mounted; only the host's root has no such file.
            is_root = len(location.folders) == 1 and not os.path.exists(f"{own}/cgroup.events")
            if not is_root and os.path.exists(os.path.join(own, "cpu.pressure")):
                self.scope = "cgroup"
                return {name: os.path.join(own, f"{name}.pressure") for name in RESOURCES}
        self.scope = "host"
        return {name: os.path.join(self._root, "proc/pressure", name) for name in RESOURCES}
