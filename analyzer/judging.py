"""`judge`: tables in, `AnalysisResult` out: judge growth, diagnose ends, say what helps."""

from __future__ import annotations

import math
import os
import time
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from analyzer.diagnosis.causes import diagnose, event_signs
from analyzer.diagnosis.child_remedies import child_remedies
from analyzer.diagnosis.commands import starts_ranks
from analyzer.diagnosis.exit_status import is_running, note_exit, note_gone
from analyzer.diagnosis.frameworks import shows_tensorflow
from analyzer.diagnosis.held import held_by
from analyzer.diagnosis.notes import notes
from analyzer.diagnosis.outcome import find_ending
from analyzer.diagnosis.remedies import remedies
from analyzer.diagnosis.run_end import RunEnds, discard_benign_matches, find_truncation, is_through
from analyzer.diagnosis.symptoms import Symptoms
from analyzer.formatting import odd_words, short_name
from analyzer.growth.by_process import (
    growth_from_epochs,
    growth_of,
    growth_over_time,
    judge_isolated_folds,
)
from analyzer.growth.child_growth import judge_children
from analyzer.growth.grown_threads import look_note
from analyzer.growth.odd_one_out import find_odd_ones
from analyzer.growth.pool_leaks import find_pool_leaks
from analyzer.growth.what_grew import with_nature, with_what_grew
from analyzer.processes.explained import read_explained
from analyzer.processes.from_log import Source
from analyzer.processes.lanes import lanes_of, ranks_in
from analyzer.processes.settled import tree_memory
from analyzer.resources import OF_CHILDREN
from analyzer.result import AnalysisResult, EarlierRun, Finding
from analyzer.runs import set_aside_runs, split_runs
from telemetry.formatting import MEBIBYTE
from telemetry.journal.skipped_line import SkippedLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from analyzer.diagnosis.causes import Cause
    from analyzer.growth.child_growth import ChildGrowth
    from analyzer.growth.odd_one_out import OddOne
    from analyzer.growth.verdict import Growth
    from analyzer.processes.from_log import Table
    from analyzer.processes.lanes import Lane
    from analyzer.processes.process import Process

REASON_KEPT = 200


def judge(tables: Iterable[Table]) -> AnalysisResult:
    """Judge what was read."""
    sources: list[Source] = []
    processes: list[Process] = []
    for table in tables:
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


class _LaneSequence:
    """The processes of one lane of a run, one after another: what they say together, found once."""

    def __init__(self, lane: Lane, processes: Sequence[Process], *, furthest: int) -> None:
        self.lane = lane
        self._superseded = _superseded(processes)
        self._followed = {id(a) for a, b in pairwise(processes) if _follows(b, a)}
        for process in processes:
            if not is_through(process, is_followed=self.is_followed(process)):
                note_gone(process)
            discard_benign_matches(process, is_followed=self.is_followed(process))
        labelled = [process for process in processes if process.checkpoints]
        self._last = labelled[-1] if labelled else None
        self.launcher: Sequence[str] = ()
        """The command line that started the ranks of its run; empty where that is not recorded."""
        self.odd: Sequence[OddOne] = ()
        """How its rank differs from the others, as its last process shows."""
        with_folds = [process for process in labelled if process.folds]
        self.endings = RunEnds(with_folds, furthest=furthest)
        self.isolated = judge_isolated_folds(with_folds)

    def odd_notes(self, process: Process) -> Iterator[str]:
        """Say of the last process how its rank differs from the others."""
        if process is self._last:
            yield from map(odd_words, self.odd)

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
    sequences: dict[int, _LaneSequence] = {}
    lanes = lanes_of(processes)
    odd = find_odd_ones(ranks_in(lanes))
    launchers = (one.argv for one in processes if one.rank is None and starts_ranks(one.argv))
    launcher = next(launchers, ())
    for lane, found in lanes.items():
        sequence = _LaneSequence(lane, found, furthest=furthest[lane.rank])
        sequence.odd, sequence.launcher = odd.get(lane, ()), launcher
        sequences |= dict.fromkeys(map(id, found), sequence)
    symptoms = Symptoms(processes)
    has_tensorflow = any(map(shows_tensorflow, processes))
    return [
        _finding(process, sequences[id(process)], symptoms, has_tensorflow=has_tensorflow)
        for process in processes
    ]


def _finding(
    process: Process, lane: _LaneSequence, symptoms: Symptoms, *, has_tensorflow: bool
) -> Finding:
    explained = read_explained(process.source, process.folds)
    growth = with_what_grew(growth_of(process, lane.isolated), process, explained)
    epochs = growth_from_epochs(process, growth)
    over_time = {} if lane.isolated is not None else growth_over_time(process, growth, epochs)
    epochs, over_time = (with_nature(found, process) for found in (epochs, over_time))
    causes, children = diagnose(process, growth), judge_children(process)
    return Finding(
        process,
        growth,
        tuple(causes),
        tuple(find_pool_leaks(process)),
        lane.isolated is not None,
        lane=lane.lane,
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
        notes=tuple(_notes(process, lane, growth, causes)),
        remedies=(
            *child_remedies(children, argv=process.argv, folds=process.folds_planned),
            *remedies(
                growth,
                epochs,
                over_time,
                causes,
                has_tensorflow=has_tensorflow,
                signs=event_signs(process),
                is_recorded=process.is_recorded,
                is_isolated=lane.isolated is not None or _grows_in_children(children, growth),
                argv=lane.launcher if process.rank is not None and lane.launcher else process.argv,
                folds=process.folds_planned,
                held=held_by(process),
            ),
        ),
    )


def _grows_in_children(children: Sequence[ChildGrowth], growth: Mapping[str, Growth]) -> bool:
    """Whether what grows does so in children alone, which can be ended without a process for each fold."""
    own = (one for name, one in growth.items() if name not in OF_CHILDREN - {"descendants"})
    return bool(children) and not any(one.verdict.is_alarming for one in own)


def _notes(
    process: Process, lane: _LaneSequence, growth: Mapping[str, Growth], causes: list[Cause]
) -> Iterator[str]:
    yield from notes(process, causes)
    yield from _looks_note(process, growth)
    yield from _tree_note(process)
    yield from lane.odd_notes(process)


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
