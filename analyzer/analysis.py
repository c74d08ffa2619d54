"""`analyze`: paths in, `Analysis` out.

Owns the order of the steps (find, read, judge, diagnose) and the overall verdict. It must not know
how the result is shown.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from analyzer.attribution import LeftBehind, left_behind
from analyzer.diagnosis import Cause, diagnose, notes
from analyzer.endings import Endings, Stop, settle, stopped
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
NO_FOLD = "no label names a fold (Fold 1/3 ...; in --pattern (?P<fold>...), or (?P<epoch>...))"


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
    stopped: Stop | None = None
    """That the record ends before the run is through and nothing says why; None where it does not."""
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
    def is_alarming(self) -> bool:
        """Whether a resource grows, or a process crashed and a limit may be why."""
        return self.verdict in {"critical", "growing"} or any(
            cause.cause != "not_a_limit" and cause.standing != "ruled out"
            for finding in self.findings
            for cause in finding.causes
        )

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
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    patterns: Sequence[UserPattern] = (),
    tell: Callable[[int], None] | None = None,
) -> Analysis:
    """Read a path or several (logs, journals, directories, or "-") and judge them. Raises InputError.

    ``patterns`` also take readings from lines that are not ``[THREADS]`` lines; ``tell`` is told now
    and then how many bytes of logs are read.
    """
    sources: list[Source] = []
    processes: list[Process] = []
    several = [paths] if isinstance(paths, (str, os.PathLike)) else paths
    for table in read_inputs(
        find_inputs([os.fspath(path) for path in several]), patterns=patterns, tell=tell
    ):
        sources += table.sources
        processes += table.processes
    groups: dict[str, list[Process]] = defaultdict(list)
    furthest: dict[str | None, int] = defaultdict(int)
    for process in processes:
        groups[process.group].append(process)
        furthest[process.rank] = max(furthest[process.rank], *process.folds, 0)
    return Analysis(
        tuple(sources),
        tuple(finding for group in groups.values() for finding in _judge_group(group, furthest)),
    )


class _Lane:
    """The processes of one rank of a run, one after another: what they say together, found once."""

    def __init__(self, processes: Sequence[Process], *, furthest: int) -> None:
        self._followed = {id(a) for a, b in pairwise(processes) if _follows(b, a)}
        for process in processes:
            settle(process, is_followed=self.is_followed(process))
        with_folds = [process for process in processes if process.folds]
        self.endings = Endings(with_folds, furthest=furthest)
        self.isolated = _judge_processes(with_folds)

    def is_followed(self, process: Process) -> bool:
        """Whether another process began where it ended."""
        return id(process) in self._followed


def _follows(later: Process, earlier: Process) -> bool:
    if not (later.samples and earlier.samples):
        return False
    ended, began = earlier.samples[-1].time, later.samples[0].time
    if ended is None or began is None:
        return later.source == earlier.source
    return ended <= began


def _judge_group(processes: list[Process], furthest: Mapping[str | None, int]) -> list[Finding]:
    by_rank: dict[str | None, list[Process]] = defaultdict(list)
    for process in processes:
        by_rank[process.rank].append(process)
    lanes = {rank: _Lane(found, furthest=furthest[rank]) for rank, found in by_rank.items()}
    symptom = _symptom(processes)
    has_tensorflow = any(process.shows_tensorflow for process in processes)
    return [
        _finding(process, lanes[process.rank], symptom, has_tensorflow=has_tensorflow)
        for process in processes
    ]


def judge_growth(process: Process, of_run: Iterable[Process]) -> dict[str, Growth]:
    """Judge every resource of ``process``, one of the processes ``of_run``."""
    return _growth(process, _judge_processes([one for one in of_run if one.folds]))


def _judge_processes(with_folds: Sequence[Process]) -> Mapping[str, Growth] | None:
    """Judge growth over the processes; None but where each of several folds had one of its own."""
    if len(with_folds) > 1 and all(len(process.folds) == 1 for process in with_folds):
        return {name: _judge_isolated(with_folds, name) for name in RESOURCES}
    return None


def _growth(process: Process, isolated: Mapping[str, Growth] | None) -> dict[str, Growth]:
    if isolated is None or not process.folds:
        isolated = {name: _judge(process, name) for name in RESOURCES}
    return {name: _with_levels(isolated[name], process, name) for name in RESOURCES}


def _finding(
    process: Process, lane: _Lane, symptom: str | None, *, has_tensorflow: bool
) -> Finding:
    growth = _growth(process, lane.isolated)
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
        stopped=stopped(
            process,
            quiet_seconds=_quiet_seconds(process),
            others=lane.endings,
            is_followed=lane.is_followed(process),
        ),
        symptom_of=symptom if process.crash is not None and process.crash.is_secondary else None,
        notes=notes(process, growth, causes),
        remedies=remedies(growth, epochs, causes, has_tensorflow=has_tensorflow),
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
    growth = judge(
        series,
        floor=FLOORS[resource],
        level_at_end=process.peaks.get(resource),
        limit=limit if isinstance(limit, int) else None,
        folds_planned=process.folds_planned,
    )
    if growth.verdict == "inconclusive" and not process.folds:
        return replace(growth, reason=NO_FOLD)
    return growth


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
