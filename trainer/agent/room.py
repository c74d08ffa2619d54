"""Does a fresh process fit on this host now, into the cgroups that the agent is in, and into memory?

It needs as much as the largest first fold of an earlier process. It fits while that is at most the headroom: limit minus
use, of each limit as it applies to the agent, since the process will be in the same cgroups. A quantity that was never
measured counts as fitting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.formatting import format_amount
from telemetry.kernel.reader import Reader
from telemetry.limits import LIMITS, Refusal, refusing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.reading import Reading

ADMISSION_SECONDS = 30.0
"""How long a fold waits for headroom where nothing is known to live that could free some; then it is refused."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """A limit that is too near for a fold."""

    limit: str
    """Its name, or ``memory`` for the memory of cgroup and host."""
    needed: float
    available: float
    of: str
    """How ``available`` is described: ``80% of the limit is``, ``headroom``, ``free``."""

    def __str__(self) -> str:
        """Return one clause with the numbers."""
        is_size = self.limit == "memory" or LIMITS[self.limit].is_bytes
        needed = format_amount(self.needed, is_bytes=is_size)
        available = format_amount(self.available, is_bytes=is_size)
        return f"{self.limit}: forecast peak {needed}, {self.of} {available}"


def shortage_here(need: Mapping[str, int]) -> Shortage | None:
    """Return the limit that leaves too little for a process that needs so much, if any.

    The headroom is read for this very process: what it starts is in the same cgroups.
    """
    if not need:
        return None
    reader = Reader()
    try:
        reading = reader.read(in_full=True)
    finally:
        reader.close()
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


def shortage_for_first_fold(
    need: Mapping[str, int], agent: Reading, *, free_memory_bytes: int | None
) -> Shortage | None:
    """Return the limit whose headroom is too small for a fresh process.

    Args:
        need: ``tree_threads`` and ``rss_bytes``, if known. The memory is that of the process alone,
            since memory that it shares with its children would count twice.
        agent: A reading of the process that will start it.
        free_memory_bytes: The bytes that the memory cgroup and the host have left.
    """
    shortages = []
    if (threads := need.get("tree_threads")) is not None:
        for limit_name in refusing(Refusal.TASK):
            if limit_name == "nproc" and agent.is_exempt_from_nproc:
                continue
            headroom = agent.usage(limit_name).headroom
            if headroom is not None and threads > headroom:
                shortages.append(Shortage(limit_name, threads, headroom, "headroom"))
    size = need.get("rss_bytes")
    if size is not None and free_memory_bytes is not None and size > free_memory_bytes:
        shortages.append(Shortage("memory", size, free_memory_bytes, "free"))
    return max(shortages, key=lambda shortage: shortage.needed - shortage.available, default=None)
