"""What a resource has grown by: the kinds of memory maps, of folds whose end was settled. Pure: settled folds in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.processes.settled import Settled

MOST_PARTS = 10
LEAST_SHARE = 0.01


class GrownPart(NamedTuple):
    """A part of what a resource has grown by."""

    kind: str
    """``map``."""
    name: str
    library: str | None
    """The file that is mapped; None for another map."""
    amount: float
    """A fold."""
    share: float
    """Of all that has grown, 0 to 1."""


def find_grown_maps(settled: Sequence[Settled]) -> tuple[GrownPart, ...]:
    """Tell which maps there are more of at the end of the last fold than at the end of the first after warm-up."""
    folds = [one for one in settled if one.maps]
    first, laps = (1, len(folds) - 2) if len(folds) > 2 else (0, len(folds) - 1)
    if laps < 1:
        return ()
    before, after = folds[first].maps, folds[-1].maps
    more = {name: count - before.get(name, 0) for name, count in after.items()}
    grown = sorted(((count, name) for name, count in more.items() if count > 0), reverse=True)
    total = sum(count for count, _ in grown)
    return tuple(
        GrownPart("map", name, _library(name), count / laps, count / total)
        for count, name in grown[:MOST_PARTS]
        if count >= LEAST_SHARE * total
    )


def _library(name: str) -> str | None:
    path = name.rpartition(" ")[0]
    return os.path.basename(path) if path.startswith("/") else None
