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
from analyzer.growth.nature import find_nature
from analyzer.growth.verdict import Verdict
from analyzer.resources import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.growth.verdict import Growth
    from analyzer.processes.explained import AllocatingLine
    from analyzer.processes.process import Process

MUCH = 4
"""Times the floor of a resource."""
MAPS_OF_A_THREAD = 4
"""At most: the stack and its guard page, and malloc's arena and what is kept free behind it."""


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
    if process.books is not None:
        books = process.books.grown
        for name, one in changed.items():
            if _is_much(name, one) and one.slope is not None:
                counted = "threads" if name == "maps" and _are_of_threads(changed) else name
                code = find_grown_code(books, counted, one.slope)
                changed[name] = replace(one, grown=(*filter(None, (code,)), *one.grown))
    rss = changed.get("rss_bytes")
    if rss is not None and rss.verdict.is_alarming:
        changed["rss_bytes"] = replace(rss, grown=(*rss.grown, *find_allocated(explained)))
    return with_threads(changed, process)


def _is_much(name: str, growth: Growth) -> bool:
    """Whether growth is enough to be looked for: of a few maps or kilobytes it says nothing in whose call malloc took them."""
    is_real = growth.verdict.is_alarming or growth.verdict is Verdict.SLOW
    return is_real and (growth.slope or 0) >= MUCH * RESOURCES[name].floor


def _are_of_threads(growth: Mapping[str, Growth]) -> bool:
    """Whether the maps that grow are those of threads: malloc hands the stack of one that has ended to the next.

    So the books have the new stack where a pool comes and goes, and not where a thread came that stayed.
    """
    maps, threads = (
        growth[name].slope or 0 if name in growth else 0 for name in ("maps", "threads")
    )
    return 0 < maps <= MAPS_OF_A_THREAD * threads


def with_nature(growth: dict[str, Growth], process: Process) -> dict[str, Growth]:
    """Add to the growth of RSS outside all folds what the grown memory is."""
    nature = find_nature([one for one in process.settled.values() if one.fold is None])
    if nature is None or "rss_bytes" not in growth:
        return growth
    return growth | {"rss_bytes": replace(growth["rss_bytes"], nature=nature)}
