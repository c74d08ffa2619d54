"""Which limit ended the run: every candidate with its standing and its evidence.

Owns the weighing. ``certain`` needs evidence that names the limit: a counter that rose or a kernel
line. A message alone never makes a cause certain, and a reading from before the crash rules nothing
out. It must not read anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.reading import USED_BY_CEILING, Usage

if TYPE_CHECKING:
    from analyzer.log_table import Process

STANDINGS = ("certain", "likely", "possible", "ruled out")
NEARLY_FULL = 0.9
_RESOURCE_OF = {"pids_cgroup": "cgroup_pids", "max_map_count": "maps", "cgroup_memory": "rss_bytes"}
_COUNTERS = {"pids_cgroup": "pids_limit_hits", "cgroup_memory": "oom_kills"}


@dataclass(frozen=True, slots=True)
class Cause:
    """One candidate: a name of signatures.CAUSES, its standing, and why, in words and numbers.

    Without evidence nothing was recorded that could tell, and it stays possible.
    """

    cause: str
    standing: str
    evidence: tuple[str, ...]


def diagnose(process: Process) -> list[Cause]:
    """Weigh every cause that the signs of ``process`` can have; the best first, none without a sign."""
    candidates = dict.fromkeys(cause for sign in process.signs.values() for cause in sign.causes)
    causes = [_weigh(cause, process) for cause in candidates]
    return sorted(causes, key=lambda cause: STANDINGS.index(cause.standing))


def _weigh(cause: str, process: Process) -> Cause:
    for sign in process.signs.values():
        if sign.names_its_cause and cause in sign.causes:
            where = f"line {sign.line}: " if sign.line else ""
            return Cause(cause, "certain", (f"the kernel says so: {where}{sign.text}",))
    if hits := _counted(cause, process):
        return Cause(cause, "certain", (hits,))
    usage = _peak_usage(cause, process)
    if usage is None or usage.ratio is None:
        return Cause(cause, "possible", ())
    words = f"peak {usage.current:,} of {usage.limit:,} ({usage.ratio:.0%})"
    if process.crash and process.crash.last_label is not None:
        words += f"; the last reading is at {process.crash.last_label!r}, before the crash"
    return Cause(cause, "likely" if usage.ratio >= NEARLY_FULL else "possible", (words,))


def _counted(cause: str, process: Process) -> str | None:
    name = _COUNTERS.get(cause)
    last = process.last_reading
    if name is None or last is None:
        return None
    before, after = getattr(process.first_readings[last.cgroup], name), getattr(last, name)
    if before is None or after is None or after <= before:
        return None
    return f"{name} rose from {before} to {after} during the run"


def _peak_usage(cause: str, process: Process) -> Usage | None:
    resource = _RESOURCE_OF.get(cause)
    if resource is not None:
        return Usage(process.peaks.get(resource), process.limit(resource))
    if cause in USED_BY_CEILING and process.last_reading is not None:
        return process.last_reading.usage(cause)
    return None
