"""Two analyses side by side: did a change help? Pure; who shows it is elsewhere.

Definition. Each side is told by its worst process (for isolated folds by the run). Per resource:

    better / worse       the 95 % intervals of the two slopes per fold do not touch, and the slopes differ
                         by more than the resource's measurement floor; or folds that carried something
                         over run in processes of their own now (or the other way round)
    same                 the slopes differ by the floor or less, or neither side grows
    no clear difference  the intervals touch: folds differ as much among themselves
    cannot tell          a side has too few folds, or did not record it
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer import formatting as fmt
from analyzer.groups import ALARMING, ProcessGroup, group_findings
from analyzer.resources import RESOURCES

if TYPE_CHECKING:
    from analyzer.growth.verdict import Growth
    from analyzer.result import AnalysisResult

GROWS = (*ALARMING, "slow")
FLAT = ("stable", "warm-up")


@dataclass(frozen=True, slots=True)
class Change:
    """One resource before and after; a side is None where no process recorded it."""

    before: Growth | None
    after: Growth | None
    outcome: str
    """better, worse, same, no clear difference or cannot tell."""
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two analyses and what changed between them, by resource."""

    before: AnalysisResult
    after: AnalysisResult
    changes: dict[str, Change]

    @property
    def sentence(self) -> str:
        """Say in one line what the change did."""
        words = []
        for outcome in ("better", "worse"):
            names = [
                fmt.short_name(name) for name, c in self.changes.items() if c.outcome == outcome
            ]
            if names:
                words.append(f"{outcome}: {', '.join(names)}")
        crashes = [analysis.verdict == "crashed" for analysis in (self.before, self.after)]
        if crashes != [False, False]:
            before, after = ("crashed" if crashed else "did not crash" for crashed in crashes)
            words.append(f"it {before} before and {after} now")
        return "; ".join(words) or "no clear difference"


def compare(before: AnalysisResult, after: AnalysisResult) -> Comparison:
    """Hold ``after`` against ``before``, resource by resource."""
    sides = [_worst(analysis) for analysis in (before, after)]
    return Comparison(before, after, {name: _change(name, *sides) for name in RESOURCES})


def _worst(analysis: AnalysisResult) -> ProcessGroup | None:
    parts = [part for part in group_findings(analysis) if part.samples]
    return min(parts, key=lambda part: part.severity, default=None)


def _change(name: str, before: ProcessGroup | None, after: ProcessGroup | None) -> Change:
    old, new = (None if part is None else part.growth.get(name) for part in (before, after))
    if before is None or after is None or old is None or new is None:
        return Change(old, new, "cannot tell", "a side has no reading")
    if old.peak is None or new.peak is None:
        return Change(old, new, "cannot tell", "not recorded on both sides")
    if isolated := _isolated(before, after, old, new):
        return Change(old, new, *isolated)
    if old.verdict in FLAT and new.verdict in FLAT:
        return Change(old, new, "same", "neither grows")
    return Change(old, new, *_slopes(name, old, new))


def _isolated(
    before: ProcessGroup, after: ProcessGroup, old: Growth, new: Growth
) -> tuple[str, str] | None:
    if before.is_isolated == after.is_isolated:
        return ("same", "a process per fold in both") if after.is_isolated else None
    grows = old if after.is_isolated else new
    if grows.verdict in FLAT:
        return "same", "nothing was carried over without a process per fold either"
    if grows.verdict not in GROWS:
        return "cannot tell", "too few folds in one process to compare with"
    if after.is_isolated:
        return "better", "a process per fold: nothing is carried over any more"
    return "worse", "no process per fold any more: folds carry over"


def _slopes(name: str, old: Growth, new: Growth) -> tuple[str, str]:
    if old.slope is None or new.slope is None:
        return "cannot tell", "too few folds on one side"
    difference = new.slope - old.slope
    words = f"{fmt.change(name, difference)} a fold"
    if abs(difference) <= RESOURCES[name].floor:
        return "same", "no difference that can be measured"
    if _under(new, old):
        return "better", words
    if _under(old, new):
        return "worse", words
    return "no clear difference", f"{words}, within the spread between folds"


def _under(lower: Growth, upper: Growth) -> bool:
    """Whether the whole interval of one slope lies under that of the other."""
    return (
        lower.slope_high is not None
        and upper.slope_low is not None
        and lower.slope_high < upper.slope_low
    )
