"""`analyze`: paths in, `AnalysisResult` out: find, read, judge, diagnose."""

from __future__ import annotations

import math
import os
import time
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from analyzer.diagnosis.causes import diagnose, event_signs
from analyzer.diagnosis.child_remedies import child_remedies
from analyzer.diagnosis.exit_status import is_running, note_exit, note_gone
from analyzer.diagnosis.frameworks import shows_tensorflow
from analyzer.diagnosis.notes import notes
from analyzer.diagnosis.outcome import find_ending
from analyzer.diagnosis.remedies import remedies
from analyzer.diagnosis.run_end import RunEnds, discard_benign_matches, find_truncation, is_through
from analyzer.diagnosis.symptoms import Symptoms
from analyzer.formatting import short_name
from analyzer.growth.child_growth import judge_children
from analyzer.growth.epochs import judge_epochs
from analyzer.growth.grown_threads import look_note
from analyzer.growth.over_time import FEWEST_READINGS, judge_over_time
from analyzer.growth.pool_leaks import find_pool_leaks
from analyzer.growth.verdict import Growth, Verdict, judge, judge_isolated
from analyzer.growth.what_grew import with_nature, with_what_grew
from analyzer.logs.known_formats import Kind
from analyzer.logs.scan_options import PLAIN
from analyzer.processes.explained import read_explained
from analyzer.processes.from_log import Source
from analyzer.processes.inputs import find_inputs, read_inputs
from analyzer.processes.settled import tree_memory
from analyzer.resources import COLUMNS, OF_CHILDREN, RESOURCES
from analyzer.result import AnalysisResult, EarlierRun, Finding
from analyzer.runs import set_aside_runs, split_runs
from telemetry.errors import InputError
from telemetry.formatting import MEBIBYTE
from telemetry.journal.follower import SkippedLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from analyzer.logs.scan_options import ScanOptions
    from analyzer.processes.from_log import Process

REASON_KEPT = 200
NOT_RECORDED = Growth(verdict=Verdict.INCONCLUSIVE, reason="not recorded")
_UNJUDGED = {
    Kind.CURRENT: "no fold is named",
    Kind.PEAK: "a peak so far, which is judged from epoch to epoch alone, and no epoch is named",
    Kind.SUMMARY: "the peak of the whole run, which says nothing of growth",
}
"""Why a number that a log prints by itself is not judged by folds."""
NO_FOLD = "no label names a fold (Fold 1/3 ...; in --pattern (?P<fold>...), or (?P<epoch>...))"
FEW_READINGS = f"{NO_FOLD}, and fewer than {FEWEST_READINGS} readings do not tell over time"


def analyze(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    options: ScanOptions = PLAIN,
    progress: Callable[[int], None] | None = None,
) -> AnalysisResult:
    """Read a path or several (logs, journals, directories, or "-") and judge them. Raises InputError.

    ``progress`` is told now and then how many bytes of logs are read.
    """
    sources: list[Source] = []
    processes: list[Process] = []
    several = [paths] if isinstance(paths, (str, os.PathLike)) else paths
    for table in read_inputs(
        find_inputs([os.fspath(path) for path in several]), options=options, progress=progress
    ):
        sources += table.sources
        processes += table.processes
    groups: dict[str, list[Process]] = defaultdict(list)
    furthest: dict[str | None, int] = defaultdict(int)
    for process in processes:
        groups[process.group].append(process)
        furthest[process.rank] = max(furthest[process.rank], *process.folds, 0)
    findings: list[Finding] = []
    earlier: list[EarlierRun] = []
    for directory, group in groups.items():
        try:
            for process in group:
                note_exit(process)
            *before, last = split_runs(group)
            findings += _judge_group(last, furthest)
            earlier += _earlier_runs(directory, before, last, furthest)
        except Exception as error:  # the bulkhead between one run and the others
            if len(groups) == 1:
                raise
            reason = f"cannot be judged: {type(error).__name__}: {error}"
            sources.append(Source(path=directory, skipped=[SkippedLine(0, reason[:REASON_KEPT])]))
    return AnalysisResult(tuple(sources), tuple(findings), tuple(earlier))


def analyze_earlier(analysis: AnalysisResult, *, options: ScanOptions = PLAIN) -> AnalysisResult:
    """Judge the run before the last one of the same directory. Raises InputError where there is none."""
    runs = analysis.earlier_runs
    if not runs:
        raise InputError(
            "--compare: no earlier run in the same directory; name what to compare with"
        )
    if len(directories := {run.directory for run in runs}) > 1:
        words = f"--compare: {len(directories)} directories hold earlier runs"
        raise InputError(f"{words}; analyze one of them, or name what to compare with")
    if runs[-1].findings is None:
        return analyze(runs[-1].path, options=options)
    return AnalysisResult((), runs[-1].findings)


def _earlier_runs(
    directory: str,
    before: list[list[Process]],
    last: list[Process],
    furthest: Mapping[str | None, int],
) -> Iterator[EarlierRun]:
    """Give the runs before the last one: those that a runner moved away, and those in the same files."""
    began = min((one.span[0] for one in last if one.span is not None), default=None)
    for path, ended in set_aside_runs(directory):
        yield EarlierRun(path, directory, None if began is None else began - ended)
    for run in before:
        end = max((one.span[1] for one in run if one.span is not None), default=None)
        seconds = None if began is None or end is None else began - end
        findings = tuple(_judge_group(run, furthest))
        yield EarlierRun(directory, directory, seconds, findings)


class _RankSequence:
    """The processes of one rank of a run, one after another: what they say together, found once."""

    def __init__(self, processes: Sequence[Process], *, furthest: int) -> None:
        self._superseded = _superseded(processes)
        self._followed = {id(a) for a, b in pairwise(processes) if _follows(b, a)}
        for process in processes:
            if not is_through(process, is_followed=self.is_followed(process)):
                note_gone(process)
            discard_benign_matches(process, is_followed=self.is_followed(process))
        with_folds = [process for process in processes if process.folds]
        self.endings = RunEnds(with_folds, furthest=furthest)
        self.isolated = _judge_processes(with_folds)

    def is_superseded(self, process: Process) -> bool:
        """Whether a later attempt took up what it was at; another fold's process does not."""
        return id(process) in self._superseded

    def is_followed(self, process: Process) -> bool:
        """Whether another process began where it ended."""
        return id(process) in self._followed


def _superseded(processes: Sequence[Process]) -> set[int]:
    """Return the ids of the processes that a later one of them went over again."""
    found: set[int] = set()
    lowest = (
        math.inf
    )  # of the folds that later processes began with; one that names none is another attempt
    for process in reversed(processes):
        if max(process.folds, default=lowest if lowest < math.inf else -1) >= lowest:
            found.add(id(process))
        if process.checkpoints:
            lowest = min(lowest, min(process.folds, default=0))
    return found


def _follows(later: Process, earlier: Process) -> bool:
    if not (later.checkpoints and earlier.checkpoints):
        return False
    ended, began = earlier.checkpoints[-1].time, later.checkpoints[0].time
    if ended is None or began is None:
        return later.source == earlier.source
    return ended <= began


def _judge_group(processes: list[Process], furthest: Mapping[str | None, int]) -> list[Finding]:
    by_rank: dict[str | None, list[Process]] = defaultdict(list)
    for process in processes:
        by_rank[process.rank].append(process)
    lanes = {rank: _RankSequence(found, furthest=furthest[rank]) for rank, found in by_rank.items()}
    symptoms = Symptoms(processes)
    has_tensorflow = any(map(shows_tensorflow, processes))
    return [
        _finding(process, lanes[process.rank], symptoms, has_tensorflow=has_tensorflow)
        for process in processes
    ]


def judge_growth(process: Process, of_run: Iterable[Process]) -> dict[str, Growth]:
    """Judge every resource of ``process``, one of the processes ``of_run``, and tell what grew as far as is known."""
    isolated = _judge_processes([one for one in of_run if one.folds])
    return with_what_grew(_growth(process, isolated), process)


def _judge_processes(with_folds: Sequence[Process]) -> Mapping[str, Growth] | None:
    """Judge growth over the processes; None but where each of several folds had one of its own."""
    if len(with_folds) > 1 and all(len(process.folds) == 1 for process in with_folds):
        names = [name for name in RESOURCES if any(_is_judged(one, name) for one in with_folds)]
        return {name: _judge_isolated(with_folds, name) for name in names}
    return None


def _growth(process: Process, isolated: Mapping[str, Growth] | None) -> dict[str, Growth]:
    if isolated is None or not process.folds:
        isolated = {name: _judge(process, name) for name in RESOURCES if _is_judged(process, name)}
    return {name: _with_levels(found, process, name) for name, found in isolated.items()}


def _is_judged(process: Process, resource: str) -> bool:
    """Whether a resource is one of a ``[THREADS]`` line, or was recorded besides and says more."""
    if resource in OF_CHILDREN and process.readings.peak("descendants") == 0:
        return False  # the process is its own tree
    return resource in COLUMNS or resource in process.readings.columns


def _over_time(
    process: Process, growth: Mapping[str, Growth], epochs: Mapping[str, Growth]
) -> dict[str, Growth]:
    """Judge over time what has no slope from fold to fold, nor from epoch to epoch."""
    return {
        name: _with_levels(found, process, name)
        for name in growth
        if growth[name].slope is None
        and (name not in epochs or epochs[name].slope is None)
        and _is_current(process, name)
        and (found := judge_over_time(process, name))
    }


def _is_current(process: Process, resource: str) -> bool:
    """Whether its readings may fall again: a peak so far is a staircase, which over time is no growth."""
    known = process.formats.get(resource)
    return known is None or known.kind == Kind.CURRENT


def _finding(
    process: Process, lane: _RankSequence, symptoms: Symptoms, *, has_tensorflow: bool
) -> Finding:
    explained = read_explained(process.source, process.folds)
    growth = with_what_grew(_growth(process, lane.isolated), process, explained)
    epochs = {
        name: _with_levels(found, process, name)
        for name in growth
        if (found := judge_epochs(process, name, by_fold=growth[name]))
    }
    over_time = {} if lane.isolated is not None else _over_time(process, growth, epochs)
    epochs, over_time = (with_nature(found, process) for found in (epochs, over_time))
    causes, children = diagnose(process, growth), judge_children(process)
    return Finding(
        process,
        growth,
        tuple(causes),
        tuple(find_pool_leaks(process)),
        lane.isolated is not None,
        epochs=epochs,
        over_time=over_time,
        children=children,
        ending=find_ending(process, is_followed=lane.is_followed(process)),
        is_superseded=lane.is_superseded(process),
        truncation=find_truncation(
            process,
            quiet_seconds=_quiet_seconds(process),
            others=lane.endings,
            is_followed=lane.is_followed(process),
            is_running=is_running(process),
        ),
        symptom_of=symptoms.explain(process),
        notes=(*notes(process, causes), *_looks_note(process, growth), *_tree_note(process)),
        remedies=(
            *child_remedies(children),
            *remedies(
                growth,
                epochs,
                over_time,
                causes,
                has_tensorflow=has_tensorflow,
                signs=event_signs(process),
                is_recorded=process.is_recorded,
                is_isolated=lane.isolated is not None,
                argv=process.argv,
                folds=process.folds_planned,
            ),
        ),
    )


def _tree_note(process: Process) -> Iterator[str]:
    """Say what the process and its descendants take together, each page counted once."""
    tree = tree_memory(process.settled)
    if tree.get("processes", 0) > 1:
        size, own, rss = (
            f"{tree.get(name, 0) / MEBIBYTE:,.0f} MB"
            for name in ("pss_bytes", "uss_bytes", "rss_bytes")
        )
        yield (
            f"the process and its {tree['processes'] - 1:,} descendants took {size} together (PSS), {own} of it unshared (USS);"
            f" their RSS adds up to {rss}"
        )


def _looks_note(process: Process, growth: Mapping[str, Growth]) -> Iterator[str]:
    """Say of what grows that its calls, though they were followed, do not tell where; of one look at its threads."""
    untold = [
        short_name(name)
        for name, one in growth.items()
        if one.verdict.is_alarming and not any(part.kind == "code" for part in one.grown)
    ]
    if process.books is not None and untold:
        grow = f"{', '.join(untold)} {'grows' if len(untold) == 1 else 'grow'}"
        yield (
            f"in which function {grow} is not known: a profiler ran, beside which no calls are followed"
            if process.books.last.is_barred
            else f"in which function {grow} is not known: no single call accounts for it, or it could not be counted often enough"
        )
    yield from look_note(process.native_threads, growth)


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
        floor=RESOURCES[resource].floor,
        level_at_end=process.peaks.get(resource),
        limit=limit if isinstance(limit, int) else None,
        folds_planned=process.folds_planned,
    )
    if growth.verdict == Verdict.INCONCLUSIVE and not process.folds:
        known = process.formats.get(resource)
        if known is not None:
            return replace(growth, reason=_UNJUDGED[known.kind])
        is_few = len(process.readings.known(resource)) < FEWEST_READINGS
        return replace(growth, reason=FEW_READINGS if is_few else NO_FOLD)
    return growth


def _with_levels(growth: Growth, process: Process, resource: str) -> Growth:
    readings = (
        process.checkpoints if growth.unit == "fold" and process.checkpoints else process.readings
    )
    values = readings.known(resource)
    limit = process.limit(resource)
    return replace(
        growth,
        first=values[0] if values else None,
        last=values[-1] if values else None,
        peak=process.peaks.get(resource),
        limit=limit if isinstance(limit, int) else None,
    )
