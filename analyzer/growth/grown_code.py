"""Which code was at work when a resource grew. Pure: what a process's looks at its own code found in, a place out.

Two looks have calls in common, and what grew between them grew inside the innermost of these: that is certain, if no
other thread was at work. So one goes from the outermost call inwards, as long as nearly all that grew grew inside one
call. Where a call makes several others in turn, most looks have only itself in common. Then pairs of looks a few
milliseconds apart tell: if the number rose in pairs of which the one look or the other was in a certain call, and in
none that was in the others alone, chance is the other explanation, and it is named only if that is small.

What has a rise and a fall is no growth: a call that takes memory and gives it back is not named, and beside one that
does that often, nothing is.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyzer.processes.attributed import Attributed, Call

NEARLY_ALL = 0.7
"""Share of what grew in a call that must have grown inside one that it made."""
LITTLE = 0.3
"""Share that may have fallen elsewhere."""
CHANCE = 1e-3
"""That the pairs with a rise hit a call by chance, at most."""
CLEARER = 1e-2
"""Chance of the call that is named over that of the next one, at most."""
CONCENTRATED = 0.5
"""Share of the looks of which a call may have more at most, to be named for what grew inside it and what it calls."""
MOST = 0.5
"""Share of all that grew, below which what grew inside one call is not the answer."""
LEAST_LOOKS = 20
"""From which their share says something."""
ROOT = 0


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


def _share(amount: int, whole: int) -> float:
    return min(1.0, amount / whole) if whole > 0 else 1.0


def find_code(found: Attributed, name: str) -> GrownCode | None:
    """Return where the number ``name`` grew; None where the looks do not tell."""
    return _Search(found, name).place()


class _Search:
    """The way from the outermost call inwards."""

    def __init__(self, found: Attributed, name: str) -> None:
        self._calls = found.calls
        self._found = found
        self._name = name
        self._made: dict[int, list[int]] = defaultdict(list)
        for number, call in found.calls.items():
            if number != ROOT:
                self._made[call.caller].append(number)
        self._grown = self._inclusive({n: c.grown.get(name, 0) for n, c in found.calls.items()})
        self._looks = self._inclusive({n: c.looks for n, c in found.calls.items()})

    def _inclusive(self, own: dict[int, int]) -> dict[int, int]:
        """Return for each call what it and all that it makes have together."""
        for number in sorted(own, reverse=True):
            caller = self._calls[number].caller
            if number != ROOT and caller in own:
                own[caller] += own[number]
        return own

    def place(self) -> GrownCode | None:
        number, amount, is_told, line = ROOT, self._grown.get(ROOT, 0), False, 0
        if amount <= 0:
            return None
        while not line:
            if not is_told and (inner := self._holds_nearly_all(number)) is not None:
                number, amount = inner, self._grown[inner]
            elif (lifted := self._lifted(number)) is not None:
                number, line = (number, -lifted) if lifted < 0 else (lifted, 0)
                is_told = True
            else:
                break
        if not (is_told or self._is_told_by_itself(number)) or self._share(amount) < MOST:
            return None
        return self._named(number, line, amount)

    def _share(self, amount: int) -> float:
        """Return the part of all that grew, also while several threads were at work, or between the looks."""
        return _share(amount, max(self._found.grown(self._name), self._grown[ROOT]))

    def _holds_nearly_all(self, number: int) -> int | None:
        """Return the call that ``number`` makes inside which nearly all of it grew, if nothing fell elsewhere."""
        grown, made = self._grown[number], self._made[number]
        best = max(made, key=lambda one: self._grown[one], default=None)
        if best is None or grown <= 0 or not self._is_of(grown, self._grown[best]):
            return None
        own = self._calls[number].grown.get(self._name, 0)
        fallen = -sum(min(0, amount) for amount in (own, *(self._grown[one] for one in made)))
        return best if fallen <= LITTLE * grown else None

    @staticmethod
    def _is_of(grown: int, inside: int) -> bool:
        return inside >= NEARLY_ALL * grown

    def _is_told_by_itself(self, number: int) -> bool:
        """Whether a call may be named without any that it makes: it makes none, or is only a small part of the work."""
        if number == ROOT or self._grown[number] < NEARLY_ALL * self._grown[ROOT]:
            return False
        looks = self._looks[ROOT]
        is_small_part = looks >= LEAST_LOOKS and self._looks[number] <= CONCENTRATED * looks
        return not self._made[number] or is_small_part

    def _lifted(self, number: int) -> int | None:
        """Return the call, or the line of its own, negative, to which the pairs of looks inside ``number`` point."""
        touched, rises, pairs, risen, fallen = self._pairs_inside(number)
        if not risen or fallen > LITTLE * risen:
            return None
        chances = sorted(
            (risen * math.log10(touched[part] / pairs), part)
            for part in touched
            if rises[part] == risen and touched[part] < pairs and (part < 0 or part in self._calls)
        )
        if not chances or chances[0][0] > math.log10(CHANCE):
            return None
        if len(chances) > 1 and chances[0][0] - chances[1][0] > math.log10(CLEARER):
            return None
        return chances[0][1]

    def _pairs_inside(
        self, number: int
    ) -> tuple[Mapping[int, int], Mapping[int, int], int, int, int]:
        """Count the pairs inside a call: by what it was doing, all and those with a rise; all, with a rise, with a fall."""
        touched: dict[int, int] = defaultdict(int)
        rises: dict[int, int] = defaultdict(int)
        pairs = risen = fallen = 0
        for pair in self._found.pairs.values():
            if pair.call == number:
                if pair.first == pair.second and pair.first > 0:
                    continue  # two calls of one function: all the others may have been between them
                parts = {pair.first, pair.second}
            elif (part := self._below(number, pair.call)) is not None:
                parts = {part}
            else:
                continue
            pairs += pair.pairs
            risen += pair.rises.get(self._name, 0)
            fallen += pair.falls.get(self._name, 0)
            for part in parts:
                touched[part] += pair.pairs
                rises[part] += pair.rises.get(self._name, 0)
        return touched, rises, pairs, risen, fallen

    def _below(self, number: int, inner: int) -> int | None:
        """Return the call that ``number`` made on the way to ``inner``; None if it is not on that way."""
        while inner in self._calls and inner != ROOT:
            caller = self._calls[inner].caller
            if caller == number:
                return inner
            inner = caller
        return None

    def _named(self, number: int, line: int, amount: int) -> GrownCode | None:
        """Name the innermost function of the program on the way to a call, by the line of it that was at work."""
        called: Call | None = None
        while not self._calls[number].is_of_program:
            called, line = self._calls[number], 0
            number = called.caller
            if number == ROOT:
                return None
        call = self._calls[number]
        place = call.place if called is None else called.called_from
        if line:
            place = f"{place.rpartition(':')[0]}:{line}"
        return GrownCode(call.function, place, amount, self._share(amount))
