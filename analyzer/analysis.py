"""`analyze`: paths in, `Analysis` out.

Owns the order of the steps (find, read, judge, diagnose) and the overall verdict. It must not know
how the result is shown.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from analyzer.attribution import LeftBehind, left_behind
from analyzer.diagnosis import Cause, diagnose, notes
from analyzer.endings import Endings, settle, stopped
from analyzer.epochs import judge_epochs
from analyzer.growth import FLOORS, RESOURCES, Growth, judge, judge_isolated
from analyzer.remedies import Remedy, remedies, without_repeats
from analyzer.sources import find_inputs, read_inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd
    from matplotlib.figure import Figure

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
    epochs: Mapping[str, Growth] = field(default_factory=dict)
    """Growth from epoch to epoch by resource; empty where no label names an epoch. Its ``per_fold``
    and ``folds_to_limit`` are per epoch."""
    stopped: str | None = None
    """That the record ends in the middle of a fold and nothing says why; None where it does not."""
    symptom_of: str | None = None
    """The failure of another process of the run that this one's signs follow from."""
    notes: tuple[str, ...] = ()
    """What the evidence comes to: what was near, what contradicts, what to record next time."""
    remedies: tuple[Remedy, ...] = ()


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
        verdicts = {
            growth.verdict
            for finding in self.findings
            for growth in (*finding.growth.values(), *finding.epochs.values())
        }
        for verdict in ("critical", "growing"):
            if verdict in verdicts:
                return verdict
        has_labels = any(finding.process.samples for finding in self.findings)
        return "ok" if has_labels else "no samples"

    @property
    def root_cause(self) -> Finding | None:
        """The finding whose crash the others follow from; None without a crash."""
        crashed = [finding for finding in self.findings if finding.process.crash]
        return next((f for f in crashed if f.symptom_of is None), next(iter(crashed), None))

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """The steps of all findings, no step twice."""
        return without_repeats(step for finding in self.findings for step in finding.remedies)

    def checkpoints(self) -> pd.DataFrame:
        """Return one row per labelled reading; the columns are those of frames.CHECKPOINTS."""
        from analyzer import frames  # noqa: PLC0415 - a notebook asks for it, the command does not

        return frames.checkpoints(self)

    def growth(self) -> pd.DataFrame:
        """Return one row per process and resource; the columns are those of frames.GROWTH."""
        from analyzer import frames  # noqa: PLC0415 - see `checkpoints`

        return frames.growth(self)

    def figure(self) -> Figure:
        """Return the picture that ``--plot`` writes. Raises InputError where nothing was recorded."""
        from analyzer import figures  # noqa: PLC0415 - see `checkpoints`

        return figures.plot(self)

    def _repr_html_(self) -> str:
        """Show the page of ``--html`` in a notebook, in a frame of its own."""
        from analyzer import html_report  # noqa: PLC0415 - see `checkpoints`

        return html_report.as_notebook_cell(html_report.as_html(self))


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
        settle(process)
        groups[process.group].append(process)
    return Analysis(
        tuple(sources),
        tuple(finding for group in groups.values() for finding in _judge_group(group)),
    )


class _Lane:
    """The processes of one rank of a run, one after another: what they say together, found once."""

    def __init__(self, processes: Iterable[Process]) -> None:
        with_folds = [process for process in processes if process.folds]
        self.endings = Endings(with_folds)
        self.isolated: Mapping[str, Growth] | None = None
        """Growth over the processes, where each of several folds had one of its own."""
        if len(with_folds) > 1 and all(len(process.folds) == 1 for process in with_folds):
            self.isolated = {name: _judge_isolated(with_folds, name) for name in RESOURCES}

    def growth(self, process: Process) -> Mapping[str, Growth]:
        if self.isolated is not None and process.folds:
            return self.isolated
        return {name: _judge(process, name) for name in RESOURCES}


def _judge_group(processes: list[Process]) -> list[Finding]:
    by_rank: dict[str | None, list[Process]] = defaultdict(list)
    for process in processes:
        by_rank[process.rank].append(process)
    lanes = {rank: _Lane(found) for rank, found in by_rank.items()}
    symptom = _symptom(processes)
    return [_finding(process, lanes[process.rank], symptom) for process in processes]


def judge_growth(process: Process, of_run: Iterable[Process]) -> dict[str, Growth]:
    """Judge every resource of ``process``, one of the processes ``of_run``."""
    return _growth(process, _Lane(of_run))


def _growth(process: Process, lane: _Lane) -> dict[str, Growth]:
    judged = lane.growth(process)
    return {name: _with_levels(judged[name], process, name) for name in RESOURCES}


def _finding(process: Process, lane: _Lane, symptom: str | None) -> Finding:
    growth = _growth(process, lane)
    epochs = {
        name: _with_levels(found, process, name)
        for name in RESOURCES
        if (found := judge_epochs(process, name, by_fold=growth[name]))
    }
    causes = diagnose(process, growth)
    return Finding(
        process,
        growth,
        tuple(causes),
        tuple(left_behind(process)),
        lane.isolated is not None,
        epochs=epochs,
        stopped=stopped(process, quiet_seconds=_quiet_seconds(process), others=lane.endings),
        symptom_of=symptom if process.crash is not None and process.crash.is_secondary else None,
        notes=notes(process, growth, causes),
        remedies=remedies(growth, epochs, causes),
    )


def _symptom(processes: list[Process]) -> str | None:
    """Name the first failure of the run that does not follow from another; the others may from it."""
    for process in processes:
        crash = process.crash
        if crash is not None and not crash.is_secondary:
            where = f", line {crash.line}" if crash.line else ""
            return f"{crash.signature} ({process.source}{where}): {crash.text}"
    return None


def _quiet_seconds(process: Process) -> float | None:
    """Return how long ago its record was written to; None for what is no file."""
    if process.last_reading is not None:
        return time.time() - process.last_reading.time
    try:
        return time.time() - os.stat(process.source).st_mtime
    except OSError:
        return None


def _judge_isolated(processes: Sequence[Process], resource: str) -> Growth:
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
