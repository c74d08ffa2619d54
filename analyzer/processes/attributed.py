"""`Attributed`: the books that a process kept of its calls, as at the end of a fold (`telemetry.start(attribute=True)`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from telemetry.journal import typed

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_CALLS = 1000


class Call(NamedTuple):
    """A function as it was called from one line; calls are told by numbers, of which a caller's is lower."""

    caller: int
    function: str
    place: str
    """Where the function begins: ``train.py:200``."""
    called_from: str
    """The line of its caller."""
    is_of_program: bool
    is_open: bool
    """Whether it was going on at the end of the fold."""
    grown: Mapping[str, int]
    """What numbers have changed by in it, and in no call that it made; times in microseconds."""


class Started(NamedTuple):
    """A line from which threads were started that still run."""

    function: str
    place: str
    running: int


class Attributed(NamedTuple):
    """All that was found since recording began."""

    calls: Mapping[int, Call]
    started: Mapping[tuple[str, str], Started]
    now: Mapping[str, int]
    """The numbers at that moment; of a difference, by how much they grew."""
    is_barred: bool = False
    """Whether a profiler of the program's own ran, beside which nothing is followed."""

    def grown(self, name: str) -> int:
        """Return by how much a number grew in all."""
        if name in self.now:
            return self.now[name]
        return sum(call.grown.get(name, 0) for call in self.calls.values())

    def since(self, before: Attributed) -> Attributed:
        """Return what was found after ``before``."""
        calls = {
            number: call._replace(
                grown=_less(call.grown, was.grown if was else {}),
                # What goes on when a fold ends is around the folds, though it has ended with the process.
                is_open=call.is_open or (was is not None and was.is_open),
            )
            for number, call in self.calls.items()
            for was in (before.calls.get(number),)
        }
        started = {
            key: one._replace(running=one.running - (was.running if was else 0))
            for key, one in self.started.items()
            for was in (before.started.get(key),)
        }
        return Attributed(calls, started, _less(self.now, before.now), self.is_barred)


class Books(NamedTuple):
    """What was found by the first end of a fold that was recorded, and by the last."""

    first: Attributed
    last: Attributed
    ends: int

    def taking(self, found: Attributed) -> Books:
        """Return these with a later end."""
        return Books(self.first, found, self.ends + 1)

    @property
    def grown(self) -> Attributed:
        """What was found after the first fold, in which libraries load; of a single end all of it."""
        return self.last.since(self.first) if self.ends > 1 else self.last._replace(now={})


def _less(after: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return {name: amount - before.get(name, 0) for name, amount in after.items()}


def attributed_of(facts: Mapping[str, Any]) -> Attributed:
    """Read the facts of an event. Raises ValueError for what no recorder writes."""
    calls, started = (_list(facts, name) for name in ("calls", "started"))
    return Attributed(
        calls={typed.whole("call", one.get("call")): _call(one) for one in calls[:MOST_CALLS]},
        started={(one.place, one.function): one for one in map(_started, started[:MOST_CALLS])},
        now=_amounts("now", facts),
        is_barred=typed.flag("is_barred", facts.get("is_barred", False)),
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
        is_open=typed.flag("is_open", facts.get("is_open", False)),
        grown=_amounts("grown", facts),
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
