"""How full a limit is, as alerts judge it, and from where on it is near."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telemetry.reading import Reading

NEAR_RATIO = 0.80
CRITICAL_RATIO = 0.95


def used_ratio(reading: Reading, name: str) -> float | None:
    """Return the share of limit ``name`` that is used for good; None if it is unknown or not judged.

    Page cache, which the kernel takes back before it kills, does not count as use of a memory cgroup.
    """
    usage = reading.usage(name)
    if name == "nproc" and reading.is_exempt_from_nproc:
        return None
    if name != "cgroup_memory" or usage.ratio is None or usage.current is None:
        return usage.ratio
    if reading.cgroup_memory_reclaimable_bytes is None:
        return None
    kept = max(0, usage.current - reading.cgroup_memory_reclaimable_bytes)
    return usage.ratio * kept / usage.current if usage.current else 0.0
