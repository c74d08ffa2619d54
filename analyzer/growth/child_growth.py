"""Growth of the child processes of a process, judged by the same rules as its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analyzer.growth.epochs import judge_epochs
from analyzer.growth.over_time import judge_over_time
from analyzer.growth.verdict import Growth, Verdict, judge
from analyzer.processes.children import LIMIT_OF
from analyzer.processes.process import Process
from analyzer.resources import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
    found = [_growing(_judge(one, process)) for one in process.children or ()]
    return tuple(sorted((one for one in found if any(one.axes)), key=lambda one: one.severity))


def judge_role(processes: Iterable[Process], role: str, resource: str) -> Growth | None:
    """Return the worst growth of one resource in the children of a role; None without any.

    It is also told of children that do not grow; of those that last for one fold only, where they stand in each fold.
    """
    found = [
        axis[resource]
        for process in processes
        for record in process.children or ()
        if record.role == role
        for axis in _judge(record, process).axes
        if resource in axis
    ]
    return min(found, key=_place, default=None)


def _place(growth: Growth) -> tuple[bool, int]:
    """Order growth, the worst first and what is not known last."""
    return growth.verdict is Verdict.INCONCLUSIVE, growth.verdict.severity


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


def _judge(record: ChildRecord, parent: Process) -> ChildGrowth:
    process = _as_process(record, parent)
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
        record.role,
        process,
        *(_with_levels(axis, process) for axis in (by_fold, epochs, over_time)),
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


def _growing(child: ChildGrowth) -> ChildGrowth:
    """Return it with the resources alone that grow."""
    axes = ({n: one for n, one in axis.items() if one.verdict.is_alarming} for axis in child.axes)
    return ChildGrowth(child.role, child.process, *axes)


def _with_levels(axis: Mapping[str, Growth], process: Process) -> dict[str, Growth]:
    found = {}
    for name, one in axis.items():
        values, limit = process.readings.known(name), process.limit(name)
        found[name] = replace(
            one,
            first=values[0] if values else None,
            last=values[-1] if values else None,
            peak=process.peaks.get(name),
            limit=limit if isinstance(limit, int) else None,
        )
    return found
