"""What a `CallWatch` has found so far, as the facts of the event ``attributed``: all of it since its start."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from telemetry.recorder.call_ledger import ROOT
from telemetry.recorder.call_watch import CallWatch
from telemetry.recorder.own_code import is_of_program, place_of
from telemetry.recorder.thread_starts import ThreadStarts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from telemetry.recorder.call_ledger import Node

MOST_NODES = 150
LEAST_SHARE = 0.02
"""Of what grew, or of the time, below which a call is left out."""


class CodeAtWork:
    """Follows the calls of the thread that makes it, from its making on, and notes what starts threads."""

    def __init__(self, failed: Callable[[str, str], None]) -> None:
        self._starts = ThreadStarts()
        self._watch = CallWatch(failed)
        self.is_told = False
        """Whether it was asked for what it has found."""
        self._is_barred = False
        """Whether a profiler of the program's own was met, beside which nothing is followed."""

    def go_on(self) -> None:
        """Follow calls again, where following them was too dear before."""
        profiler = sys.getprofile()
        is_other = profiler is not None and getattr(profiler, "__self__", None) is not self._watch
        self._is_barred = self._is_barred or is_other
        self._watch.go_on()

    def stop(self) -> None:
        """Follow no more."""
        self._watch.stop()
        self._starts.stop()

    def pause(self) -> None:
        """Follow no more until `go_on`, as far as this thread is not in a call that was left."""
        if getattr(sys.getprofile(), "__self__", None) is self._watch:
            sys.setprofile(None)

    def allow(self, seconds: float) -> None:
        """Let following take so many seconds from here on, where the program's own time does not matter."""
        self._watch.budget.left = self._watch.budget.capacity = seconds
        self._watch.counts.allow(seconds)

    def facts(self, *, most: int = MOST_NODES) -> dict[str, object]:
        """Return what was found so far, of so many calls."""
        self._watch.settle()
        self.is_told = True
        found = attributed_facts(self._watch, most=most)
        return found | {"started": self._starts.facts(), "is_barred": self._is_barred}


def attributed_facts(watch: CallWatch, *, most: int = MOST_NODES) -> dict[str, object]:
    """Return the calls inside which something grew or much time went by.

    A call is told by its number, which stays the same from event to event, and its caller's.
    """
    nodes = watch.ledger.nodes
    going_on = {ROOT, *_with_callers(watch.ledger.current, nodes)}
    calls = ((number, _node_facts(number, nodes)) for number in sorted(_kept(nodes, most)))
    return {
        "calls": [facts | {"is_open": number in going_on} for number, facts in calls],
        "now": watch.ledger.values(),
        "seconds": time.monotonic() - watch.began,
        "cost_seconds": watch.budget.taken,
    }


def _kept(nodes: list[Node], most: int) -> set[int]:
    """Return the numbers of the calls that are told: with their callers, and about ``most`` at most."""
    weights = _weights(nodes)
    kept = {ROOT}
    for number in sorted(range(len(nodes)), key=lambda number: -weights[number]):
        if weights[number] < LEAST_SHARE or len(kept) >= most:
            break
        kept.update(_with_callers(number, nodes))
    return kept


def _weights(nodes: list[Node]) -> list[float]:
    """Return of each call the largest share that it has, with those below it, of anything that is counted."""
    weights = [0.0] * len(nodes)
    for name in {name for node in nodes for name in [*node.grown]}:
        amounts = [node.grown.get(name, 0) for node in nodes]
        for number in range(len(nodes) - 1, 0, -1):  # a caller's number is lower
            amounts[nodes[number].parent] += amounts[number]
        whole = abs(amounts[ROOT]) or 1
        weights = [
            max(weight, abs(one) / whole) for weight, one in zip(weights, amounts, strict=True)
        ]
    return weights


def _with_callers(number: int, nodes: list[Node]) -> Iterable[int]:
    while number != ROOT:
        yield number
        number = nodes[number].parent


def _node_facts(number: int, nodes: list[Node]) -> dict[str, object]:
    node = nodes[number]
    facts: dict[str, object] = {
        "call": number,
        "caller": node.parent,
        "function": node.name,
        "grown": dict(node.grown),
    }
    if node.code is not None:
        facts["place"] = place_of(node.code, node.code.co_firstlineno)
        facts["is_of_program"] = is_of_program(node.code.co_filename)
    if (caller := nodes[node.parent].code) is not None:
        facts["from"] = place_of(caller, node.line)
    return facts
