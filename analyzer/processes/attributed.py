"""`Attributed`: what a process's own looks at its code found by the end of a fold (`telemetry.start(attribute=True)`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from telemetry.journal import typed

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_CALLS = 1000
MOST_PAIRS = 2000


class Call(NamedTuple):
    """A function as it was called from one line; calls are told by numbers, of which a caller's is lower."""

    caller: int
    function: str
    place: str
    """Where the function begins: ``train.py:200``."""
    called_from: str
    """The line of its caller."""
    is_of_program: bool
    looks: int
    """That found it the innermost."""
    grown: Mapping[str, int]
    """What grew between two looks that had this call in common, and none further in."""


class Pair(NamedTuple):
    """Looks one after another in which the same calls were found."""

    call: int
    """The innermost that both have in common."""
    first: int
    """What it was doing at the first look: the call that it made, or its own line, negative."""
    second: int
    pairs: int
    """Of looks."""
    rises: Mapping[str, int]
    """In how many of them a number rose, by its name."""
    falls: Mapping[str, int]


class Started(NamedTuple):
    """A line from which threads were started that still run."""

    function: str
    place: str
    running: int


class Attributed(NamedTuple):
    """All that was found since recording began."""

    calls: Mapping[int, Call]
    pairs: Mapping[tuple[int, int, int], Pair]
    started: Mapping[tuple[str, str], Started]
    shared: Mapping[str, int]
    """What grew while several threads were at work, so that it is of no call."""
    now: Mapping[str, int]
    """The numbers at that moment; of a difference, by how much they grew."""

    def grown(self, name: str) -> int:
        """Return by how much a number grew in all."""
        if name in self.now:
            return self.now[name]
        return self.shared.get(name, 0) + sum(c.grown.get(name, 0) for c in self.calls.values())

    def since(self, before: Attributed) -> Attributed:
        """Return what was found after ``before``."""
        calls = {
            number: call._replace(
                looks=call.looks - (was.looks if was else 0),
                grown=_less(call.grown, was.grown if was else {}),
            )
            for number, call in self.calls.items()
            for was in (before.calls.get(number),)
        }
        pairs = {
            key: pair._replace(
                pairs=pair.pairs - (was.pairs if was else 0),
                rises=_less(pair.rises, was.rises if was else {}),
                falls=_less(pair.falls, was.falls if was else {}),
            )
            for key, pair in self.pairs.items()
            for was in (before.pairs.get(key),)
        }
        started = {
            key: one._replace(running=one.running - (was.running if was else 0))
            for key, one in self.started.items()
            for was in (before.started.get(key),)
        }
        shared, now = _less(self.shared, before.shared), _less(self.now, before.now)
        return Attributed(calls, pairs, started, shared, now)


class Looks(NamedTuple):
    """What was found by the first end of a fold that was recorded, and by the last."""

    first: Attributed
    last: Attributed
    ends: int

    def taking(self, found: Attributed) -> Looks:
        """Return these with a later end."""
        return Looks(self.first, found, self.ends + 1)

    @property
    def grown(self) -> Attributed:
        """What was found after the first fold, in which libraries load; of a single end all of it."""
        return self.last.since(self.first) if self.ends > 1 else self.last._replace(now={})


def _less(after: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return {name: amount - before.get(name, 0) for name, amount in after.items()}


def attributed_of(facts: Mapping[str, Any]) -> Attributed:
    """Read the facts of an event. Raises ValueError for what no recorder writes."""
    calls, pairs, started = (_list(facts, name) for name in ("calls", "pairs", "started"))
    return Attributed(
        calls={typed.whole("call", one.get("call")): _call(one) for one in calls[:MOST_CALLS]},
        pairs={
            (pair.call, pair.first, pair.second): pair for pair in map(_pair, pairs[:MOST_PAIRS])
        },
        started={(one.place, one.function): one for one in map(_started, started[:MOST_CALLS])},
        shared=_amounts("shared", facts),
        now=_amounts("now", facts),
    )


def _list(facts: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = facts.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError(f"{name} is not a list of objects")
    return found


def _call(facts: Mapping[str, Any]) -> Call:
    number = typed.whole("call", facts.get("call"))
    caller = typed.whole("caller", facts.get("caller"))
    if caller >= number > 0:
        raise ValueError(f"call {number} is called by {caller}, which is not before it")
    return Call(
        caller=caller,
        function=typed.text("function", facts.get("function", "")),
        place=typed.text("place", facts.get("place", "")),
        called_from=typed.text("from", facts.get("from", "")),
        is_of_program=typed.flag("is_of_program", facts.get("is_of_program", False)),
        looks=typed.whole("looks", facts.get("looks", 0)),
        grown=_amounts("grown", facts),
    )


def _pair(facts: Mapping[str, Any]) -> Pair:
    return Pair(
        call=typed.whole("call", facts.get("call")),
        first=_signed("first", facts.get("first")),
        second=_signed("second", facts.get("second")),
        pairs=typed.whole("count", facts.get("count")),
        rises=_amounts("rises", facts),
        falls=_amounts("falls", facts),
    )


def _started(facts: Mapping[str, Any]) -> Started:
    return Started(
        function=typed.text("function", facts.get("function")),
        place=typed.text("place", facts.get("place")),
        running=typed.whole("running", facts.get("running")),
    )


def _amounts(name: str, facts: Mapping[str, Any]) -> dict[str, int]:
    found = typed.mapping(name, facts.get(name, {}))
    return {key: _signed(key, amount) for key, amount in found.items()}


def _signed(name: str, value: object) -> int:
    if type(value) is not int or abs(value) > typed.LARGEST:
        raise ValueError(f"{name:.40} is not a whole number of 64 bits")
    return value
