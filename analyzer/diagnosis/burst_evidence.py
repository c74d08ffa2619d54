"""What the last minute of a process says for a cause: a burst towards its limit, too fast for a reading a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.diagnosis.confidence import Confidence
from analyzer.diagnosis.evidence import NEARLY_FULL, Evidence, amount
from analyzer.resources import RESOURCES
from analyzer.signatures.signature import MEMORY, TASKS
from telemetry.limits import LIMITS

if TYPE_CHECKING:
    from analyzer.processes.black_box import Burst, LastMinute
    from analyzer.processes.process import Process

_TITLES = {"virtual_bytes": "address space"} | {
    name: resource.title for name, resource in RESOURCES.items()
}
SHORTEST_SECONDS = 0.1
"""A rise from one look to the next has no length."""


def burst_evidence(cause: str, process: Process) -> Evidence | None:
    """Tell of the burst that a cause would have; it makes the cause likely where it ended at the limit, or was about to.

    Proof is a reading at the limit alone, see `evidence.usage_evidence`.
    """
    box = process.black_box
    found = None if box is None else _burst_of(cause, box)
    if found is None:
        return None
    limit = process.last_reading.limits.get(cause) if process.last_reading else None
    is_of_limit = cause in LIMITS and LIMITS[cause].used_by == found.resource
    if not is_of_limit or not isinstance(limit, int):
        return Evidence(Confidence.POSSIBLE, burst_words(found))
    words = burst_words(found, limit)
    if found.last >= NEARLY_FULL * limit:
        return Evidence(Confidence.LIKELY, words)
    seconds = (limit - found.last) / found.per_second
    if seconds <= found.seconds_before_end:
        words += f"; at that rate the limit was met {seconds:.1f} s later"
        return Evidence(Confidence.LIKELY, words)
    return Evidence(Confidence.POSSIBLE, words)


def burst_words(burst: Burst, limit: int | None = None) -> str:
    """Say how a resource rose: ``memory maps went from 4,100 to 65,530 in 1.9 s, until 0.1 s before the end``."""
    title = _TITLES[burst.resource] + (f" of {burst.child}" if burst.child else "")
    first, last, most = (amount(burst.resource, n) for n in (burst.first, burst.last, limit))
    of_limit = "" if limit is None else f" of {most}"
    length = max(burst.seconds, SHORTEST_SECONDS)
    return (
        f"{title} went from {first} to {last}{of_limit} in {length:.1f} s,"
        f" until {burst.seconds_before_end:.1f} s before the end"
    )


def _burst_of(cause: str, box: LastMinute) -> Burst | None:
    """Return the burst of what the kernel compares with the limit; else of what fills it in one process."""
    if cause == "max_map_count":
        return box.burst("maps")
    if cause == "address_space":
        return box.burst("virtual_bytes")
    if cause in TASKS:
        return (box.burst("cgroup_pids") if cause == "pids_cgroup" else None) or box.burst(
            "threads"
        )
    if cause in MEMORY:
        of_cgroup = box.burst("cgroup_memory_bytes") if cause == "cgroup_memory" else None
        return of_cgroup or box.burst("rss_bytes")
    return None
