"""What a resource has grown by: the kinds of memory maps, the code that was at work. Pure: what was recorded in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from analyzer.growth.grown_code import find_code, find_started
from analyzer.growth.nature import BYTES_A_BLOCK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.growth.grown_code import GrownCode
    from analyzer.processes.attributed import Attributed
    from analyzer.processes.explained import AllocatingLine
    from analyzer.processes.settled import Settled

MOST_PARTS = 10
LEAST_SHARE = 0.01


class GrownPart(NamedTuple):
    """A part of what a resource has grown by."""

    kind: str
    """``map``, ``descriptor``, ``code``, ``thread`` or ``allocation``."""
    name: str
    """Of the kind of maps or descriptors, the function, or the threads without their number."""
    library: str | None
    """The file that is mapped, or that the threads began in; None for what has none."""
    amount: float
    """A fold."""
    share: float
    """Of all that has grown, 0 to 1."""
    function: str | None = None
    """Of the program, inside which it grew; of a library, the first that its threads ran."""
    line: str | None = None
    """In that function: ``train.py:212``."""


def find_grown_maps(settled: Sequence[Settled]) -> tuple[GrownPart, ...]:
    """Tell which maps there are more of at the end of the last fold than at the end of the first after warm-up."""
    return find_grown_kinds("map", [one.maps for one in settled if one.maps])


def find_grown_descriptors(settled: Sequence[Settled]) -> tuple[GrownPart, ...]:
    """Tell which descriptors more are open at the end of the last fold than at the end of the first after warm-up."""
    return find_grown_kinds("descriptor", [one.descriptors for one in settled if one.descriptors])


def find_grown_kinds(kind: str, folds: Sequence[Mapping[str, int]]) -> tuple[GrownPart, ...]:
    """Tell which there are more of at the end of the last fold than of the first after warm-up; of two, than of the first."""
    first, laps = (1, len(folds) - 2) if len(folds) > 2 else (0, len(folds) - 1)
    if laps < 1:
        return ()
    before, after = folds[first], folds[-1]
    more = {name: count - before.get(name, 0) for name, count in after.items()}
    grown = sorted(((count, name) for name, count in more.items() if count > 0), reverse=True)
    total = sum(count for count, _ in grown)
    return tuple(
        GrownPart(
            kind, name, _library(name) if kind == "map" else None, count / laps, count / total
        )
        for count, name in grown[:MOST_PARTS]
        if count >= LEAST_SHARE * total
    )


def find_allocated(lines: Sequence[AllocatingLine]) -> tuple[GrownPart, ...]:
    """Tell which lines allocated what a fold did not free, by a second look at it."""
    return tuple(
        GrownPart(
            "allocation", one.function, one.library, one.bytes, one.share, one.function, one.line
        )
        for one in lines[:MOST_PARTS]
    )


_COUNTED_AS = {
    "threads": ("threads",),
    "cgroup_pids": ("threads",),
    "maps": ("maps",),
    "open_fds": ("open_fds",),
    "descendants": ("descendants",),
    "rss_bytes": ("malloc_bytes", "python_blocks", "shared_bytes", "rss_bytes"),
}
"""By resource, the numbers of the books, in the order in which they are asked."""
BYTES_OF = {"python_blocks": BYTES_A_BLOCK}
EXPLAINED = 0.5
"""Share of the growth of RSS that a count of memory must have grown by, to tell where RSS grew."""


def find_grown_code(found: Attributed, resource: str, slope: float) -> GrownPart | None:
    """Tell inside which function of the program a resource grew by ``slope`` a fold; None where nothing tells."""
    code = _code_of(found, resource)
    if code is None:
        return None
    return GrownPart(
        "code", code.function, None, code.share * slope, code.share, code.function, code.place
    )


def _code_of(found: Attributed, resource: str) -> GrownCode | None:
    if resource in {"threads", "cgroup_pids"} and (started := find_started(found)) is not None:
        return started
    for name in _COUNTED_AS.get(resource, ()):
        size = found.grown(name) * BYTES_OF.get(name, 1)
        if resource == "rss_bytes" and size < EXPLAINED * found.grown("rss_bytes"):
            continue
        if (code := find_code(found, name)) is not None:
            return code
    return None


def _library(name: str) -> str | None:
    path = name.rpartition(" ")[0]
    return os.path.basename(path) if path.startswith("/") else None
