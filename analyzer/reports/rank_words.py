"""What the ranks of a run do, in a sentence: which of them grow, and whether the others do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer import formatting
from analyzer.groups import rises
from analyzer.growth.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from analyzer.groups import ProcessGroup

RANKS_NAMED = 3
NUMBERS = ("", "", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ALIKE = 0.2
"""By which the slopes of ranks may differ that grow alike."""


def rises_of_ranks(worst: ProcessGroup, parts: Sequence[ProcessGroup]) -> str:
    """Say which rank grows by what, where the run of ``worst`` has several; else what grows in it.

    ``rank 2 of 4 (gpu-07): maps +730 a fold; the other three flat``
    """
    ranks = _ranks(worst, parts)
    grown = rises(worst)
    if len(ranks) < 2 or not grown:
        return grown
    growing = [part for part in ranks if rises(part)]
    if len(growing) == len(ranks):
        most = _the_most(worst, ranks)
        return f"{_all(len(ranks))} {_kind(worst)}: {grown}{most}"
    others = [part for part in ranks if part not in growing]
    if len(growing) == 1:
        words = f"{rank_name(worst, len(ranks))}: {grown}"
    else:
        names = ", ".join(_number(part) for part in growing[:RANKS_NAMED])
        more = f" and {len(growing) - RANKS_NAMED} more" if len(growing) > RANKS_NAMED else ""
        words = f"{_kind(worst)} {names}{more} of {len(ranks)}: {grown}{_the_most(worst, growing)}"
    return f"{words}; {_rest(others)}"


def rank_name(part: ProcessGroup, ranks: int) -> str:
    """Name a rank of so many with its host, or its process where nobody gave ranks: ``rank 2 of 4 (gpu-07)``."""
    header = part.first.process.header
    size = max(ranks, (header.world_size or 0) if header else 0)
    host = f" ({formatting.safe(header.host)})" if header and header.host else ""
    return f"{_name(part)} of {size}{host}"


def _ranks(worst: ProcessGroup, parts: Iterable[ProcessGroup]) -> list[ProcessGroup]:
    """Return the latest part of each rank of the same run.

    A process for each fold beside one that goes through them all, such as an evaluation, is no rank.
    """
    group = worst.first.process.group
    latest = {
        part.lane: part
        for part in parts
        if part.first.process.group == group and part.is_isolated == worst.is_isolated
    }
    return [*latest.values()] if worst in latest.values() else []


def _name(part: ProcessGroup) -> str:
    return f"process {part.first.process.pid}" if _is_unranked(part) else f"rank {_number(part)}"


def _number(part: ProcessGroup) -> str:
    process = part.first.process
    return f"{process.pid}" if process.rank is None else formatting.rank_name(process.rank)


def _is_unranked(part: ProcessGroup) -> bool:
    return part.first.process.rank is None


def _kind(part: ProcessGroup) -> str:
    return "processes" if _is_unranked(part) else "ranks"


def _all(count: int) -> str:
    return "both" if count == 2 else f"all {count}"


def _the_most(worst: ProcessGroup, growing: Sequence[ProcessGroup]) -> str:
    """Say that one rank grows the most, where they do not grow alike."""
    for axis, found in enumerate(worst.axes):
        for name, growth in found.items():
            slopes = [
                other.slope or 0.0
                for part in growing
                if (other := part.axes[axis].get(name)) is not None
            ]
            if growth.verdict.is_alarming and min(slopes) < (1 - ALIKE) * (growth.slope or 0.0):
                return f" in {_name(worst)}, the most"
    return ""


def _rest(others: Sequence[ProcessGroup]) -> str:
    judged = [growth for part in others for axis in part.axes for growth in axis.values()]
    is_flat = any(growth.verdict != Verdict.INCONCLUSIVE for growth in judged)
    count = NUMBERS[len(others)] if 1 < len(others) < len(NUMBERS) else f"{len(others):,}"
    who = "the other" if len(others) == 1 else f"the other {count}"
    return f"{who} {'flat' if is_flat else 'not judged yet'}"
