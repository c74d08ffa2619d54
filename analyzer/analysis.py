"""`analyze`: paths in, `Analysis` out.

Owns the order of the steps (find, read, judge, diagnose) and the overall verdict. It must not know
how the result is shown.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analyzer.attribution import LeftBehind, left_behind
from analyzer.diagnosis import Cause, diagnose
from analyzer.growth import FLOORS, RESOURCES, Growth, judge, judge_isolated
from analyzer.sources import find_inputs, read_inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from analyzer.log_table import Process, Source
    from analyzer.user_pattern import UserPattern

NOT_RECORDED = Growth(verdict="inconclusive", reason="not recorded")


@dataclass(frozen=True, slots=True)
class Finding:
    """One process with what is found about it; ``growth`` by the names of RESOURCES."""

    process: Process
    growth: Mapping[str, Growth]
    causes: tuple[Cause, ...]
    left: tuple[LeftBehind, ...]
    is_isolated: bool
    """Whether each fold of its run had a process of its own."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """All that was read and found."""

    sources: tuple[Source, ...]
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """crashed, critical, growing, ok or no samples: the first that holds."""
        if any(finding.process.crash for finding in self.findings):
            return "crashed"
        verdicts = {growth.verdict for f in self.findings for growth in f.growth.values()}
        for verdict in ("critical", "growing"):
            if verdict in verdicts:
                return verdict
        return "ok" if any(source.samples for source in self.sources) else "no samples"


def analyze(
    paths: Iterable[str],
    *,
    patterns: Sequence[UserPattern] = (),
    tell: Callable[[int], None] | None = None,
) -> Analysis:
    """Read logs, journals, directories or "-" and judge them. Raises InputError.

    ``patterns`` also take readings from lines that are not ``[THREADS]`` lines; ``tell`` is told now
    and then how many bytes of logs are read.
    """
    sources: list[Source] = []
    processes: list[Process] = []
    for table in read_inputs(find_inputs(paths), patterns=patterns, tell=tell):
        sources += table.sources
        processes += table.processes
    groups: dict[str, list[Process]] = defaultdict(list)
    for process in processes:
        groups[process.group].append(process)
    return Analysis(
        tuple(sources),
        tuple(finding for group in groups.values() for finding in _judge_group(group)),
    )


def _judge_group(processes: list[Process]) -> list[Finding]:
    with_folds = [process for process in processes if process.folds]
    is_isolated = len(with_folds) > 1 and all(len(p.folds) == 1 for p in with_folds)
    findings = []
    for process in processes:
        if is_isolated and process.folds:
            judged = {name: _judge_isolated(with_folds, name) for name in RESOURCES}
        else:
            judged = {name: _judge(process, name) for name in RESOURCES}
        growth = {name: _with_levels(judged[name], process, name) for name in RESOURCES}
        left = tuple(left_behind(process))
        findings.append(Finding(process, growth, tuple(diagnose(process)), left, is_isolated))
    return findings


def _judge_isolated(processes: list[Process], resource: str) -> Growth:
    series: dict[str, dict[int, float]] = defaultdict(dict)
    for process in processes:
        for stage, values in process.series(resource).items():
            series[stage].update(values)
    return judge_isolated(series) if series else NOT_RECORDED


def _judge(process: Process, resource: str) -> Growth:
    series = process.series(resource)
    if not series and not process.peaks.get(resource):
        return NOT_RECORDED
    limit = process.limit(resource)
    return judge(
        series,
        floor=FLOORS[resource],
        level_at_end=process.peaks.get(resource),
        limit=limit if isinstance(limit, int) else None,
        folds_planned=process.folds_planned,
    )


def _with_levels(growth: Growth, process: Process, resource: str) -> Growth:
    values = process.samples.known(resource)
    limit = process.limit(resource)
    return replace(
        growth,
        first=values[0] if values else None,
        last=values[-1] if values else None,
        peak=process.peaks.get(resource),
        limit=limit if isinstance(limit, int) else None,
    )
