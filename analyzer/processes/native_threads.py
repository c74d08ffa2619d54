"""`NativeThreads`: what had started the threads of a process when it was looked at, once, after a fold (extra ``explain``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from telemetry.journal import typed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_KINDS = 1000


class ThreadKind(NamedTuple):
    """Threads of one name, entry function and library."""

    pool: str
    """Their name, without the number."""
    is_python: bool
    """Whether Python code runs in them."""
    function: str | None
    """The outermost one that is not the same for every thread; None where the library is stripped of it."""
    library: str | None
    running: int
    grown: int
    """Of these, how many had started in the fold."""


class NativeThreads(NamedTuple):
    """What a look at the threads of a process found after a fold."""

    fold: int
    seconds: float | None
    """How long the process was stopped for it."""
    why: str | None
    """Why nothing was found; None where something was."""
    kinds: Sequence[ThreadKind]


def native_threads_of(facts: Mapping[str, Any]) -> NativeThreads:
    """Read the facts of an event. Raises ValueError for what no supervisor writes."""
    known = typed.fields_of(facts, _CHECKS)
    if "fold" not in known or not {"threads", "why"} & known.keys():
        raise ValueError("no fold, or neither threads nor a reason")
    kinds = known.get("threads", ())[:MOST_KINDS]
    return NativeThreads(known["fold"], known.get("seconds"), known.get("why"), kinds)


def _kind(name: str, value: object) -> ThreadKind:
    known = typed.fields_of(typed.mapping(name, value), _KIND_CHECKS)
    if missing := {"pool", "is_python", "running", "grown"} - known.keys():
        raise ValueError(f"threads without {', '.join(sorted(missing))}")
    return ThreadKind(**({"function": None, "library": None} | known))


_KIND_CHECKS: Mapping[str, typed.Check] = {
    "pool": typed.text,
    "is_python": typed.flag,
    "function": typed.text,
    "library": typed.text,
    "running": typed.whole,
    "grown": typed.whole,
}
_CHECKS: Mapping[str, typed.Check] = {
    "fold": typed.whole,
    "seconds": typed.seconds,
    "why": typed.text,
    "threads": typed.tuple_of(_kind),
}
