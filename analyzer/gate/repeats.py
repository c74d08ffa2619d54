"""Does a test leave more behind each time that it is repeated? Pure: what was there after each repeat in, checks out.

Definition. A resource is judged over the repeats as `analyzer.growth.verdict` judges it over folds: the step into the
second repeat is warm-up, and two points are never judged. It grows if the whole 95 % interval of its slope lies above
the allowance. Few repeats can rise by chance, or because a pool fills up. So what seems to grow over the repeats that
were asked for is repeated as often again, up to ``MOST_REPEATS`` times in all or three times as often, and judged by all.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from analyzer import formatting as fmt
from analyzer.gate.budget import Budget, budget_of
from analyzer.gate.checks import Check, CheckOutcome, growth_words
from analyzer.growth.grown_parts import find_grown_code, find_grown_kinds
from analyzer.growth.verdict import FOLDS, Growth, Verdict, judge
from analyzer.resources import RESOURCES
from telemetry.errors import InputError
from telemetry.reading_difference import changes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from analyzer.processes.attributed import Attributed
    from telemetry.reading import Reading

DEFAULTS: Mapping[str, object] = {
    "threads": 0,
    "maps": 50,
    "rss": "1MB",
    "fds": 0,
    "descendants": 0,
    "repeat": 5,
}
FEWEST_REPEATS = 3
"""One for the warm-up, and two steps after each other."""
MOST_REPEATS = 15
"""From 14 after warm-up on, a rise that levels off is told from one that goes on."""
NAMED = 3
"""Pools, files and kinds of maps that a sentence names."""
LEAST_SHARE = 0.1
"""Of what grew, that what is named must have."""
LEAST_COUNT = 0.5
"""Slope of a count, below which it does not rise in most of the repeats."""
REPEATS = replace(FOLDS, unit="repeat")


@dataclass(frozen=True, slots=True)
class Allowances:
    """What a repeat of a test may leave behind, and how often it is repeated; one repeat is none."""

    budgets: Sequence[Budget]
    repeats: int

    @property
    def most_repeats(self) -> int:
        """How often a test is repeated that seems to grow."""
        return max(MOST_REPEATS, 3 * self.repeats)


def read_allowances(given: Mapping[str, object]) -> Allowances:
    """Read the arguments of a mark over the defaults; a resource that is None is not judged.

    Raises:
        InputError: There is no such resource, or a value is none of it.
    """
    asked = {**DEFAULTS, **given}
    repeats = asked.pop("repeat")
    if type(repeats) is not int or (repeats < FEWEST_REPEATS and repeats != 1):
        needed = (
            f"at least {FEWEST_REPEATS} times, as two points do not tell; repeat=1 leaves it alone"
        )
        raise InputError(f"repeat={repeats!r}: a test is repeated {needed}")
    budgets = []
    for name, amount in asked.items():
        if amount is not None:
            try:
                budgets.append(budget_of(name, str(amount), REPEATS.unit))
            except InputError as error:
                raise InputError(f"{name}={amount!r}: {error}") from None
    return Allowances(tuple(budgets), repeats)


class Leftover(NamedTuple):
    """What is there after a repeat."""

    reading: Reading
    thread_names: Mapping[str, int]
    """Of Python's threads, with ``#`` for numbers."""
    maps: Mapping[str, int] = {}
    """By what they are; empty where only their number was read."""
    descriptors: Mapping[str, int] = {}
    code: Attributed | None = None
    """In which calls something has grown so far, where they are followed."""


@dataclass(slots=True)
class Repeats:
    """What was there after each repeat of one test."""

    allowances: Allowances
    left: list[Leftover] = field(default_factory=list)

    def may_grow(self) -> bool:
        """Whether anything rises faster than is allowed, be it by chance."""
        judged = ((budget, self._judge(budget)) for budget in self.allowances.budgets)
        return any((growth.slope or 0.0) > budget.amount for budget, growth in judged)

    def grows(self) -> bool:
        """Whether anything grows by more than is allowed."""
        return any(one.is_exceeded_by(self._judge(one)) for one in self.allowances.budgets)

    def checks(self, test: str) -> Iterator[Check]:
        """Give what came of each allowance."""
        for budget in self.allowances.budgets:
            growth, name = self._judge(budget), f"{test}: {budget}"
            if growth.slope is None:
                yield Check(name, CheckOutcome.UNKNOWN, growth.reason)
            elif budget.is_exceeded_by(growth) and self._goes_on(budget, growth):
                yield Check(name, CheckOutcome.FAILED, self._sentence(budget, growth))
            else:
                yield Check(name, CheckOutcome.PASSED, growth_words(budget.resource, growth))

    def _goes_on(self, budget: Budget, growth: Growth) -> bool:
        """Whether it has also grown, at least half as fast, since it was found to grow; so far, if that is now."""
        since = self.left[self.allowances.most_repeats - 1 :] or self.left[-1:]
        first, last = (getattr(one.reading, budget.resource) or 0 for one in (since[0], since[-1]))
        least = max(budget.amount, (growth.slope or 0.0) / 2)
        return len(since) < 2 or last - first > least * (len(since) - 1)

    def _judge(self, budget: Budget) -> Growth:
        values = (
            (number, getattr(one.reading, budget.resource))
            for number, one in enumerate(self.left, start=1)
        )
        known = {number: value for number, value in values if value is not None}
        if len(known) < FEWEST_REPEATS:
            return Growth(verdict=Verdict.INCONCLUSIVE, reason="not read")
        is_count = not budget.resource.endswith("_bytes")
        least = LEAST_COUNT if is_count else RESOURCES[budget.resource].floor
        return judge({"end": known}, floor=budget.amount or least, axis=REPEATS)

    def _sentence(self, budget: Budget, growth: Growth) -> str:
        """Say ``threads grow by 2 a repeat, 0 allowed: pool worker, inside start() (test_it.py:9)``."""
        resource = budget.resource
        by = fmt.change(resource, growth.slope).removeprefix("+")
        allowed = fmt.change(resource, budget.amount).removeprefix("+")
        verb = "grows" if resource.endswith("_bytes") else "grow"
        words = f"{fmt.short_name(resource)} {verb} by {by} a repeat, {allowed} allowed"
        parts = [*self._parts(resource), *self._code(resource, growth)]
        return f"{words}: {', '.join(parts)}" if parts else words

    def _parts(self, resource: str) -> Iterator[str]:
        """Name what there is more of after the last repeat than after the one that warmed up."""
        first, last = self.left[1], self.left[-1]
        looks = [one for one in self.left if one.descriptors]
        names: Sequence[str] = []
        if resource in {"threads", "cgroup_pids"}:
            more = changes(first.thread_names, last.thread_names)
            if not any(change > 0 for change in more.values()):  # Python does not know of them
                more = changes(first.reading.pools, last.reading.pools)
            names = [f"pool {name}" for name, change in more.items() if change > 0]
        elif resource == "descendants":
            roles = [
                Counter(child.role for child in one.reading.children or ()) for one in (first, last)
            ]
            names = [role for role, _ in (roles[1] - roles[0]).most_common()]
        elif resource == "open_fds" and looks:
            names = _grown_names("descriptor", looks[0].descriptors, looks[-1].descriptors)
        elif resource == "maps" and looks:
            names = _grown_names("map", looks[0].maps, looks[-1].maps)
        yield from (fmt.safe(name) for name in names[:NAMED])

    def _code(self, resource: str, growth: Growth) -> Iterator[str]:
        """Name the function inside which it grew, if one accounts for it."""
        books = [one.code for one in self.left if one.code is not None]
        if len(books) > 1:
            part = find_grown_code(books[-1].since(books[0]), resource, growth.slope or 0.0)
            if part is not None and part.function:
                yield f"inside {fmt.safe(part.function)}() ({fmt.safe(part.line or '')})"


def _grown_names(kind: str, first: Mapping[str, int], last: Mapping[str, int]) -> list[str]:
    found = find_grown_kinds(kind, [first, last])
    return [part.name for part in found if part.share >= LEAST_SHARE]
