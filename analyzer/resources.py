"""The catalogue of the resources that are judged for growth."""

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
    """The limit that it is compared with; the threads of one process have none."""
    host_limit: str | None = None
    """That of the host, which is compared with where it is lower, or the only one."""


RESOURCES: Mapping[str, Resource] = {
    "threads": Resource(title="threads", floor=0.5, pattern_group="threads"),
    "cgroup_pids": Resource(
        title="PIDs of the cgroup", floor=0.5, limit="pids_cgroup", pattern_group="cgroup_pids"
    ),
    "maps": Resource(title="memory maps", floor=1.0, limit="max_map_count", pattern_group="maps"),
    "rss_bytes": Resource(
        title="resident memory",
        floor=2.0**20,
        limit="cgroup_memory",
        host_limit="host_memory",
        pattern_group="rss",
    ),
    "open_fds": Resource(
        title="open descriptors", floor=1.0, limit="open_files", pattern_group="open_fds"
    ),
    "descendants": Resource(title="child processes", floor=0.5, pattern_group="descendants"),
    "tree_threads": Resource(
        title="threads of the process and its children", floor=1.0, pattern_group="tree_threads"
    ),
    "tree_rss_bytes": Resource(
        title="resident memory of the process and its children",
        floor=2.0**21,
        pattern_group="tree_rss",
    ),
    "cgroup_memory_bytes": Resource(
        title="memory of the cgroup",
        floor=2.0**22,
        limit="cgroup_memory",
        pattern_group="cgroup_memory",
    ),
    "gpu_memory_used_bytes": Resource(
        title="GPU memory", floor=2.0**21, limit="gpu_memory", pattern_group="gpu_memory"
    ),
}
"""By the name of the field of `Reading`."""
COLUMNS = ("threads", "cgroup_pids", "maps", "rss_bytes")
"""What a ``[THREADS]`` line says, in its order; the columns of a log's readings."""
OF_CHILDREN = frozenset({"descendants", "tree_threads", "tree_rss_bytes"})
"""Those that differ from the process's own where it has children."""
ABSENT = -1
"""Stands for None inside a column, and nowhere else; no count is negative."""
LARGEST = 2**62
"""What a column holds; no kernel counts that far."""
FALL_OF_AN_END = 0.8
"""What is left of its maps at the start of a new process, of those at the end of the one before."""
