"""Findings grouped for people: one process, or all isolated folds of a run together."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analyzer.formatting import change, rank_name, safe, short_name, thread_words
from analyzer.growth.grown_code import NEARLY_ALL
from analyzer.growth.nature import Nature
from analyzer.growth.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.growth.child_growth import ChildGrowth
    from analyzer.growth.verdict import Growth
    from analyzer.processes.checkpoints import Checkpoint
    from analyzer.processes.lanes import Lane
    from analyzer.result import AnalysisResult, Finding

CHILDREN_NAMED = 3
"""Child processes that grow, in a sentence; all are in --json."""


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """One process, or all folds of a run that had a process each."""

    findings: tuple[Finding, ...]
    growth: Mapping[str, Growth]
    epochs: Mapping[str, Growth]
    """Growth per epoch, where labels carry epochs."""
    over_time: Mapping[str, Growth]
    """Growth over time, of what neither folds nor epochs can judge."""

    @property
    def first(self) -> Finding:
        """The finding that its name and its plan are taken from."""
        return self.findings[0]

    @property
    def is_isolated(self) -> bool:
        """Whether each of its folds had a process of its own."""
        return self.first.is_isolated and bool(self.first.process.folds)

    @property
    def checkpoints(self) -> list[Checkpoint]:
        """Its labelled readings, in order; all of them where none has a label."""
        processes = [finding.process for finding in self.findings]
        return [sample for one in processes for sample in one.checkpoints or one.readings]

    @property
    def axes(self) -> tuple[Mapping[str, Growth], ...]:
        """Its growth from fold to fold, from epoch to epoch and over time."""
        return self.growth, self.epochs, self.over_time

    @property
    def children(self) -> list[ChildGrowth]:
        """The child processes that grow, the worst first."""
        found = [child for finding in self.findings for child in finding.children]
        return sorted(found, key=lambda child: child.severity)

    @property
    def all_axes(self) -> list[Mapping[str, Growth]]:
        """Its growth and that of its children."""
        return [*self.axes, *(axis for child in self.children for axis in child.axes)]

    @property
    def by_fold(self) -> Mapping[str, Growth]:
        """Its growth from fold to fold, without what is judged over time for want of folds."""
        return {name: found for name, found in self.growth.items() if name not in self.over_time}

    @property
    def judged(self) -> Mapping[str, Growth]:
        """By resource, growth from fold to fold, or over time where that tells more."""
        return {**self.growth, **self.over_time}

    @property
    def folds(self) -> list[int]:
        """The folds that its labels name."""
        return sorted({fold for finding in self.findings for fold in finding.process.folds})

    @property
    def crashed(self) -> list[Finding]:
        """Those of its processes that ended in a crash."""
        return [finding for finding in self.findings if finding.process.crash]

    @property
    def notable(self) -> list[Finding]:
        """Those of its processes that there is something to say of, the crashed ones first."""
        found = [
            finding
            for finding in self.findings
            if finding.process.crash
            or finding.process.recovered
            or finding.process.handled_exceptions
            or finding.truncation
            or finding.notes
        ]
        return sorted(found, key=lambda finding: finding.process.crash is None)

    @property
    def first_crash(self) -> Finding:
        """The crash that is not a symptom of another, where there is one; there must be a crash.

        What failed comes before what somebody ended.
        """
        crashed = self.crashed
        roots = [f for f in crashed if f.symptom_of is None] or crashed
        return next((f for f in roots if f.process.crash and not f.process.crash.stops), roots[0])

    @property
    def lane(self) -> tuple[str, Lane]:
        """What it is one after another with: its run or log, and its lane there."""
        return self.first.process.group, self.first.lane

    @property
    def name(self) -> str:
        """The name of its run or log, and its rank where there are several."""
        group, number = self.first.process.group, self.first.process.rank
        words = os.path.basename(os.path.normpath(group)) or group
        return safe(words if number is None else f"{words}, rank {rank_name(number)}")

    @property
    def severity(self) -> tuple[int, int]:
        """Sorts the worst first: a crash, one that follows from another, a stop, the worst verdict."""
        verdicts = [growth.verdict for axis in self.all_axes for growth in axis.values()]
        ended = 3
        if self.crashed:
            first = self.first_crash
            is_stop = first.process.crash is not None and first.process.crash.stops
            ended = 2 if is_stop else int(first.symptom_of is not None)
        return (ended, min((verdict.severity for verdict in verdicts), default=len(Verdict)))

    @property
    def is_alarming(self) -> bool:
        """Whether one of its processes crashed, or one of its resources grows."""
        return bool(self.crashed or rises(self))

    @property
    def title(self) -> str:
        """Say what this is: folds, processes, pid."""
        process = self.first.process
        folds, planned = self.folds, process.folds_planned
        words = "no fold named"
        if folds:
            words = f"fold{'' if len(folds) == 1 else 's'} {ranges(folds)} of {planned or '?'}"
        if self.is_isolated:
            return f"{len(self.findings)} processes, one fold each: {words}"
        who = "process" if process.pid is None else f"process {process.pid}"
        number = self.first.process.rank
        return f"{who}{'' if number is None else f' of rank {rank_name(number)}'}: {words}"


def ranges(numbers: Sequence[int]) -> str:
    """Write ascending numbers, runs of three and more short: ``1-5, 7``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = [f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(words)


def group_findings(analysis: AnalysisResult) -> list[ProcessGroup]:
    """Group what was found, in the order of the sources; a process with nothing in it is left out."""
    groups: dict[object, list[Finding]] = {}
    for finding in analysis.findings:
        process = finding.process
        if finding.is_isolated and process.folds:
            groups.setdefault((process.group, finding.lane), []).append(finding)
        elif (
            process.checkpoints
            or process.matches
            or process.recovered
            or finding.over_time
            or finding.children
        ):
            groups[id(process)] = [finding]
    return [_part(tuple(findings)) for findings in groups.values()]


def _part(findings: tuple[Finding, ...]) -> ProcessGroup:
    growth = findings[0].growth
    if len(findings) > 1:
        growth = {
            name: replace(
                judged,
                last=findings[-1].growth[name].last,
                peak=max(
                    (peak for f in findings if (peak := f.growth[name].peak) is not None),
                    default=None,
                ),
            )
            for name, judged in growth.items()
        }
    return ProcessGroup(findings, growth, findings[0].epochs, findings[0].over_time)


def names(parts: Sequence[ProcessGroup]) -> str:
    """Name the first three runs and say how many more there are."""
    distinct = list(dict.fromkeys(part.name for part in parts))
    more = f" and {len(distinct) - 3} more" if len(distinct) > 3 else ""
    return ", ".join(distinct[:3]) + more


def rises(part: ProcessGroup) -> str:
    """Say what grows in ``part``: ``maps +730, rss +550 MB a fold``; empty where nothing does.

    What grows in a child process follows: ``maps +40 an epoch in DataLoader worker pid 812``.
    """
    growing = [
        {name: found for name, found in axis.items() if found.verdict.is_alarming}
        for axis in part.axes
    ]
    told = [slopes(axis) for axis in growing]
    for child in part.children[:CHILDREN_NAMED]:
        told += [f"{slopes(axis)} in {safe(child.name)}" for axis in child.axes if axis]
    if (more := len(part.children) - CHILDREN_NAMED) > 0:
        told.append(f"and {more} more child process{'es' if more > 1 else ''}")
    return "; ".join(filter(None, told))


def slopes(growth: Mapping[str, Growth]) -> str:
    """Write the slopes of resources, each unit once: ``maps +730, rss +550 MB a fold``."""
    words: dict[str, list[str]] = {}
    for name, found in growth.items():
        slope = f"{short_name(name)} {change(name, found.slope)}"
        if found.nature is not None and found.nature.nature != Nature.UNKNOWN:
            slope += f" ({found.nature.nature})"
        threads = next((part for part in found.grown if part.kind == "thread"), None)
        if name == "threads" and threads is not None and threads.share >= NEARLY_ALL:
            slope += f" ({thread_words(threads)})"
        words.setdefault(found.a_unit, []).append(slope)
    return "; ".join(f"{', '.join(several)} {a_unit}" for a_unit, several in words.items())


def rising(part: ProcessGroup) -> str:
    """Name what grows in ``part``: ``maps, rss``; empty where nothing does."""
    found = [one for axis in part.axes for one in axis.items()]
    grown = [short_name(name) for name, growth in found if growth.verdict.is_alarming]
    for child in part.children[:CHILDREN_NAMED]:
        grown += [
            f"{short_name(name)} of {safe(child.name)}" for axis in child.axes for name in axis
        ]
    return ", ".join(dict.fromkeys(grown))
