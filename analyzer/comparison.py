"""Two analyses side by side: did a change help? Pure; who shows it is elsewhere.

Definition. Each side is told by its worst process (for isolated folds by the run), and the child processes of a role by
the worst of them. Per resource:

    better / worse       the 95 % intervals of the two slopes per fold do not touch, and the slopes differ
                         by more than the resource's measurement floor; or folds that carried something
                         over run in processes of their own now (or the other way round)
    same                 the slopes differ by the floor or less, or neither side grows
    no clear difference  the intervals touch: folds differ as much among themselves
    cannot tell          a side has too few folds, or did not record it
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer import formatting as fmt
from analyzer.groups import ProcessGroup, group_findings
from analyzer.growth.child_growth import judge_role
from analyzer.growth.verdict import Verdict
from analyzer.resources import COLUMNS, RESOURCES
from analyzer.result import OverallVerdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analyzer.growth.verdict import Growth
    from analyzer.result import AnalysisResult


class ChangeOutcome(enum.StrEnum):
    """What became of one resource."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    UNCLEAR = "no clear difference"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, slots=True)
class Change:
    """One resource before and after; a side is None where no process recorded it."""

    before: Growth | None
    after: Growth | None
    outcome: ChangeOutcome
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two analyses and what changed between them, by resource."""

    before: AnalysisResult
    after: AnalysisResult
    changes: dict[str, Change]
    children: dict[tuple[str, str], Change]
    """By role and resource, of the child processes that grow on a side."""

    @property
    def sentence(self) -> str:
        """Say in one line what the change did."""
        words = []
        for outcome in (ChangeOutcome.BETTER, ChangeOutcome.WORSE):
            names = [name for name, change in self._named if change.outcome == outcome]
            if names:
                words.append(f"{outcome}: {', '.join(names)}")
        crashes = [
            analysis.verdict == OverallVerdict.CRASHED for analysis in (self.before, self.after)
        ]
        if crashes != [False, False]:
            before, after = (
                OverallVerdict.CRASHED if crashed else "did not crash" for crashed in crashes
            )
            words.append(f"it {before} before and {after} now")
        return "; ".join(words) or ChangeOutcome.UNCLEAR

    @property
    def _named(self) -> Iterator[tuple[str, Change]]:
        for name, change in self.changes.items():
            yield fmt.short_name(name), change
        for (role, name), change in self.children.items():
            yield fmt.of_child(role, name), change


def compare(before: AnalysisResult, after: AnalysisResult) -> Comparison:
    """Hold ``after`` against ``before``, resource by resource."""
    sides = [_worst(analysis) for analysis in (before, after)]
    judged = {name for side in sides if side is not None for name in side.growth}
    names = [name for name in RESOURCES if name in judged or name in COLUMNS]
    changes = {name: _change(name, *sides) for name in names}
    return Comparison(before, after, changes, dict(_children(before, after)))


def _children(
    before: AnalysisResult, after: AnalysisResult
) -> Iterator[tuple[tuple[str, str], Change]]:
    """Compare the children by their roles: PIDs are others each time."""
    grown = dict.fromkeys(
        (child.role, name)
        for side in (before, after)
        for finding in side.findings
        for child in finding.children
        for axis in child.axes
        for name in axis
    )
    for role, name in grown:
        old, new = (
            judge_role([finding.process for finding in side.findings], role, name)
            for side in (before, after)
        )
        yield (role, name), _change_of(name, old, new)


def _worst(analysis: AnalysisResult) -> ProcessGroup | None:
    parts = [part for part in group_findings(analysis) if part.checkpoints]
    return min(parts, key=lambda part: part.severity, default=None)


def _change(name: str, before: ProcessGroup | None, after: ProcessGroup | None) -> Change:
    old, new = (None if part is None else part.judged.get(name) for part in (before, after))
    if before is None or after is None or old is None or new is None:
        return Change(old, new, ChangeOutcome.UNKNOWN, "a side has no reading")
    known = old.peak is not None and new.peak is not None
    if known and (isolated := _isolated(before, after, old, new)):
        return Change(old, new, *isolated)
    return _change_of(name, old, new)


def _change_of(name: str, old: Growth | None, new: Growth | None) -> Change:
    if old is None or new is None or old.peak is None or new.peak is None:
        return Change(old, new, ChangeOutcome.UNKNOWN, "not recorded on both sides")
    if old.verdict.is_steady and new.verdict.is_steady:
        return Change(old, new, ChangeOutcome.SAME, "neither grows")
    return Change(old, new, *_slopes(name, old, new))


def _isolated(
    before: ProcessGroup, after: ProcessGroup, old: Growth, new: Growth
) -> tuple[ChangeOutcome, str] | None:
    if before.is_isolated == after.is_isolated:
        return (ChangeOutcome.SAME, "a process per fold in both") if after.is_isolated else None
    grows = old if after.is_isolated else new
    if grows.verdict.is_steady:
        return ChangeOutcome.SAME, "nothing was carried over without a process per fold either"
    if grows.verdict is Verdict.INCONCLUSIVE:
        return ChangeOutcome.UNKNOWN, "too few folds in one process to compare with"
    if after.is_isolated:
        return ChangeOutcome.BETTER, "a process per fold: nothing is carried over any more"
    return ChangeOutcome.WORSE, "no process per fold any more: folds carry over"


def _slopes(name: str, old: Growth, new: Growth) -> tuple[ChangeOutcome, str]:
    if old.slope is None or new.slope is None:
        return ChangeOutcome.UNKNOWN, "too few folds on one side"
    if new.unit != old.unit:
        return ChangeOutcome.UNKNOWN, f"judged per {old.unit} before and per {new.unit} now"
    difference = new.slope - old.slope
    words = f"{fmt.change(name, difference)} {new.a_unit}"
    if abs(difference) <= (RESOURCES[name].floor if new.unit == "fold" else 0):
        return ChangeOutcome.SAME, "no difference that can be measured"
    if _under(new, old):
        return ChangeOutcome.BETTER, words
    if _under(old, new):
        return ChangeOutcome.WORSE, words
    return ChangeOutcome.UNCLEAR, f"{words}, within the spread"


def _under(lower: Growth, upper: Growth) -> bool:
    """Whether the whole interval of one slope lies under that of the other."""
    return (
        lower.slope_high is not None
        and upper.slope_low is not None
        and lower.slope_high < upper.slope_low
    )
