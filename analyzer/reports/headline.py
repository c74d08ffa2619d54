"""The headline of an analysis and its root cause, one sentence each, from what was found before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.diagnosis.confidence import Confidence
from analyzer.formatting import cause_title, change, safe, short_name, to_limit
from analyzer.groups import ProcessGroup, _rising, rises
from analyzer.growth.verdict import Verdict
from analyzer.resources import RESOURCES
from analyzer.result import OverallVerdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.diagnosis.causes import Cause
    from analyzer.diagnosis.run_end import Truncation
    from analyzer.result import AnalysisResult

CAUSES_NAMED = 3


def headline(analysis: AnalysisResult, parts: Sequence[ProcessGroup]) -> str:
    """Say in one line what a tired reader has to know."""
    verdict = analysis.verdict
    if verdict == OverallVerdict.NO_SAMPLES:
        return "NOTHING TO JUDGE: no reading with a label was found"
    worst = min(parts, key=lambda part: part.severity)
    grown = rises(worst)
    if verdict == OverallVerdict.CRASHED:
        words = f"CRASHED{_where(worst)}"
        ended = sum(len(part.crashed) for part in parts)
        if ended > 1:
            words += f" ({ended} processes of {len(analysis.findings)})"
        return f"{words}; {grown}" if grown else f"{words}; no resource is seen to grow"
    if verdict in {OverallVerdict.CRITICAL, OverallVerdict.GROWING}:
        soonest = min(
            (
                (growth.folds_to_limit, step)
                for step, judged in (("fold", worst.growth), ("epoch", worst.epochs))
                for growth in judged.values()
                if growth.verdict.is_alarming and growth.folds_to_limit is not None
            ),
            default=None,
        )
        left = to_limit(soonest[0], step=soonest[1]) if soonest else ""
        return f"{verdict.upper()}: {grown}" + (f"; {left}" if left else "")
    return _headline_of_a_calm_run(parts)


def _headline_of_a_calm_run(parts: Sequence[ProcessGroup]) -> str:
    stop, rising = _stop(parts), _open_rises(parts)
    if stop is not None:
        words = f"STOPPED {stop.where}{', or still running' if stop.may_go_on else ''}: no word why"
        return f"{words}; {rising}" if rising else words
    if rising:
        return f"OK so far: {rising}"
    if all(g.verdict == Verdict.INCONCLUSIVE for part in parts for g in part.growth.values()):
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
    """Say what rises over folds that are too few to tell; empty where nothing does."""
    for part in parts:
        rises = [
            f"{short_name(name)} {change(name, found.slope)}"
            for name, found in part.growth.items()
            if found.verdict == Verdict.INCONCLUSIVE and (found.slope or 0) > RESOURCES[name].floor
        ]
        if rises:
            return f"{', '.join(rises)} a fold may be growth; one more fold tells"
    return ""


def _where(part: ProcessGroup) -> str:
    process = part.first_crash.process
    words = (
        f" in fold {process.folds[-1]} of {process.folds_planned or '?'}" if process.folds else ""
    )
    number = part.first_crash.process.rank
    return words if number is None else f"{words} of rank {safe(number)}"


def _how_much(parts: Sequence[ProcessGroup]) -> str:
    folds = sum(len(part.folds) for part in parts)
    processes = sum(len(part.findings) for part in parts)
    words = f"{folds} fold{'' if folds == 1 else 's'}"
    return words if processes == 1 else f"{words} in {processes} processes"


def root_cause_line(analysis: AnalysisResult, parts: Sequence[ProcessGroup]) -> str:
    """Say in one line why: the limit where it is known, else what is known instead."""
    if analysis.verdict == OverallVerdict.NO_SAMPLES:
        return "root cause: cannot be told without a labelled reading"
    worst = min(parts, key=lambda part: part.severity)
    grown = _rising(worst)
    if analysis.verdict == OverallVerdict.CRASHED:
        return f"root cause: {_crash_cause(worst.first_crash.causes, grown)}"
    if grown:
        keeper = "folds" if rises(worst).endswith("fold") else "epochs"
        return f"root cause: {keeper} keep {grown}"
    if _stop(parts) is not None:
        return "root cause: not known; the record stops, and nothing says why"
    return f"root cause: none to look for{' yet' if _open_rises(parts) else ''}"


def _crash_cause(causes: Sequence[Cause], grown: str) -> str:
    if causes and causes[0].confidence in {Confidence.CERTAIN, Confidence.LIKELY}:
        return f"{cause_title(causes[0].cause)} ({causes[0].confidence})"
    names = [cause.cause for cause in causes if cause.confidence == Confidence.POSSIBLE]
    if not names:
        return "not known"
    words = f"not proven, {len(names)} remain"
    if len(names) <= CAUSES_NAMED:
        words = f"not proven: {' or '.join(names)}"
    return words + (f"; growing: {grown}" if grown else "")
