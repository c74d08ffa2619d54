"""`Finding` and `AnalysisResult`: what an analysis found."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analyzer.diagnosis.outcome import Outcome
from analyzer.diagnosis.remedies import Remedy, without_repeats
from analyzer.growth.verdict import Verdict
from analyzer.processes.lanes import ALONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from analyzer.diagnosis.causes import Cause
    from analyzer.diagnosis.outcome import Ending
    from analyzer.diagnosis.run_end import Truncation
    from analyzer.growth.child_growth import ChildGrowth
    from analyzer.growth.pool_leaks import PoolLeak
    from analyzer.growth.verdict import Growth
    from analyzer.processes.from_log import Process, Source
    from analyzer.processes.lanes import Lane


class OverallVerdict(enum.StrEnum):
    """What is said of all that was read, worst first."""

    CRASHED = "crashed"
    STOPPED = "stopped"
    CRITICAL = "critical"
    GROWING = "growing"
    OK = "ok"
    NO_SAMPLES = "no samples"


@dataclass(frozen=True, slots=True, repr=False)
class Finding:
    """One process with what is found about it; ``growth`` by the names of RESOURCES."""

    process: Process
    growth: Mapping[str, Growth]
    causes: tuple[Cause, ...]
    pool_leaks: tuple[PoolLeak, ...]
    is_isolated: bool
    """Whether each fold of its run had a process of its own."""
    lane: Lane = ALONE
    """Which processes of its run it is one after another with."""
    epochs: Mapping[str, Growth] = field(default_factory=dict)
    """Growth from epoch to epoch by resource; empty where no label names an epoch. Its ``slope``
    and ``folds_to_limit`` are per epoch."""
    over_time: Mapping[str, Growth] = field(default_factory=dict)
    """Growth over time of the resources that neither folds nor epochs can judge, per `Growth.unit`."""
    children: tuple[ChildGrowth, ...] = ()
    """The child processes that grow, the worst first."""
    ending: Ending | None = None
    """How it ended, and what says so; None only where nobody looked."""
    is_superseded: bool = False
    """Whether a later attempt took its place."""
    truncation: Truncation | None = None
    """That the record ends before the run is through and nothing says why; None where it does not."""
    symptom_of: str | None = None
    """The failure of another process of the run that this one's signs follow from."""
    notes: tuple[str, ...] = ()
    """What the evidence comes to: what was near, what contradicts, what to record next time."""
    remedies: tuple[Remedy, ...] = ()

    @property
    def has_labels(self) -> bool:
        """Whether it has readings that growth is judged by; of what a log prints by itself, in epochs enough."""
        if self.process.formats:
            return any(growth.slope is not None for growth in self.epochs.values())
        return bool(self.process.checkpoints)

    def __repr__(self) -> str:
        process = self.process
        end = "crashed" if process.crash else "did not crash"
        return f"<Finding: {process.source}, {_count(len(process.folds), 'fold')}, {end}>"


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """A run of the same directory or file before the last one, which alone is judged."""

    path: str
    """Its own directory, or the directory or file that it shares with the last run."""
    directory: str
    """What the last run is in."""
    seconds_before: float | None
    """From its end to the beginning of the last run; None where the record has no times."""
    findings: tuple[Finding, ...] | None = None
    """None for a run with a directory of its own, which was not read."""

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None where it was not read."""
        return None if self.findings is None else worst_outcome(self.findings)


@dataclass(frozen=True, slots=True, repr=False)
class AnalysisResult:
    """All that was read and found, without the ways to show it."""

    sources: tuple[Source, ...]
    findings: tuple[Finding, ...]
    earlier_runs: tuple[EarlierRun, ...] = ()
    """Runs of the same directories before those of ``findings``, the oldest first; not judged."""

    def __repr__(self) -> str:
        processes = _count(len(self.findings), "process", plural="processes")
        folds = len({fold for finding in self.findings for fold in finding.process.folds})
        return f"<{type(self).__name__}: {self.verdict}, {processes}, {_count(folds, 'fold')}>"

    @property
    def verdict(self) -> OverallVerdict:
        """crashed, stopped, critical, growing, ok or no samples: the first that holds."""
        if self.outcome == Outcome.CRASHED:
            return OverallVerdict.CRASHED
        if self.outcome == Outcome.STOPPED:
            return OverallVerdict.STOPPED
        verdicts = {
            growth.verdict
            for finding in self.findings
            for judged in (finding.growth, finding.epochs, finding.over_time, *_axes(finding))
            for growth in judged.values()
        }
        if Verdict.CRITICAL in verdicts:
            return OverallVerdict.CRITICAL
        if Verdict.GROWING in verdicts:
            return OverallVerdict.GROWING
        is_judged = any(finding.has_labels or finding.over_time for finding in self.findings)
        return OverallVerdict.OK if is_judged else OverallVerdict.NO_SAMPLES

    @property
    def outcome(self) -> Outcome:
        """How the run ended: the worst of its last attempts."""
        return worst_outcome(self.findings)

    @property
    def is_alarming(self) -> bool:
        """Whether the run crashed or was stopped, or a resource grows."""
        return self.verdict not in {OverallVerdict.OK, OverallVerdict.NO_SAMPLES}

    @property
    def first_failure(self) -> Finding | None:
        """The finding whose crash the others follow from; None without a crash."""
        crashed = [finding for finding in self.findings if finding.process.crash]
        roots = [f for f in crashed if f.symptom_of is None] or crashed
        failed = (f for f in roots if f.process.crash and not f.process.crash.stops)
        return next(failed, next(iter(roots), None))

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """The steps of all findings, no step twice."""
        return without_repeats(step for finding in self.findings for step in finding.remedies)


def _axes(finding: Finding) -> Iterator[Mapping[str, Growth]]:
    """Give the growth of the children of a process."""
    for child in finding.children:
        yield from child.axes


def worst_outcome(findings: Iterable[Finding]) -> Outcome:
    """Return how a run ended: the worst of its last attempts."""
    endings = [f.ending for f in findings if f.ending is not None and not f.is_superseded]
    return min((e.outcome for e in endings), key=lambda o: o.severity, default=Outcome.RUNNING)


def _count(number: int, noun: str, *, plural: str | None = None) -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
