"""What an `Attribution` has found so far, as the facts of the event ``attributed``: all of it since its start."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from telemetry.recorder.attribution import Attribution
from telemetry.recorder.call_tree import ROOT
from telemetry.recorder.own_code import is_of_program, place_of
from telemetry.recorder.thread_starts import ThreadStarts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from telemetry.recorder.call_tree import Node

MOST_NODES = 150
MOST_PAIRS = 300
LEAST_SHARE = 0.02
"""Of what grew, or of the looks, below which a call is left out."""


class CodeAtWork:
    """Looks at the code that makes it, from its making on, and notes what starts threads."""

    def __init__(self, failed: Callable[[str, str], None]) -> None:
        self._attribution = Attribution(failed)
        self._starts = ThreadStarts()

    def stop(self) -> None:
        """Look no more."""
        self._attribution.stop()

    def facts(self) -> dict[str, object]:
        """Return what was found so far."""
        return attributed_facts(self._attribution) | {"started": self._starts.facts()}


def attributed_facts(attribution: Attribution) -> dict[str, object]:
    """Return the calls below which something grew or much time went by, and what pairs of looks found in them.

    A call is told by its number, which stays the same from event to event, and its caller's.
    """
    with attribution.lock:
        nodes = attribution.tree.nodes
        kept = _kept(nodes)
        for key, pair in attribution.pairs.items():
            if pair.rises and len(kept) < MOST_NODES:
                kept.update(*(_with_callers(part, nodes) for part in key if part > ROOT))
        told = [_node_facts(number, nodes) for number in sorted(kept)]
        pairs = [
            {"call": call, "first": first, "second": second, "count": pair.count}
            | {"rises": dict(pair.rises), "falls": dict(pair.falls)}
            for (call, first, second), pair in attribution.pairs.items()
            if call in kept
        ]
        shared, looks, now = dict(attribution.shared), attribution.looks, attribution.values()
    pairs.sort(key=lambda pair: -pair["count"])  # type: ignore[operator] # it is a number
    return {
        "calls": told,
        "pairs": pairs[:MOST_PAIRS],
        "shared": shared,
        "now": now,
        "looks": looks,
        "seconds": time.monotonic() - attribution.began,
        "cost_seconds": attribution.cost_seconds,
    }


def _kept(nodes: list[Node]) -> set[int]:
    """Return the numbers of the calls that are told: with their callers, and at most MOST_NODES."""
    weights = _weights(nodes)
    kept = {ROOT}
    for number in sorted(range(len(nodes)), key=lambda number: -weights[number]):
        if weights[number] < LEAST_SHARE or len(kept) >= MOST_NODES:
            break
        kept.update(_with_callers(number, nodes))
    return kept


def _weights(nodes: list[Node]) -> list[float]:
    """Return of each call the largest share that it has, with those below it, of anything that is counted."""
    names = {name for node in nodes for name in node.grown} | {"looks"}
    weights = [0.0] * len(nodes)
    for name in names:
        amounts = [node.looks if name == "looks" else node.grown.get(name, 0) for node in nodes]
        for number in range(len(nodes) - 1, 0, -1):  # a caller's number is lower
            amounts[nodes[number].parent] += amounts[number]
        whole = max(map(abs, amounts)) or 1
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
        "looks": node.looks,
        "grown": dict(node.grown),
    }
    if node.code is not None:
        caller = nodes[node.parent].code
        facts |= {
            "function": node.code.co_qualname,
            "place": place_of(node.code, node.code.co_firstlineno),
            "is_of_program": is_of_program(node.code.co_filename),
        }
        if caller is not None:
            facts["from"] = place_of(caller, node.line)
    return facts
