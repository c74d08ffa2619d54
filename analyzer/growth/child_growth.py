"""Growth of the child processes of a process, judged by the same rules as its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analyzer.growth.epochs import judge_epochs
from analyzer.growth.over_time import judge_over_time
from analyzer.growth.verdict import Growth, judge
from analyzer.processes.children import LIMIT_OF
from analyzer.processes.process import Process
from analyzer.resources import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from analyzer.processes.children import ChildRecord


@dataclass(frozen=True, slots=True)
class ChildGrowth:
    """A child of a process that grows, by the resources that do."""

    role: str
    process: Process
    """Its own readings."""
    growth: Mapping[str, Growth]
    """From fold to fold."""
    epochs: Mapping[str, Growth]
    over_time: Mapping[str, Growth]

    @property
    def axes(self) -> tuple[Mapping[str, Growth], ...]:
        """Its growth from fold to fold, from epoch to epoch and over time."""
        return self.growth, self.epochs, self.over_time

    @property
    def name(self) -> str:
        """Its role and its PID, or that it is another process in each fold."""
        pid = self.process.pid
        return f"{self.role} of each fold" if pid is None else f"{self.role} pid {pid}"

    @property
    def severity(self) -> int:
        """Sorts the worst first."""
        return min(found.verdict.severity for axis in self.axes for found in axis.values())


def judge_children(process: Process) -> tuple[ChildGrowth, ...]:
    """Return the children of ``process`` that grow, the worst first."""
    found = [_judge(_as_process(one, process), one.role) for one in process.children or ()]
    return tuple(sorted((one for one in found if any(one.axes)), key=lambda one: one.severity))


def _as_process(record: ChildRecord, parent: Process) -> Process:
    """Return the readings of a child as those of a process, which is judged as its parent is."""
    return Process(
        source=parent.source,
        group=parent.group,
        pid=record.pid,
        checkpoints=record.checkpoints,
        samples=record.samples,
        peaks=record.peaks,
    )


def _judge(process: Process, role: str) -> ChildGrowth:
    by_fold = {name: _by_fold(process, name) for name in LIMIT_OF}
    epochs = {
        name: found
        for name, one in by_fold.items()
        if process.pid is not None and (found := judge_epochs(process, name, by_fold=one))
    }
    over_time = {
        name: found
        for name, one in by_fold.items()
        if process.pid is not None
        and one.slope is None
        and (name not in epochs or epochs[name].slope is None)
        and (found := judge_over_time(process, name))
    }
    return ChildGrowth(
        role,
        process,
        *(dict(_grown(axis, process)) for axis in (by_fold, epochs, over_time)),
    )


def _by_fold(process: Process, resource: str) -> Growth:
    limit = process.limit(resource)
    return judge(
        process.series(resource),
        floor=RESOURCES[resource].floor,
        level_at_end=process.peaks.get(resource),
        limit=limit if isinstance(limit, int) else None,
        folds_planned=process.folds_planned,
    )


def _grown(axis: Mapping[str, Growth], process: Process) -> Iterator[tuple[str, Growth]]:
    """Give what grows, with its levels."""
    for name, found in axis.items():
        if found.verdict.is_alarming:
            values, limit = process.readings.known(name), process.limit(name)
            yield (
                name,
                replace(
                    found,
                    first=values[0],
                    last=values[-1],
                    peak=process.peaks.get(name),
                    limit=limit if isinstance(limit, int) else None,
                ),
            )
