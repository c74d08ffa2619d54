"""What fresh processes have needed so far, and whether another one fits now.

Owns the measuring for `forecast`: the peaks of processes that were watched, and a reading of the
runner's own surroundings, which are those of a process that it starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.kernel.reader import Reader
from trainer.runner.forecast import Shortage, shortage_for_first_fold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.reading import Reading

IMPORTED = "after TF import"
"""The label at which a worker has loaded everything and has touched nothing."""


class AdmissionControl:
    """Knows the needs of a process with its first fold, and of one that only waits for it."""

    def __init__(self) -> None:
        self._reader = Reader()
        self._of_a_fold: dict[str, int] = {}
        self._of_waiting: dict[str, int] = {}

    def note_fold(self, peaks: Mapping[str, int]) -> None:
        """Take the peaks of a process's first fold."""
        _raise(self._of_a_fold, peaks)

    def note_checkpoint(self, reading: Reading) -> None:
        """Take what a worker needs that has loaded everything."""
        if reading.stage == IMPORTED:
            known = {"tree_threads": reading.threads, "rss_bytes": reading.rss_bytes}
            _raise(self._of_waiting, {name: v for name, v in known.items() if v is not None})

    def shortage_for_new_fold(self) -> Shortage | None:
        """Return what a fresh process with a fold would not have enough of now."""
        return self._shortage(self._of_a_fold)

    def shortage_for_waiting_worker(self) -> Shortage | None:
        """Return what one that is only loaded would not have enough of, beside what runs now."""
        return self._shortage(self._of_waiting)

    def close(self) -> None:
        """Give the descriptors back."""
        self._reader.close()

    def _shortage(self, need: Mapping[str, int]) -> Shortage | None:
        if not need:
            return None
        reading = self._reader.read(in_full=True)
        return shortage_for_first_fold(need, reading, free_memory_bytes=_free_memory(reading))


def _free_memory(reading: Reading) -> int | None:
    """Return what the cgroup and the host still give, page cache that can be dropped included."""
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
