"""Real cgroups of this machine, which root alone can make."""

from __future__ import annotations

import contextlib
import os
import uuid
from dataclasses import dataclass

from tests.support.programs import CommandOutcome, run_python

PIDS_MOUNTS = ("/sys/fs/cgroup/pids", "/sys/fs/cgroup")
MEMORY_MOUNTS = ("/sys/fs/cgroup/memory", "/sys/fs/cgroup")


@dataclass(frozen=True)
class RealCgroup:
    """A cgroup of the pids controller on this machine; v1 and v2 have the same file names."""

    folder: str

    def limit(self, pids: int) -> None:
        """Set pids.max."""
        with open(os.path.join(self.folder, "pids.max"), "w", encoding="ascii") as file:
            file.write(str(pids))

    def child(self, name: str) -> RealCgroup:
        """Make a cgroup inside."""
        os.mkdir(inner := os.path.join(self.folder, name))
        return RealCgroup(inner)

    def run(self, code: str, *arguments: str) -> CommandOutcome:
        """Run Python ``code`` in a process that joins before it does anything else."""
        join = f"open({os.path.join(self.folder, 'cgroup.procs')!r}, 'w').write('0')\n"
        return run_python("-c", join + code, *arguments)

    def run_module(self, module: str, *arguments: str) -> CommandOutcome:
        """Run Python's ``-m module`` in such a process."""
        run = f"import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)\n"
        return self.run(run, *arguments)


def make_cgroup(mounts: tuple[str, ...], file: str) -> str | None:
    """Make a cgroup with the controller file ``file`` under one of ``mounts``, or return None."""
    for top in mounts:
        folder = os.path.join(top, f"foldwatch-test-{uuid.uuid4().hex[:8]}")
        with contextlib.suppress(OSError):
            os.mkdir(folder)
            if os.path.exists(os.path.join(folder, file)):
                return folder
            os.rmdir(folder)
    return None


def remove_cgroup(folder: str) -> None:
    """Remove a cgroup with all below it."""
    for path, _, _ in os.walk(folder, topdown=False):
        os.rmdir(path)
