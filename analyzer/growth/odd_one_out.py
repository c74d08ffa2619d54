"""The rank that differs from the others, which do the same work and should hold as much.

A value is odd if it is further from the median of the others' than four times what these are apart (without their
outer tenths), than a quarter of that median, and than twenty times what measuring alone can change. CPU time, by which
healthy ranks differ more, has to be further than twice what the others are apart, and than half of their median.

A rank is the odd one out if it is odd in the same direction at nearly all of the last labels that all ranks have reached.
Of 10,000 simulated runs of three to 64 healthy ranks, whose levels differ by 5 % and jump now and then, none had one; nor
had any by CPU time, where they differ by 10 % (`benchmarks.odd_ranks`).
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from statistics import median
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from analyzer.processes.rank_values import CPU_CORES, LABELS_KEPT, OWN_GPU_MEMORY
from analyzer.resources import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from analyzer.processes.process import Process
    from analyzer.processes.rank_values import Place

LABELS = 12
"""The last ones that all ranks have reached."""
FEWEST_LABELS = 3
FEWEST_RANKS = 3
MOST_RANKS = 256
"""Each is held against all others."""
AT_MOST_LABELS = 0.8
"""Of them, at which a rank has to be odd."""
SPREADS = 4.0
SHARE = 0.25
FLOORS = 20.0
SHARED = frozenset({"cgroup_pids", "cgroup_memory_bytes"})
"""By the ranks of a host."""


class Measure(NamedTuple):
    """How far one value of healthy ranks may differ."""

    floor: float
    """The change that measuring alone can cause, in the same unit."""
    share: float = SHARE
    """Of the median."""
    spreads: float = SPREADS


MEASURES = {
    **{name: Measure(one.floor) for name, one in RESOURCES.items() if name not in SHARED},
    OWN_GPU_MEMORY: Measure(RESOURCES["gpu_memory_used_bytes"].floor),
    CPU_CORES: Measure(0.0125, share=0.5, spreads=2.0),
}
"""What ranks are compared by."""

Rank = TypeVar("Rank", bound="Hashable")


class OddOne(NamedTuple):
    """How a rank differs from the others in one resource."""

    resource: str
    value: float
    """At the last label."""
    lowest: float
    highest: float
    """Of the others there, without their outer tenths."""
    ranks: int
    """How many others."""


def find_odd_ones(ranks: Mapping[Rank, Sequence[Process]]) -> dict[Rank, list[OddOne]]:
    """Return the ranks that differ from the others, and in what, by their processes in the order of their begin."""
    values = {rank: _last_values(processes) for rank, processes in ranks.items()}
    values = {rank: found for rank, found in values.items() if found}
    if not FEWEST_RANKS <= len(values) <= MOST_RANKS:
        return {}
    common = set.intersection(*({*found} for found in values.values()))
    places = [*islice((place for place in next(iter(values.values())) if place in common), LABELS)]
    found: dict[Rank, list[OddOne]] = {}
    for resource, measure in MEASURES.items():
        at_places = [
            {rank: at[place][resource] for rank, at in values.items() if resource in at[place]}
            for place in places
        ]
        whole = [at for at in at_places if len(at) == len(values)]
        for rank, odd in odd_in(whole, measure).items():
            found.setdefault(rank, []).append(odd._replace(resource=resource))
    return found


def odd_in(labels: Sequence[Mapping[Rank, float]], measure: Measure) -> dict[Rank, OddOne]:
    """Return who is odd in one resource, by the values of all ranks at the last labels, the latest first."""
    if len(labels) < FEWEST_LABELS:
        return {}
    counts = Counter(
        (rank, is_above) for values in labels for rank, is_above in _odd_at(values, measure)
    )
    latest = labels[0]
    return {
        rank: OddOne("", latest[rank], *_range(_others(latest, rank)), len(latest) - 1)
        for (rank, _), count in counts.items()
        if count >= AT_MOST_LABELS * len(labels)
    }


def _odd_at(values: Mapping[Rank, float], measure: Measure) -> Iterator[tuple[Rank, bool]]:
    for rank, value in values.items():
        others = _others(values, rank)
        middle, (lowest, highest) = median(others), _range(others)
        allowed = max(
            measure.spreads * (highest - lowest), measure.share * middle, FLOORS * measure.floor
        )
        if abs(value - middle) > allowed:
            yield rank, value > middle


def _others(values: Mapping[Rank, float], rank: Rank) -> list[float]:
    return sorted(value for other, value in values.items() if other != rank)


def _range(ordered: Sequence[float]) -> tuple[float, float]:
    """Return the lowest and the highest without the outer tenths."""
    cut = len(ordered) // 10
    return ordered[cut], ordered[-1 - cut]


def _last_values(processes: Sequence[Process]) -> dict[Place, dict[str, float]]:
    """Return what was read at the last labels of a rank, the latest first."""
    found: dict[Place, dict[str, float]] = {}
    for process in reversed(processes):
        table = process.checkpoints
        for row in range(len(table) - 1, -1, -1):
            label = table.label(row)
            place = label.fold, label.stage
            if place not in found:
                if len(found) >= LABELS_KEPT:
                    return found
                read = {name: table.value(name, row) for name in table.columns}
                found[place] = {name: value for name, value in read.items() if value is not None}
                found[place] |= process.rank_values.at(place)
    return found
