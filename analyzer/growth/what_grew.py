"""What is known of growth beside its rate: of what nature, which parts, in which code, by which library's threads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from analyzer.growth.grown_parts import (
    find_allocated,
    find_grown_code,
    find_grown_descriptors,
    find_grown_maps,
)
from analyzer.growth.grown_threads import with_threads
from analyzer.growth.nature import NOT_LOOKED_AT, find_nature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.growth.verdict import Growth
    from analyzer.processes.explained import AllocatingLine
    from analyzer.processes.process import Process


def with_what_grew(
    growth: dict[str, Growth], process: Process, explained: Sequence[AllocatingLine] = ()
) -> dict[str, Growth]:
    """Add to the growth of RSS what the grown memory is, to that of maps and descriptors which they are, to each which code."""
    settled = [one for one in process.settled.values() if one.fold is not None]
    parts = {"maps": find_grown_maps(settled), "open_fds": find_grown_descriptors(settled)}
    changed = growth | {
        name: replace(growth[name], grown=grown) for name, grown in parts.items() if name in growth
    }
    if "rss_bytes" in growth:
        changed["rss_bytes"] = replace(growth["rss_bytes"], nature=find_nature(settled))
    if process.looks is not None:
        looks = process.looks.grown
        for name, one in changed.items():
            is_seen = one.nature is None or one.nature.nature not in NOT_LOOKED_AT
            if one.verdict.is_alarming and one.slope is not None and is_seen:
                code = find_grown_code(looks, name, one.slope)
                changed[name] = replace(one, grown=(*filter(None, (code,)), *one.grown))
    rss = changed.get("rss_bytes")
    if rss is not None and rss.verdict.is_alarming:
        changed["rss_bytes"] = replace(rss, grown=(*rss.grown, *find_allocated(explained)))
    return with_threads(changed, process)


def with_nature(growth: dict[str, Growth], process: Process) -> dict[str, Growth]:
    """Add to the growth of RSS outside all folds what the grown memory is."""
    nature = find_nature([one for one in process.settled.values() if one.fold is None])
    if nature is None or "rss_bytes" not in growth:
        return growth
    return growth | {"rss_bytes": replace(growth["rss_bytes"], nature=nature)}
