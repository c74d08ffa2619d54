"""Inside which call of the program a resource grew. Pure: the books that a process kept of its calls in, a place out.

What a number changed by is entered at one call each time, so the amounts of all calls add up to what it grew by. Going from
the outermost call inwards, one looks for the only call that accounts for the growth: all that it and its callees took and
gave back comes to as much. One that takes and gives back itself comes to nothing. One whose memory is given back by its
caller comes to what it hands over, which is another amount than the growth; where it is not, two calls account for it, and
none is named.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyzer.processes.attributed import Attributed, Call

NEARLY = 0.3
"""By which share of the growth the amount of a call may differ from it, to account for it."""
CLEARER = 3.0
"""How many times further from the growth the amount of the next call must be."""
NEARLY_ALL = 0.7
"""Share of the growth of threads that the line must have started that is named."""
AT_WORK = 0.25
"""Share of the CPU time from which Python's other threads were at work as well."""
SMALL_PART = 0.3
"""Of the time, that a call may have in which others were at work: what they take at any time is hardly taken in it."""
USUAL_PART = 0.5
"""Of the time, that a call may have which has not ended: inside the loop over folds everything grows."""
ROOT = 0
_INSIDE = re.compile(r"\.<locals>\.<(?:genexpr|listcomp|setcomp|dictcomp)>$")
"""What is a part of the function that it stands in."""


class GrownCode(NamedTuple):
    """A function inside which a resource grew."""

    function: str
    place: str
    """The line, as far as it is known: ``train.py:212``; else where the function begins."""
    amount: int
    share: float
    """Of all that grew, 0 to 1."""


def find_started(found: Attributed) -> GrownCode | None:
    """Return the line that started most of the threads that there are more of; None if none started nearly all."""
    grown = found.grown("threads")
    best = max(found.started.values(), key=lambda one: one.running, default=None)
    if best is None or best.running <= 0 or best.running < NEARLY_ALL * grown:
        return None
    return GrownCode(best.function, best.place, best.running, _share(best.running, grown))


def find_code(found: Attributed, name: str) -> GrownCode | None:
    """Return where the number ``name`` grew; None where the books do not tell."""
    whole = found.grown(name)
    if whole <= 0:
        return None
    books = _Books(found.calls)
    amounts = books.inclusive(name)
    number = ROOT
    while (inner := _accounts(books.parts(number, amounts), whole)) is not None:
        number = inner
    if number == ROOT or not books.may_be_named(number):
        return None
    return books.named(books.called_by_lambda(number), amounts[number], whole)


def _share(amount: int, whole: int) -> float:
    return min(1.0, amount / whole) if whole > 0 else 1.0


def _accounts(parts: Mapping[int, int], whole: int) -> int | None:
    """Return the only one of some calls whose amount is the growth, nearly. ROOT stands for what their caller did itself."""
    errors = sorted((abs(parts[call] - whole) / whole, call) for call in parts if call != ROOT)
    if not errors or errors[0][0] > NEARLY:
        return None
    if len(errors) > 1 and errors[1][0] <= max(NEARLY, CLEARER * errors[0][0]):
        return None
    found = errors[0][1]
    # Where some give back as much as it took, and several have taken as much together, those may be it as well.
    most = (1 + NEARLY) * whole
    rest = [amount for call, amount in parts.items() if call != found and abs(amount) <= most]
    taken, given = (sum(max(0, sign * amount) for amount in rest) for sign in (1, -1))
    return found if min(taken, given) < (1 - NEARLY) * whole else None


class _Books:
    """The calls, and which calls they made."""

    def __init__(self, calls: Mapping[int, Call]) -> None:
        self._calls = calls
        self.made: dict[int, list[int]] = defaultdict(list)
        for number, call in calls.items():
            if number != ROOT:
                self.made[call.caller].append(number)

    def parts(self, number: int, amounts: Mapping[int, int]) -> dict[int, int]:
        """Return the amounts of the calls that one made, and as ROOT's what it did itself."""
        parts = {call: amounts[call] for call in self.made[number]}
        return parts | {ROOT: amounts[number] - sum(parts.values())}

    def inclusive(self, name: str) -> dict[int, int]:
        """Return for each call what it and all that it made have changed a number by."""
        amounts = {number: call.grown.get(name, 0) for number, call in self._calls.items()}
        for number in sorted(amounts, reverse=True):
            caller = self._calls[number].caller
            if number != ROOT and caller in amounts:
                amounts[caller] += amounts[number]
        return amounts

    def may_be_named(self, number: int) -> bool:
        """Whether it says something that a number grew in this call, and that it was this call which took it."""
        seconds, own, others, python = (
            self.inclusive(name) for name in ("us", "own_us", "other_us", "python_us")
        )
        part = seconds[number] / max(1, seconds[ROOT])
        cpu = own[number] + others[number]
        if python[number] > AT_WORK * cpu and part > SMALL_PART:
            return False
        return part <= USUAL_PART or not self._calls[number].is_open

    def called_by_lambda(self, number: int) -> int:
        """Return the call that a lambda is there to make, if it makes one; any other call as it is."""
        call, made = self._calls[number], self.made[number]
        is_one = call.function.endswith("<lambda>") and len(made) == 1
        return made[0] if is_one and self._calls[made[0]].is_of_program else number

    def named(self, number: int, amount: int, whole: int) -> GrownCode | None:
        """Name the innermost function of the program on the way to a call, by the line of it that was at work."""
        called: Call | None = None
        while not self._calls[number].is_of_program:
            called = self._calls[number]
            number = called.caller
            if number == ROOT:
                return None
        call = self._calls[number]
        place = call.place if called is None else called.called_from
        function = call.function
        while (outer := _INSIDE.sub("", function)) and outer != function:
            function = outer
        return GrownCode(function, place, amount, _share(amount, whole))
