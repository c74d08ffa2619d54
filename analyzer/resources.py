"""The catalogue of the four resources that are judged for growth."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Resource(NamedTuple):
    """What is known of one resource before any value is read."""

    title: str
    """For a chart or a sentence."""
    floor: float
    """Per fold, the change that measuring alone can cause: half a thread, one map, 1 MB."""
    pattern_group: str
    """The named group of ``--pattern``."""
    limit: str | None = None
    """The limit that a log line shows beside it; the threads of one process have none."""


RESOURCES: Mapping[str, Resource] = {
    "threads": Resource(title="threads", floor=0.5, pattern_group="threads"),
    "cgroup_pids": Resource(
        title="PIDs of the cgroup", floor=0.5, limit="pids_cgroup", pattern_group="cgroup_pids"
    ),
    "maps": Resource(title="memory maps", floor=1.0, limit="max_map_count", pattern_group="maps"),
    "rss_bytes": Resource(
        title="resident memory", floor=2.0**20, limit="cgroup_memory", pattern_group="rss"
    ),
}
"""By the name of the field of `Reading`."""
COLUMNS = tuple(RESOURCES)
"""The columns of a log's readings, in their order."""
ABSENT = -1
"""Stands for None inside a column, and nowhere else; no count is negative."""
LARGEST = 2**62
"""What a column holds; no kernel counts that far."""
