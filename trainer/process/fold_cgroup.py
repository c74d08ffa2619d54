"""A real cgroup for each fold, with limits of its own, for cgroup v1 and v2.

The cgroup is made below the agent's own, by a process that may write there. The fold's supervisor joins,
empties and removes it. On v2 a runner prepares its cgroup before it starts agents in it. Sources: Documentation/admin-guide/cgroup-v2.rst ("No Internal Process Constraint",
"Delegation"), Documentation/admin-guide/cgroup-v1/memory.rst.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from telemetry.kernel.cgroup_mounts import locate

if TYPE_CHECKING:
    from trainer.run.cgroup_limits import CgroupLimits

RUNNER = "foldwatch-runner"
"""The leaf that a runner, or an agent without one, moves into if v2 requires it."""
_LIMIT_FILES = {
    ("pids", 1): ("pids.max",),
    ("pids", 2): ("pids.max",),
    ("memory", 1): ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
    ("memory", 2): ("memory.max", "memory.swap.max"),
}
"""The limit itself, and a second file that keeps swap from taking what the limit refuses."""


class FoldCgroups:
    """Makes cgroups for folds below this process's own.

    Invariant: `close` leaves the hierarchy as it was found.
    """

    def __init__(self, limits: CgroupLimits, *, root: str = "/") -> None:
        self._limits = limits
        self._root = root
        self._moved_from: str | None = None

    def prepare(self) -> None:
        """Enable the controllers for what is made below, while no process that this one starts is in the way.

        What hinders it is told when a cgroup is to be made.
        """
        with suppress(OSError):
            for controller in self._limits.by_controller():
                self._parent(controller)

    def make(self, name: str) -> list[str]:
        """Make the cgroup of one process; return the folders to join.

        Raises:
            OSError: A cgroup cannot be made or limited; none is left.
        """
        made: list[str] = []
        try:
            for controller, limit in self._limits.by_controller().items():
                version, parent = self._parent(controller)
                folder = os.path.join(parent, name)
                if folder not in made:
                    os.mkdir(folder)
                    made.append(folder)
                self._limit(folder, controller, version, limit)
        except OSError:
            for folder in made:
                os.rmdir(folder)
            raise
        return made

    def left(self, name: str) -> list[str]:
        """Return the folders of a cgroup that another process has made below this one's own, and left."""
        folders = []
        for controller in self._limits.by_controller():
            with suppress(OSError):
                folders.append(os.path.join(self._parent(controller)[1], name))
        return [folder for folder in dict.fromkeys(folders) if os.path.isdir(folder)]

    def close(self) -> None:
        """Move this process back where it was."""
        if self._moved_from is not None:
            with suppress(OSError):
                for controller in self._limits.by_controller():
                    self._write(self._moved_from, "cgroup.subtree_control", f"-{controller}")
                self._write(self._moved_from, "cgroup.procs", str(os.getpid()))
                os.rmdir(os.path.join(self._moved_from, RUNNER))
            self._moved_from = None

    def _parent(self, controller: str) -> tuple[int, str]:
        """Return version and folder of the cgroup to make a child in, with the controller enabled."""
        process = os.path.join(self._root, "proc/self")
        with (
            open(os.path.join(process, "cgroup"), "rb") as membership,
            open(os.path.join(process, "mountinfo"), "rb") as mounts,
        ):
            location = locate(controller, membership.read(), mounts.read())
        if location is None:
            raise FileNotFoundError(2, f"no {controller} controller is mounted here")
        own = os.path.join(self._root, location.folders[0].lstrip("/"))
        if location.version == 1:
            return 1, own
        if os.path.basename(own) == RUNNER:  # its runner has moved there, or this process has
            own = os.path.dirname(own)
        if controller not in self._read_words(own, "cgroup.controllers"):
            raise FileNotFoundError(2, f"the {controller} controller is not enabled for it", own)
        if controller not in self._read_words(own, "cgroup.subtree_control"):
            self._enable(own, controller)
        return 2, own

    def _enable(self, own: str, controller: str) -> None:
        """Enable a controller for the children of ``own``, which may then have no process itself.

        If only this process is in it, that moves into a child. Other processes are not moved.
        """
        try:
            self._write(own, "cgroup.subtree_control", f"+{controller}")
        except OSError:
            others = [
                pid for pid in self._read_words(own, "cgroup.procs") if int(pid) != os.getpid()
            ]
            if self._moved_from is not None:
                raise
            if others:
                raise PermissionError(
                    1,
                    f"{len(others)} other processes are in it; start foldwatch in a cgroup of its"
                    " own: systemd-run --scope -p Delegate=yes foldwatch ...",
                    own,
                ) from None
            leaf = os.path.join(own, RUNNER)
            os.makedirs(leaf, exist_ok=True)
            self._write(leaf, "cgroup.procs", str(os.getpid()))
            self._moved_from = own
            self._write(own, "cgroup.subtree_control", f"+{controller}")

    def _limit(self, folder: str, controller: str, version: int, limit: int) -> None:
        name, swap = (*_LIMIT_FILES[controller, version], "")[:2]
        self._write(folder, name, str(limit))
        if swap:
            with suppress(OSError):  # a kernel without swap accounting has no such file
                self._write(folder, swap, str(limit) if version == 1 else "0")

    def _write(self, folder: str, name: str, text: str) -> None:
        with open(os.path.join(folder, name), "r+", encoding="ascii") as file:
            file.write(text)

    @staticmethod
    def _read_words(folder: str, name: str) -> list[str]:
        with open(os.path.join(folder, name), encoding="ascii") as file:
            return file.read().split()
