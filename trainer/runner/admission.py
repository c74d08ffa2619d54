"""Admission control: the peaks of the folds so far, and whether another process fits now.

The headroom is read for the runner's own process, because a process that it starts is in the same cgroups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.kernel.reader import Reader
from trainer.runner.forecast import Shortage, shortage_for_first_fold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.reading import Reading

IMPORTED = "after TF import"
"""The label at which a worker has loaded every module and touched no device."""


class AdmissionControl:
    """Remembers what a process needs for its first fold, and what it needs to wait for it."""

    def __init__(self) -> None:
        self._reader = Reader()
        self._of_a_fold: dict[str, int] = {}
        self._of_waiting: dict[str, int] = {}

    def note_fold(self, peaks: Mapping[str, int]) -> None:
        """Remember the peaks of a process's first fold."""
        _raise(self._of_a_fold, peaks)

    def note_checkpoint(self, reading: Reading) -> None:
        """Remember what a loaded worker needs, if this is the reading of one."""
        if reading.stage == IMPORTED:
            known = {"tree_threads": reading.threads, "rss_bytes": reading.rss_bytes}
            _raise(self._of_waiting, {name: v for name, v in known.items() if v is not None})

    def shortage_for_new_fold(self) -> Shortage | None:
        """Return the limit that leaves too little for a fresh process with a fold, if any."""
        return self._shortage(self._of_a_fold)

    def shortage_for_waiting_worker(self) -> Shortage | None:
        """Return the limit that leaves too little for one more loaded process, if any."""
        return self._shortage(self._of_waiting)

    def close(self) -> None:
        """Close the descriptors."""
        self._reader.close()

    def _shortage(self, need: Mapping[str, int]) -> Shortage | None:
        if not need:
            return None
        reading = self._reader.read(in_full=True)
        return shortage_for_first_fold(need, reading, free_memory_bytes=_free_memory(reading))


def _free_memory(reading: Reading) -> int | None:
    """Return the bytes that the cgroup and the host have left, reclaimable page cache included."""
    available = _available_on_host()
    headroom = reading.usage("cgroup_memory").headroom
    if headroom is None:
        return available
    headroom += reading.cgroup_memory_reclaimable_bytes or 0
    return headroom if available is None else min(headroom, available)


# MemAvailable:   21578000 kB
def _available_on_host() -> int | None:
    """Read MemAvailable of /proc/meminfo (Documentation/filesystems/proc.rst)."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None


def _raise(highest: dict[str, int], values: Mapping[str, int]) -> None:
    for name, value in values.items():
        highest[name] = max(value, highest.get(name, value))
