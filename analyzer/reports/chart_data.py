"""What the charts draw, whoever draws them: lines of readings, thinned, and the stages of folds."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analyzer import formatting as fmt
from analyzer.resources import ABSENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.groups import ProcessGroup
    from analyzer.processes.checkpoints import Checkpoint, CheckpointTable
    from analyzer.processes.process import Process

POINTS_DRAWN = 1_500
"""Of one line; more are thinned so that every peak and every dip stays."""
POINTS_MARKED = 120
STAGES_DRAWN = 16
FOLDS_NAMED = 12
FOLDS_SHADED = 60
LIMIT_SHOWN_FROM = 0.25
"""A limit is drawn where the peak reaches this part of it; else it would flatten the curve."""


@dataclass(slots=True)
class ChartLane:
    """Processes that ran one after another: one line from left to right."""

    name: str
    pieces: list[CheckpointTable]
    """The samples of each process."""
    crashes: list[int]
    """After how many samples a process ended in a crash."""
    starts: list[int] = field(default_factory=list)
    """Of each of the pieces, the position of its first sample."""
    length: int = 0
    """How many samples it has."""

    def add(self, process: Process) -> None:
        """Put a process behind those before it."""
        if readings := process.checkpoints or process.readings:
            self.pieces.append(readings)
            self.starts.append(self.length)
            self.length += len(readings)
        if process.crash:
            self.crashes.append(self.length)

    def points(self, resource: str, *, most: int = POINTS_DRAWN) -> list[list[tuple[int, float]]]:
        """Return (position, value) of each process, thinned; in the unit that is shown."""
        lines = []
        of_piece = max(2, most // max(1, len(self.pieces)))
        for start, piece in zip(self.starts, self.pieces, strict=True):
            line = [
                (start + row, value / fmt.unit_size(resource))
                for row, value in enumerate(piece.columns.get(resource, ()))
                if value != ABSENT
            ]
            lines.append(thinned(line, most=of_piece))
        return lines

    def sample(self, position: int) -> Checkpoint:
        """Return the reading at a position of its line."""
        number = bisect_right(self.starts, position) - 1
        return self.pieces[number][position - self.starts[number]]

    def fold_spans(self) -> list[tuple[int, int, int]]:
        """Return first position, last position and number of each fold."""
        spans: list[tuple[int, int, int]] = []
        folds = (piece.label(row).fold for piece in self.pieces for row in range(len(piece)))
        for index, fold in enumerate(folds):
            if fold is None:
                continue
            if spans and spans[-1][2] == fold:
                spans[-1] = (spans[-1][0], index, fold)
            else:
                spans.append((index, index, fold))
        return spans


def thinned(
    points: Sequence[tuple[int, float]], *, most: int = POINTS_DRAWN
) -> list[tuple[int, float]]:
    """Keep the lowest and the highest of each stretch, in order, at most about ``most`` in all."""
    if len(points) <= most:
        return list(points)
    kept = []
    buckets = most // 2
    for bucket in range(buckets):
        start = len(points) * bucket // buckets
        stretch = points[start : len(points) * (bucket + 1) // buckets]
        ends = (min(stretch, key=lambda p: p[1]), max(stretch, key=lambda p: p[1]))
        kept += sorted(set(ends))
    return kept


def chart_lanes(parts: Sequence[ProcessGroup]) -> list[ChartLane]:
    """Put processes of one run, log or rank one after another, and those of others beside them."""
    lanes: dict[object, ChartLane] = {}
    for part in parts:
        lane = lanes.setdefault(part.lane, ChartLane(part.name, [], []))
        for finding in part.findings:
            lane.add(finding.process)
    return [lane for lane in lanes.values() if lane.pieces]


def told_by(parts: Sequence[ProcessGroup]) -> ProcessGroup | None:
    """Return the part whose folds are worth laying over each other: the worst one that has some."""
    with_folds = [part for part in parts if part.folds]
    return min(with_folds, key=lambda part: part.severity, default=None)


class Stages:
    """The stages of a part's folds in the order of the run, and those of them that are drawn."""

    def __init__(self, part: ProcessGroup) -> None:
        folds: dict[str, set[int]] = {}
        for finding in part.findings:
            for label in finding.process.checkpoints.labels():
                if label.fold is not None:
                    folds.setdefault(label.stage, set()).add(label.fold)
        self.every = list(folds)
        self.drawn = self._drawn(folds)

    @property
    def left_out(self) -> str:
        """Say how many are not drawn; empty if all are."""
        if len(self.drawn) == len(self.every):
            return ""
        return f"{len(self.drawn)} of {len(self.every):,} stages, those that most folds reached or some of them"

    @staticmethod
    def _drawn(folds: dict[str, set[int]]) -> list[str]:
        """Choose those that most folds reached; if these are too many, from the first to the last of them."""
        most = max(map(len, folds.values()), default=0)
        reached = [stage for stage in folds if len(folds[stage]) == most]
        if len(reached) > STAGES_DRAWN:
            step = (len(reached) - 1) / (STAGES_DRAWN - 1)
            return [reached[round(number * step)] for number in range(STAGES_DRAWN)]
        shown = set(sorted(folds, key=lambda stage: -len(folds[stage]))[:STAGES_DRAWN])
        return [stage for stage in folds if stage in shown]


def stage_values(part: ProcessGroup, resource: str) -> dict[str, dict[int, float]]:
    """Return, by stage, the last value of each fold, in the unit that is shown."""
    series: dict[str, dict[int, float]] = {}
    for finding in part.findings:
        for stage, by_fold in finding.process.series(resource).items():
            values = series.setdefault(stage, {})
            values.update((fold, n / fmt.unit_size(resource)) for fold, n in by_fold.items())
    return series
