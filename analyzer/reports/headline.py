"""The headline of an analysis and its root cause, one sentence each, from what was found before."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from analyzer.diagnosis.child_evidence import named_child
from analyzer.diagnosis.confidence import Confidence
from analyzer.diagnosis.exit_status import is_running
from analyzer.diagnosis.outcome import Outcome
from analyzer.formatting import cause_title, rank_name, safe, to_limit
from analyzer.groups import ProcessGroup, rises, rising, slopes
from analyzer.growth.nature import Nature
from analyzer.growth.over_time import CAVEAT
from analyzer.growth.verdict import Verdict
from analyzer.reports.rank_words import rises_of_ranks
from analyzer.resources import RESOURCES
from analyzer.result import OverallVerdict
from analyzer.signatures.signature import NOT_A_LIMIT
from telemetry.formatting import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.diagnosis.causes import Cause
    from analyzer.diagnosis.run_end import Truncation
    from analyzer.result import AnalysisResult, EarlierRun, Finding
    from analyzer.signatures.search import SignatureMatch

CAUSES_NAMED = 3
EARLIER_NAMED = 3
SAID = 160
"""Characters of a line of the log in a headline."""


def headline(analysis: AnalysisResult, parts: Sequence[ProcessGroup]) -> str:
    """Say in one line what a tired reader has to know: how it ended, and what grows."""
    verdict = analysis.verdict
    if not parts or verdict == OverallVerdict.NO_SAMPLES:
        return _headline_without_readings(analysis)
    worst = min(parts, key=lambda part: part.severity)
    if verdict == OverallVerdict.CRASHED:
        return _headline_of_a_crash(analysis, parts, worst)
    grown = _rises_in_run(worst, parts)
    if verdict == OverallVerdict.STOPPED:
        words = f"STOPPED{_where(worst)} {_by_whom(worst.first_crash.causes)}"
        return f"{words}; {grown}" if grown else words
    if verdict in {OverallVerdict.CRITICAL, OverallVerdict.GROWING}:
        soonest = min(
            (
                (growth.folds_to_limit, growth.unit)
                for axis in worst.all_axes
                for growth in axis.values()
                if growth.verdict.is_alarming and growth.folds_to_limit is not None
            ),
            default=None,
        )
        left = to_limit(soonest[0], unit=soonest[1]) if soonest else ""
        return f"{verdict.upper()}: {grown}" + (f"; {left}" if left else "")
    return _headline_of_a_calm_run(parts)


def _headline_of_a_crash(
    analysis: AnalysisResult, parts: Sequence[ProcessGroup], worst: ProcessGroup
) -> str:
    words, grown = f"CRASHED{_where(worst)}", _rises_in_run(worst, parts)
    crashed = [f for part in parts for f in part.crashed if f.process.crash]
    ended = sum(f.process.crash is not None and not f.process.crash.stops for f in crashed)
    if ended > 1:
        words += f" ({ended} processes of {len(analysis.findings)})"
    if grown:
        return f"{words}; {grown}"
    if any(growth.slope is not None for growth in worst.judged.values()):
        return f"{words}; no resource is seen to grow"
    return f"{words}: {_said(worst.first_crash.process.crash)}"


def _rises_in_run(worst: ProcessGroup, parts: Sequence[ProcessGroup]) -> str:
    """Say what grows in ``worst``, else in another rank of its run: the one that ended need not be the one that grew."""
    group = worst.first.process.group
    others = [part for part in parts if part.first.process.group == group and rises(part)]
    most = worst if rises(worst) else min(others, key=lambda part: part.severity, default=worst)
    return rises_of_ranks(most, parts)


_WHO = {
    "time_limit": "at its time limit",
    "preempted": "by preemption",
    "interrupted": "by a person, a scheduler or a launcher",
}


def _by_whom(causes: Sequence[Cause]) -> str:
    return _WHO.get(causes[0].cause if causes else "", "from outside")


def _said(sign: SignatureMatch | None) -> str:
    """Return the line that says how it ended, short."""
    if sign is None:
        return "no line says why"
    where = f" (line {sign.line})" if sign.line else ""
    return f"{safe(sign.text, longest=SAID)}{where}"


def _headline_without_readings(analysis: AnalysisResult) -> str:
    """Say how a run ended of which no reading was found."""
    said = next((f.ending for f in analysis.findings if f.ending is not None), None)
    nothing = "no reading with a label was found, so growth cannot be judged"
    if said is not None and said.outcome == Outcome.FINISHED:
        where = f" (line {said.line})" if said.line else ""
        return f"FINISHED: {safe(said.reason, longest=SAID)}{where}; {nothing}"
    running = next((f.ending for f in analysis.findings if is_running(f.process)), None)
    if running is not None:
        return f"RUNNING: {running.reason}; {nothing}"
    return f"NOTHING TO JUDGE: no ending is recorded, and {nothing}"


def _headline_of_a_calm_run(parts: Sequence[ProcessGroup]) -> str:
    stop, rises_so_far = _stop(parts), _open_rises(parts)
    if stop is not None:
        words = f"NO ENDING RECORDED: the record ends {stop.where}"
        words += ", and it runs on or was cut off" if stop.may_go_on else ", so it was cut off"
        if stop.is_running:
            words = f"RUNNING: its process is there, and the record ends {stop.where}"
        return f"{words}; {rises_so_far}" if rises_so_far else words
    if rises_so_far:
        return f"OK so far: {rises_so_far}"
    judged = [growth for part in parts for axis in part.axes for growth in axis.values()]
    if all(growth.verdict == Verdict.INCONCLUSIVE for growth in judged):
        return "OK, as far as can be told: too few folds to judge growth"
    return f"OK: nothing grows in a way that endangers the run ({_how_much(parts)})"


def is_open(analysis: AnalysisResult, parts: Sequence[ProcessGroup]) -> bool:
    """Whether nothing alarming was found and yet not all is well: it stopped, or something may grow."""
    return analysis.verdict == OverallVerdict.OK and bool(_stop(parts) or _open_rises(parts))


def _stop(parts: Sequence[ProcessGroup]) -> Truncation | None:
    """Return the first stop of a process that no other followed."""
    ends = [part.findings[-1].truncation for part in parts]
    return next((stop for stop in ends if stop is not None), None)


def _open_rises(parts: Sequence[ProcessGroup]) -> str:
    """Say what rises, where folds are too few or a phase of the run may explain it; empty where nothing does."""
    for part in parts:
        for axis, what_tells in (
            (part.growth, "one more fold tells"),
            (part.over_time, "labels of folds or epochs tell"),
        ):
            open_ones = {
                name: found
                for name, found in axis.items()
                if found.verdict == Verdict.INCONCLUSIVE
                and (found.slope or 0) > (RESOURCES[name].floor if found.unit == "fold" else 0)
            }
            if open_ones:
                return f"{slopes(open_ones)} may be growth; {what_tells}"
    return ""


def _where(part: ProcessGroup) -> str:
    process = part.first_crash.process
    words = (
        f" in fold {process.folds[-1]} of {process.folds_planned or '?'}" if process.folds else ""
    )
    number = part.first_crash.process.rank
    return words if number is None else f"{words} of rank {rank_name(number)}"


def _how_much(parts: Sequence[ProcessGroup]) -> str:
    folds = sum(len(part.folds) for part in parts)
    if not folds and not any(part.epochs for part in parts):
        return "over time: no fold is named"
    processes = sum(len(part.findings) for part in parts)
    words = f"{folds} fold{'' if folds == 1 else 's'}" if folds else "from epoch to epoch"
    return words if processes == 1 else f"{words} in {processes} processes"


def root_cause_line(analysis: AnalysisResult, parts: Sequence[ProcessGroup]) -> str:
    """Say in one line why: the limit where it is known, else what is known instead."""
    if not parts or analysis.verdict == OverallVerdict.NO_SAMPLES:
        if analysis.outcome == Outcome.FINISHED:
            return "root cause: none to look for: the run finished"
        return "root cause: none to look for as long as no ending is recorded"
    worst = min(parts, key=lambda part: part.severity)
    grown = rising(worst)
    if analysis.verdict in {OverallVerdict.CRASHED, OverallVerdict.STOPPED}:
        return f"root cause: {_crash_cause(worst.first_crash, grown)}"
    if grown:
        return f"root cause: {_growth_cause(worst, grown)}"
    stop = _stop(parts)
    if stop is not None and not stop.is_running:
        return "root cause: not known; the record stops, and nothing says why"
    return f"root cause: none to look for{' yet' if _open_rises(parts) else ''}"


_KEEPERS = {
    Nature.KEPT_BY_MALLOC: "malloc keeps memory that the folds have given back",
    Nature.FILE_PAGES: "files stay mapped that the folds have read",
    Nature.SHARED_MEMORY: "shared memory of the folds stays",
}
"""What keeps RSS where the folds themselves hold nothing more."""


def _growth_cause(part: ProcessGroup, grown: str) -> str:
    nature = part.growth["rss_bytes"].nature if "rss_bytes" in part.growth else None
    if grown == "rss" and nature is not None and nature.nature in _KEEPERS:
        return _KEEPERS[nature.nature]
    keepers = [("epochs", part.epochs), ("folds", part.growth)]
    for child in part.children:
        keepers += [("epochs", child.epochs), ("folds", child.growth)]
    for keeper, axis in keepers:
        if any(growth.verdict.is_alarming for growth in axis.values()):
            return f"{keeper} keep {grown}"
    return f"not known: {grown} grew over time, and {CAVEAT}"


def _crash_cause(finding: Finding, grown: str) -> str:
    causes, sign = finding.causes, finding.process.crash
    if causes and causes[0].confidence in {Confidence.CERTAIN, Confidence.LIKELY}:
        if causes[0].cause == NOT_A_LIMIT:
            return _no_limit(sign)
        title = cause_title(causes[0].cause)
        if child := named_child(causes[0].cause, finding.process):
            title += f" of {safe(child)}"
        return f"{title} ({causes[0].confidence})"
    left = [cause.cause for cause in causes if cause.confidence == Confidence.POSSIBLE]
    limits = [name for name in left if name != NOT_A_LIMIT]
    if not limits:
        return _no_limit(sign) if NOT_A_LIMIT in left else "not known"
    words = f"not proven, {len(limits)} remain"
    if len(limits) <= CAUSES_NAMED:
        words = f"not proven: {' or '.join(limits)}"
    if NOT_A_LIMIT in left:
        words += ", or no limit"
    return words + (f"; growing: {grown}" if grown else "")


def _no_limit(sign: SignatureMatch | None) -> str:
    """Say what failed where no limit did."""
    words = _said(sign)
    if sign is not None and "frame" in sign.details:
        words += f", at {safe(sign.details['frame'])}"
    if sign is not None and "raised_from" in sign.details:
        words += f", raised from {safe(sign.details['raised_from'], longest=SAID)}"
    return f"{words}; not a resource limit, as far as this says"


def earlier_runs_line(analysis: AnalysisResult) -> str:
    """Name the runs before the last one with their ages, the latest first; empty where there is none."""
    runs = analysis.earlier_runs[::-1]
    if not runs:
        return ""
    told = [_earlier_run(run) for run in runs[:EARLIER_NAMED]] + ["..."] * (
        len(runs) > EARLIER_NAMED
    )
    words = f"earlier runs in the same place, not judged: {len(runs):,} ({'; '.join(told)})"
    return f"{words}; --compare holds the last run against the one before it"


def _earlier_run(run: EarlierRun) -> str:
    age = "at an unknown time"
    if run.seconds_before is not None:
        age = f"ended {format_duration(max(0.0, run.seconds_before))} before the last one"
    name = "" if run.path == run.directory else f"{safe(os.path.basename(run.path))} "
    is_bad = run.outcome in {Outcome.CRASHED, Outcome.STOPPED}
    return f"{name}{age}{f', {run.outcome}' if is_bad else ''}"
