"""`Reader`: one process, all its sources, one `Reading` at a time.

Owns which source fills which field, and that a source that fails costs its own fields only. It must
not know about labels, journals or threads of execution.
"""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, TypeVar

from telemetry.cgroup import Controller, ControllerUsage
from telemetry.procfs import ProcessFiles, ProcessStatus
from telemetry.reading import Limit, LimitState, Reading, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")

_NOTHING = ControllerUsage(
    Usage(None, LimitState.UNREADABLE), None, None, None, has_hidden_ancestors=False
)
_NO_STATUS = ProcessStatus(None, None, None, None, None)


class Reader:
    """Reads the numbers of process ``pid`` from the tree under ``root``; not for two threads at once.

    Invariant: `read` never raises for a source that fails; the reading's ``errors`` name it.
    """

    def __init__(
        self, *, root: str = "/", pid: int | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.pid = os.getpid() if pid is None else pid
        self._clock = clock
        self._files = ProcessFiles(root=root, pid=self.pid)
        self._pids = Controller("pids", root=root, pid=self.pid)
        self._memory = Controller("memory", root=root, pid=self.pid)
        self._errors: dict[str, str] = {}

    def hold(self) -> None:
        """Open what will be read, while descriptors and memory are still to be had."""
        self._files.hold()
        self._try("pids_cgroup", self._pids.read)
        self._try("memory_cgroup", self._memory.read)

    def close(self) -> None:
        """Give every descriptor back."""
        self._files.close()
        self._pids.close()
        self._memory.close()

    def read(self) -> Reading:
        """Read every source now."""
        self._errors = {}
        files = self._files
        status = self._try("status", files.status) or _NO_STATUS
        pids = self._try("pids_cgroup", self._pids.read) or _NOTHING
        memory = self._try("memory_cgroup", self._memory.read) or _NOTHING
        limits: dict[str, Limit] = {
            "pids_cgroup": pids.usage.limit,
            "cgroup_memory": memory.usage.limit,
            "max_map_count": self._limit("max_map_count", files.max_map_count),
            "open_files": self._limit("limits", lambda: files.soft_limit("Max open files")),
            "address_space": self._limit("limits", lambda: files.soft_limit("Max address space")),
            "threads_max": self._limit("threads_max", files.threads_max),
            "pid_max": self._limit("pid_max", files.pid_max),
        }
        return Reading(
            time=self._clock(),
            pid=self.pid,
            start_ticks=self._try("stat", files.start_ticks),
            threads=status.threads,
            rss_bytes=status.rss_bytes,
            virtual_bytes=status.virtual_bytes,
            maps=self._try("maps", files.maps),
            open_fds=self._try("fd", files.open_fds),
            cgroup_pids=pids.usage.current,
            cgroup_memory_bytes=memory.usage.current,
            cgroup_pids_peak=pids.peak,
            cgroup_memory_peak_bytes=memory.peak,
            host_tasks=self._try("loadavg", files.host_tasks),
            pids_limit_hits=pids.events,
            oom_kills=memory.events,
            limits=limits,
            errors=self._errors,
        )

    def _limit(self, source: str, read: Callable[[], Limit]) -> Limit:
        limit = self._try(source, read)
        return LimitState.UNREADABLE if limit is None else limit

    def _try(self, source: str, read: Callable[[], Value]) -> Value | None:
        try:
            return read()
        except OSError as error:
            self._errors[source] = errno.errorcode.get(error.errno or 0, str(error))
        except (ValueError, IndexError) as error:
            self._errors[source] = f"not understood: {error}"
        except MemoryError:  # a process at its map limit cannot even take a small buffer
            self._errors[source] = "ENOMEM"
        return None
