"""How much of a limit a process uses, as JSON, and which limit of a process is the nearest.

A limit is judged as alerts judge it: page cache fills a memory cgroup and TensorFlow a GPU, and neither is a sign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telemetry.limits import LIMITS, USED_BY
from telemetry.reading import ChildUsage, LimitState, leaves_less
from telemetry.used_share import used_ratio

if TYPE_CHECKING:
    from telemetry.reading import Reading


def limit_use(reading: Reading | ChildUsage, name: str) -> dict[str, Any]:
    """Return what is used of limit ``name``: ``ratio`` of all, ``judged`` of what counts, None where that is unknown."""
    usage = reading.usage(name)
    limit = usage.limit
    return {
        "ceiling": name,
        "column": USED_BY[name],
        "current": usage.current,
        "limit": limit.value if isinstance(limit, LimitState) else limit,
        "ratio": usage.ratio if limit else None,
        "judged": _judged(reading, name),
    }


def limits_used(reading: Reading) -> list[dict[str, Any]]:
    """Return the use of each limit that ``reading`` knows."""
    return [limit_use(reading, name) for name in USED_BY if name in reading.limits]


def nearest_limit(reading: Reading) -> dict[str, Any] | None:
    """Return the limit that is nearest, of the process or of one of its children (``child``).

    Where none can be judged it is the fullest, which says little.
    """
    found: tuple[float, Reading | ChildUsage, str] | None = None
    cgroup, host = reading.usage("cgroup_memory"), reading.usage("host_memory")
    unjudged = "host_memory" if leaves_less(cgroup, host) else ""
    holders: tuple[Reading | ChildUsage, ...] = (reading, *(reading.children or ()))
    for holder in holders:
        for name in holder.limits:
            if name == unjudged or name not in USED_BY:
                continue
            judged = _judged(holder, name)
            if judged is not None and (found is None or judged > found[0]):
                found = judged, holder, name
    if found is None:
        return None if reading.binding is None else limit_use(reading, reading.binding)
    _, holder, name = found
    child = {"child": holder.name} if isinstance(holder, ChildUsage) else {}
    return limit_use(holder, name) | child


def _judged(holder: Reading | ChildUsage, name: str) -> float | None:
    """Return which share of a limit is used for good; None where that is unknown, or no sign."""
    if not holder.limits.get(name) or not LIMITS[name].advice:
        return None
    return holder.usage(name).ratio if isinstance(holder, ChildUsage) else used_ratio(holder, name)
