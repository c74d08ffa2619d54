"""How many series one run and all runs may have, and which folds lose theirs beyond."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from telemetry.snapshot import FoldState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from telemetry.snapshot import FoldSnapshot, RunKey

SERIES_PER_RUN = 20_000
"""Of all hosts and ranks of a run."""
SERIES_IN_ALL = 200_000


_RUNS = 2
"""Of a precedence: the fold runs."""


class FoldSeries(NamedTuple):
    """The series of one fold: how many they are, and how much they are wanted."""

    precedence: tuple[int, float]
    run: RunKey
    fold: str
    series: int


def precedence(fold_snapshot: FoldSnapshot) -> tuple[int, float]:
    """Return a key by which the folds that keep their series come last.

    Those that wait lose theirs first, from the last one on, then those that have ended, the oldest first;
    of those that run the one that was read last keeps its series for longest.
    """
    if fold_snapshot.state is FoldState.WAITING:
        return 0, -float(fold_snapshot.fold or 0)
    if fold_snapshot.ended_at is not None:
        return 1, fold_snapshot.ended_at
    return _RUNS, fold_snapshot.latest.time if fold_snapshot.latest else 0.0


def _most_wanted_first(wanted: Sequence[FoldSeries]) -> Iterator[FoldSeries]:
    """Give the folds that run, each run's first before any run's second and a small one before a large, then the others.

    When a fold was read is its own word: by that alone, a run of the future would take the place of all others.
    """
    ordered = sorted(wanted, reverse=True)
    ranks: Counter[str] = Counter()
    running = []
    for one in ordered:
        if one.precedence[0] == _RUNS:
            running.append((ranks[one.run.run], one.series, one))
            ranks[one.run.run] += 1
    yield from (one for *_, one in sorted(running))
    yield from (one for one in ordered if one.precedence[0] != _RUNS)


class SeriesBudget:
    """Which folds may have series, and how many series are left out, by run."""

    def __init__(self, wanted: Sequence[FoldSeries]) -> None:
        self.kept: set[tuple[RunKey, str]] = set()
        """Empty if there is room for all."""
        self.left_out: Counter[RunKey] = Counter()
        of_run: Counter[str] = Counter()
        for one in wanted:
            of_run[one.run.run] += one.series
        if of_run.total() > SERIES_IN_ALL or max(of_run.values(), default=0) > SERIES_PER_RUN:
            self._choose(wanted)

    def _choose(self, wanted: Sequence[FoldSeries]) -> None:
        of_run: Counter[str] = Counter()
        in_all = 0
        full: set[str] = set()
        for one in _most_wanted_first(wanted):
            name = one.run.run
            if of_run[name] + one.series > SERIES_PER_RUN or in_all + one.series > SERIES_IN_ALL:
                full.add(name)  # what is wanted less does not take the place of what is wanted more
            if name in full:
                self.left_out[one.run] += one.series
                continue
            of_run[name] += one.series
            in_all += one.series
            self.kept.add((one.run, one.fold))
