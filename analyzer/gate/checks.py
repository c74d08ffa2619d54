"""What a gate asks of a run, and what came of it. Pure; who shows it is elsewhere.

Definition. A check fails only on what is known, and is ``unknown`` where too little was recorded to tell:

    outcome            the run crashed or was stopped; unknown where no ending is recorded
    growth             a resource grows (``--fail-on growing``), also slowly (``slow``); one with a budget is held to
                       that instead, unless its limit falls inside the run
    budget             a resource grows by more than its budget; see `Budget.is_exceeded_by`
    baseline           a resource does worse than in an earlier run; see `analyzer.comparison`
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer import formatting as fmt
from analyzer.comparison import ChangeOutcome
from analyzer.diagnosis.outcome import Outcome
from analyzer.groups import group_findings
from analyzer.growth.verdict import Verdict
from analyzer.reports.headline import root_cause_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analyzer.comparison import Comparison
    from analyzer.gate.budget import Budget
    from analyzer.groups import ProcessGroup
    from analyzer.growth.verdict import Growth
    from analyzer.result import AnalysisResult


class FailOn(enum.StrEnum):
    """From which growth on the gate fails."""

    GROWING = "growing"
    SLOW = "slow"


class CheckOutcome(enum.StrEnum):
    """What came of one check."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was asked."""

    name: str
    outcome: CheckOutcome
    sentence: str
    is_named: bool = False
    """Whether it was asked for by name, and not as one of all resources."""

    def as_json(self) -> dict[str, str]:
        """Return it as ``analyze --json`` has it."""
        return {"name": self.name, "outcome": self.outcome, "sentence": self.sentence}


@dataclass(frozen=True, slots=True)
class GateRules:
    """What is asked of a run."""

    budgets: Sequence[Budget] = ()
    fail_on: FailOn = FailOn.GROWING


def check(
    analysis: AnalysisResult, rules: GateRules, comparison: Comparison | None = None
) -> list[Check]:
    """Hold an analysis against what is asked of it, and against a baseline where ``comparison`` is given."""
    parts = group_findings(analysis)
    checks = [_outcome(analysis, parts), *_growth(parts, rules)]
    checks += [_budget(parts, budget) for budget in rules.budgets]
    if comparison is not None:
        checks += _baseline(comparison)
    return checks


def _outcome(analysis: AnalysisResult, parts: Sequence[ProcessGroup]) -> Check:
    if analysis.outcome in {Outcome.CRASHED, Outcome.STOPPED}:
        cause = root_cause_line(analysis, parts)
        return Check("outcome", CheckOutcome.FAILED, f"{analysis.outcome}; {cause}")
    if analysis.outcome is Outcome.RUNNING:
        return Check("outcome", CheckOutcome.UNKNOWN, "no ending is recorded")
    return Check("outcome", CheckOutcome.PASSED, str(analysis.outcome))


def _growth(parts: Sequence[ProcessGroup], rules: GateRules) -> Iterator[Check]:
    """Judge each resource by the process, or the child of one, that does worst."""
    budgeted = {budget.resource for budget in rules.budgets}
    worst: dict[str, Growth] = {}
    for part in parts:
        for axis in part.all_axes:
            for resource, growth in axis.items():
                if resource not in worst or _badness(growth) < _badness(worst[resource]):
                    worst[resource] = growth
    for resource, growth in worst.items():
        is_held = resource in budgeted and growth.verdict is not Verdict.CRITICAL
        if not is_held and growth.peak is not None:
            yield Check(
                f"growth of {fmt.short_name(resource)}",
                _of_verdict(growth.verdict, rules.fail_on),
                growth_words(resource, growth),
            )


def _of_verdict(verdict: Verdict, fail_on: FailOn) -> CheckOutcome:
    if verdict.is_alarming or (verdict is Verdict.SLOW and fail_on is FailOn.SLOW):
        return CheckOutcome.FAILED
    return CheckOutcome.UNKNOWN if verdict is Verdict.INCONCLUSIVE else CheckOutcome.PASSED


def _badness(growth: Growth) -> tuple[int, float]:
    return growth.verdict.severity, -(growth.slope or 0.0)


def _budget(parts: Sequence[ProcessGroup], budget: Budget) -> Check:
    name = f"budget: {budget}"
    found = [
        growth
        for part in parts
        for axis in part.all_axes
        if (growth := axis.get(budget.resource)) is not None and growth.unit == budget.unit
    ]
    judged = [one for one in found if one.slope is not None]
    exceeding = [one for one in judged if budget.is_exceeded_by(one)]
    if exceeding:
        worst = max(exceeding, key=lambda one: one.slope or 0.0)
        return Check(name, CheckOutcome.FAILED, growth_words(budget.resource, worst), is_named=True)
    if not judged:
        why = found[0].reason if found else f"no {budget.unit} is judged"
        return Check(name, CheckOutcome.UNKNOWN, why, is_named=True)
    worst = max(judged, key=lambda one: one.slope or -math.inf)
    return Check(name, CheckOutcome.PASSED, growth_words(budget.resource, worst), is_named=True)


def _baseline(comparison: Comparison) -> Iterator[Check]:
    rows = [(fmt.short_name(name), change) for name, change in comparison.changes.items()]
    rows += [(fmt.of_child(*key), change) for key, change in comparison.children.items()]
    outcomes = {
        ChangeOutcome.WORSE: CheckOutcome.FAILED,
        ChangeOutcome.UNKNOWN: CheckOutcome.UNKNOWN,
    }
    for name, change in rows:
        outcome = outcomes.get(change.outcome, CheckOutcome.PASSED)
        yield Check(f"baseline of {name}", outcome, f"{change.outcome}: {change.reason}")


def growth_words(resource: str, growth: Growth) -> str:
    """Say what a resource does: ``growing, +730 a fold (95 %: +720 to +740)``."""
    if growth.slope is None:
        return f"{growth.verdict}: {growth.reason}"
    words = f"{growth.verdict}, {fmt.change(resource, growth.slope)} {growth.a_unit}"
    interval = fmt.interval(resource, growth)
    return f"{words} (95 %: {interval})" if interval else words
