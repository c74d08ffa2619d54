"""The files of the pids and memory controllers, and which of a process's cgroups binds.

For cgroup v1, v2, both mounted at once (hybrid) and cgroup namespaces. Sources:
Documentation/admin-guide/cgroup-v2.rst, Documentation/admin-guide/cgroup-v1/, kernel/cgroup/pids.c.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from telemetry.interruption import pass_on
from telemetry.kernel.cgroup_mounts import CgroupLocation, locate
from telemetry.kernel.kernel_file import KernelFile
from telemetry.reading import Limit, LimitState, Usage


def parse_limit(text: bytes) -> Limit:
    """Parse pids.max, memory.max or v1's memory.limit_in_bytes. Raises ValueError.

    v1 writes "no limit" as 2**63 rounded down to a page: above 2**60 no machine has a limit.
    """
    word = text.strip()
    if word == b"max":
        return LimitState.UNLIMITED
    limit = int(word)
    return LimitState.UNLIMITED if limit > 2**60 else limit


def parse_event(text: bytes, name: str) -> int | None:
    """Return counter ``name`` of a flat-keyed file ("max 3"), or None if it is not listed."""
    for line in text.splitlines():
        key, _, value = line.partition(b" ")
        if key == name.encode():
            return int(value)
    return None


@dataclass(frozen=True, slots=True)
class ControllerFiles:
    """The names of a controller's files in one version of cgroups."""

    current: str
    limit: str
    peak: str
    events: str
    local_events: str | None
    event: str
    """The counter's key in both events files."""
    oom_group: str | None = None
    """1 where an OOM kill ends every process of the cgroup and of those below (cgroup-v2.rst)."""


CONTROLLER_FILES: dict[tuple[str, int], ControllerFiles] = {
    ("pids", 1): ControllerFiles(
        "pids.current", "pids.max", "pids.peak", "pids.events", None, "max"
    ),
    ("pids", 2): ControllerFiles(
        "pids.current", "pids.max", "pids.peak", "pids.events", "pids.events.local", "max"
    ),
    ("memory", 1): ControllerFiles(
        "memory.usage_in_bytes",
        "memory.limit_in_bytes",
        "memory.max_usage_in_bytes",
        "memory.oom_control",
        None,
        "oom_kill",
    ),
    # memory.events of the own cgroup counts the processes killed in it, whoever's limit it was.
    ("memory", 2): ControllerFiles(
        *("memory.current", "memory.max", "memory.peak", "memory.events", None, "oom_kill"),
        oom_group="memory.oom.group",
    ),
}

PF_EXITING = 0x4  # include/linux/sched.h


@dataclass(frozen=True, slots=True)
class ControllerUsage:
    """The usage of the level that binds, and the place of that level."""

    usage: Usage
    folder: str | None
    """The folder that ``usage`` was read from; None if nothing could be read."""
    peak: int | None
    """The highest usage of that level since it was made (or since somebody reset it)."""
    events: int | None
    """Times that a limit which binds this process was hit, as far as it can be seen: see `_hits`."""
    own_folder: str | None
    """The process's own cgroup; counters compare only within one and the same."""
    has_hidden_ancestors: bool
    """Whether cgroups above the mount exist whose limits cannot be seen from here."""


@dataclass(frozen=True, slots=True)
class FinalCounters:
    """The counters of a process's cgroup once the process is gone."""

    own_folder: str | None
    before: int | None
    """The counter when the process was first seen in this cgroup."""
    after: int | None
    peak: int | None
    """The highest usage of the level with the lowest limit; None if no level has one."""
    sees_every_level: bool
    """Whether no ancestor is hidden, so that a counter that stayed proves that no limit was hit."""


class Level:
    """One cgroup's files of one controller, held open."""

    def __init__(self, files: ControllerFiles, *, root: str, folder: str) -> None:
        real = os.path.join(root, folder.lstrip("/"))
        self.folder = folder
        self._event = files.event
        self._current = KernelFile(os.path.join(real, files.current))
        self._limit = KernelFile(os.path.join(real, files.limit))
        self._peak = KernelFile(os.path.join(real, files.peak))
        self._events = KernelFile(os.path.join(real, files.events))
        self._local_events = (
            KernelFile(os.path.join(real, files.local_events)) if files.local_events else None
        )
        self._oom_group = os.path.join(real, files.oom_group) if files.oom_group else None

    def kills_all(self) -> bool:
        """Whether an OOM kill here ends every process of this cgroup; read anew each time."""
        try:
            with open(self._oom_group or os.devnull, "rb") as file:
                return file.read(16).strip() == b"1"
        except OSError as error:
            pass_on(error)
            return False

    def usage(self) -> Usage | None:
        """Read current and limit; None if this level does not have the controller."""
        try:
            limit = parse_limit(self._limit.read())
        except FileNotFoundError as error:
            pass_on(error)
            return None  # a root cgroup, or a v2 cgroup the controller is not enabled for
        except (OSError, ValueError) as error:
            pass_on(error)
            limit = LimitState.UNREADABLE
        return Usage(self.current(), limit)

    def current(self) -> int | None:
        """Read the current usage alone; None if it cannot be read."""
        try:
            return int(self._current.read())
        except (OSError, ValueError) as error:
            pass_on(error)
            return None

    def peak(self) -> int | None:
        """Read the highest usage so far; None if the kernel is too old to keep it."""
        try:
            return int(self._peak.read())
        except (OSError, ValueError) as error:
            pass_on(error)
            return None

    def events(self) -> int | None:
        """Read the counter of this cgroup; None if the file is missing or cannot be read."""
        return self._count(self._events)

    def local_events(self) -> int | None:
        """Read the counter of this cgroup's own limit; None on v1 and on older kernels."""
        return None if self._local_events is None else self._count(self._local_events)

    def _count(self, file: KernelFile) -> int | None:
        try:
            return parse_event(file.read(), self._event)
        except (OSError, ValueError) as error:
            pass_on(error)
            return None

    def close(self) -> None:
        """Give the descriptors back."""
        for file in (self._current, self._limit, self._peak, self._events, self._local_events):
            if file is not None:
                file.close()


def membership_file(root: str, pid: int) -> KernelFile:
    """Return the file that says which cgroups a process is in."""
    return KernelFile(os.path.join(root, "proc", str(pid), "cgroup"), size=16384)


class Controller:
    """One controller of one process, at every visible level; follows the process when it is moved."""

    def __init__(
        self, name: str, *, root: str = "/", pid: int, membership: KernelFile | None = None
    ) -> None:
        """Take what to look for, and ``/proc/PID/cgroup`` if it is open already."""
        self._name = name
        self._process = os.path.join(root, "proc", str(pid))
        # Mount points are the process's own: another one's may lie in another mount namespace.
        is_other = root == "/" and pid != os.getpid()
        self._root = os.path.join(self._process, "root") if is_other else root
        self._membership = membership or membership_file(root, pid)
        self._seen: bytes | None = None
        self._levels: tuple[Level, ...] = ()
        self._is_real_root = False
        self._own_folder: str | None = None
        self._first_events: dict[str, int | None] = {}
        self._binding: Level | None = None

    def read(self) -> ControllerUsage:
        """Read every visible level and return the one with the least headroom.

        The kernel charges every ancestor and the fullest refuses ("the most stringent limit in the
        hierarchy is followed"), so the limit that binds is min(limit - current) over the levels,
        not min(limit). Raises OSError if /proc/PID/cgroup or mountinfo cannot be read.
        """
        self._resolve()
        readable = [(level, usage) for level in self._levels if (usage := level.usage())]
        events = self._hits()
        own = self._own_folder
        if own is not None:
            self._first_events.setdefault(own, events)
        hidden = bool(self._levels) and not self._is_real_root
        self._binding = None
        if not readable:
            # At the real root there is no file because there is no limit; elsewhere one may hide.
            state = LimitState.UNLIMITED if self._is_real_root else LimitState.INVISIBLE
            return ControllerUsage(Usage(None, state), None, None, events, own, hidden)
        level, usage = min(readable, key=lambda pair: _tightness(pair[1]))
        if not isinstance(usage.limit, int) and any(
            other.limit is LimitState.UNREADABLE for _, other in readable
        ):
            usage = replace(usage, limit=LimitState.UNREADABLE)
        self._binding = level
        return ControllerUsage(usage, level.folder, level.peak(), events, own, hidden)

    def current(self) -> int | None:
        """Read the usage alone of the level that bound at the last `read`: one file."""
        return None if self._binding is None else self._binding.current()

    def place(self, folder: str) -> str:
        """Return where this process finds ``folder``, one of the cgroups as the read process sees them."""
        return os.path.join(self._root, folder.lstrip("/"))

    def levels(self) -> list[tuple[str, Usage]]:
        """Read every visible level that has the controller, the process's own cgroup first.

        Raises OSError as `read` does.
        """
        self._resolve()
        return [(level.folder, usage) for level in self._levels if (usage := level.usage())]

    def levels_killed_as_one(self) -> list[str]:
        """Return the visible levels whose memory.oom.group is set, the process's own cgroup first.

        Raises OSError as `read` does.
        """
        self._resolve()
        return [level.folder for level in self._levels if level.kills_all()]

    def _hits(self) -> int | None:
        """Count the hits of limits that bind this process.

        If the kernel keeps pids.events.local (6.11 and later, v2), each level's counts the hits
        of that level's own limit, so they add up; pids.events there also counts what the cgroups
        below hit, siblings included. On older kernels, on v1, and with the mount option
        pids_localevents, the own cgroup's pids.events counts the forks refused in it, whichever
        level's limit it was. Zero proves nothing if a limit may be hidden.
        """
        local = [count for level in self._levels if (count := level.local_events()) is not None]
        if local:
            return sum(local)
        counts = (level.events() for level in self._levels)
        return next((count for count in counts if count is not None), None)

    def final_counters(self) -> FinalCounters | None:
        """Read the peak and the counter of the cgroup where the process was last seen.

        It may be gone by now: the files are held open. None if it was never seen.
        """
        if self._seen is None:
            return None
        own = self._own_folder
        return FinalCounters(
            own_folder=own,
            before=None if own is None else self._first_events.get(own),
            after=self._hits(),
            peak=self._tightest_peak(),
            sees_every_level=self._is_real_root,
        )

    def _tightest_peak(self) -> int | None:
        """Read the peak of the level with the lowest limit: the process's own use is gone by now."""
        limited = [
            (usage.limit, level.peak())
            for level in self._levels
            if (usage := level.usage()) is not None and isinstance(usage.limit, int)
        ]
        return min(limited, key=lambda pair: pair[0])[1] if limited else None

    def close(self) -> None:
        """Give every descriptor back."""
        self._membership.close()
        for level in self._levels:
            level.close()
        self._levels, self._seen, self._binding = (), None, None

    def _resolve(self) -> None:
        membership = self._membership.read()
        if membership == self._seen or (self._seen is not None and self._is_exiting()):
            return
        with open(os.path.join(self._process, "mountinfo"), "rb") as file:
            location = locate(self._name, membership, file.read())
        for level in self._levels:
            level.close()
        self._levels = ()
        if location is not None:
            files = CONTROLLER_FILES[self._name, location.version]
            self._levels = tuple(
                Level(files, root=self._root, folder=folder) for folder in location.folders
            )
            self._own_folder = location.folders[0]
            self._is_real_root = self._is_hierarchy_root(location)
            if self._is_real_root and (self._name, location.version) != ("memory", 1):
                # CFTYPE_NOT_ON_ROOT: there is nothing to look for, at every reading anew.
                self._levels = self._levels[:-1]
        else:
            self._own_folder, self._is_real_root = None, False
        self._seen = membership

    def _is_exiting(self) -> bool:
        """Whether it is about to be gone: v1 shows it in the root then (cgroup.c, proc_cgroup_show)."""
        try:
            with open(os.path.join(self._process, "stat"), "rb") as file:
                # 42 (a name) S 41 42 42 0 -1 4194304: the seventh behind the name are its flags.
                flags = int(file.read().rpartition(b")")[2].split()[6])
        except (OSError, ValueError, IndexError) as error:
            pass_on(error)
            return False
        return bool(flags & PF_EXITING)

    def _is_hierarchy_root(self, location: CgroupLocation) -> bool:
        """Whether the mount shows the true root: v1 keeps release_agent there alone, v2 has no
        cgroup.type there (both CFTYPE flags in kernel/cgroup/).
        """
        top = os.path.join(self._root, location.folders[-1].lstrip("/"))
        if location.version == 1:
            return os.path.exists(os.path.join(top, "release_agent"))
        return os.path.exists(os.path.join(top, "cgroup.procs")) and not os.path.exists(
            os.path.join(top, "cgroup.type")
        )


def _tightness(usage: Usage) -> float:
    return float("inf") if usage.headroom is None else usage.headroom
