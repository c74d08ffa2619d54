"""What limits and amounts are called where there is little room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foldwatch.top.lines import ABSENT
from telemetry.formatting import MEBIBYTE, format_duration
from telemetry.limits import LIMITS

if TYPE_CHECKING:
    from foldwatch.top.fields import Fields

SHORT = {
    "pids_cgroup": "cgroup PIDs",
    "max_map_count": "memory maps",
    "cgroup_memory": "cgroup mem",
    "nproc": "user tasks",
    "gpu_memory": "GPU memory",
    "open_files": "open files",
    "address_space": "addr. space",
    "data_size": "data size",
    "threads_max": "host tasks",
    "pid_max": "host PIDs",
    "host_memory": "host memory",
}
"""By limit: at most 11 characters."""
RESOURCES = {
    "threads": "threads",
    "maps": "memory maps",
    "rss_bytes": "RSS",
    "open_fds": "open files",
    "cgroup_pids": "cgroup PIDs",
    "cgroup_memory_bytes": "cgroup mem",
    "gpu_memory_used_bytes": "GPU memory",
    "user_tasks": "user tasks",
    "virtual_bytes": "addr. space",
    "data_bytes": "data size",
    "host_memory_used_bytes": "host memory",
    "host_tasks": "host tasks",
}
"""By column of a curve, in the order in which they are shown."""
BAR = 10
_UNITS = ((2**40, "TB"), (2**30, "GB"), (MEBIBYTE, "MB"))


def limit_name(name: str) -> str:
    """Return what to call a limit in a column."""
    return SHORT.get(name, name)


def is_bytes(name: str) -> bool:
    """Whether a limit, or a column of a curve, is counted in bytes."""
    return name.endswith("_bytes") or (name in LIMITS and LIMITS[name].is_bytes)


def amount(name: str, value: float | None) -> str:
    """Return a count, or a size with its unit."""
    if value is None:
        return ABSENT
    if not is_bytes(name):
        return f"{value:,.0f}"
    size, unit = next(((size, unit) for size, unit in _UNITS if value >= size), _UNITS[-1])
    return f"{value / size:,.1f} {unit}" if size > MEBIBYTE else f"{value / size:,.0f} {unit}"


def percent(ratio: float | None) -> str:
    """Return how full a limit is; never more than it is: 99.9 % is not full."""
    if ratio is None:
        return ABSENT
    return "<1 %" if 0 < ratio < 0.01 else f"{int(min(ratio, 99.99) * 100)} %"


def bar(ratio: float | None) -> str:
    """Return how full a limit is as a bar of `BAR` characters; blanks if that is not known."""
    if ratio is None:
        return " " * BAR
    filled = min(BAR, int(ratio * BAR + 0.5))
    return "#" * filled + "." * (BAR - filled)


def level_style(limit: Fields) -> str:
    """Return the style of a limit that is near, as alerts judge it: page cache and a framework's own pool are no sign."""
    ratio = limit.number("judged") or 0.0
    return "red" if ratio > 0.95 else "yellow" if ratio > 0.8 else ""


def usage_words(limit: Fields) -> str:
    """Return a limit with how full it is: ``memory maps 83 % full (54,390 of 65,530)``."""
    name = limit.text("ceiling")
    child = limit.text("child")
    whose = f" of {child}" if child else ""
    used, most = (amount(name, limit.number(key)) for key in ("current", "limit"))
    return f"{limit_name(name)}{whose} {percent(limit.number('ratio'))} full ({used} of {most})"


def age(now: float | None, then: float | None) -> str:
    """Return how long ago something was."""
    return ABSENT if now is None or then is None else format_duration(max(0.0, now - then))


def folds_left(folds: float | None) -> str:
    """Return how many folds are left until a limit."""
    if folds is None:
        return ABSENT
    return "<1 fold" if folds < 1 else f"{folds:,.0f} folds" if folds < 100_000 else ABSENT
