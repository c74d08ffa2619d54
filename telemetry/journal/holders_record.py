"""The event ``holders`` of a journal, checked: who held a limit, as the process or its runner saw it.

A training may write an event of that name for what it likes; of another form, it is none of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telemetry.holders import COUNTED, KEPT, HolderKind, Holders, LimitHolder, clean_name
from telemetry.journal import typed

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_SCOPE = 300


def holders_of(facts: Mapping[str, Any], *, time: float) -> Holders:
    """Return what an event's ``facts`` say. Raises ValueError for what no recorder writes."""
    known = typed.fields_of(facts, CHECKS)
    try:
        return Holders(**(known | {"time": time}))
    except TypeError as error:  # a field is missing
        raise ValueError(str(error)) from error


def _limit(name: str, value: object) -> str:
    if type(value) is not str or value not in COUNTED:
        raise ValueError(f"{name:.40} is no limit that has holders: {value!r:.40}")
    return value


def _scope(name: str, value: object) -> str:
    return typed.text(name, value)[:LONGEST_SCOPE]


def _kind(name: str, value: object) -> HolderKind:
    return HolderKind(typed.text(name, value))


def _name(name: str, value: object) -> str:
    text = typed.text(name, value)
    return clean_name(text) if text else ""


def _top(name: str, value: object) -> tuple[LimitHolder, ...]:
    if type(value) is not list or len(value) > KEPT + 1:
        raise ValueError(f"{name:.40} is no list of at most {KEPT} and the run")
    return tuple(_holder(name, item) for item in value)


def _holder(name: str, value: object) -> LimitHolder:
    known = typed.fields_of(typed.mapping(name, value), _OF_HOLDER)
    if not {"kind", "amount"} <= known.keys():
        raise ValueError("a holder without kind or amount")
    return LimitHolder(**known)


_OF_HOLDER: Mapping[str, typed.Check] = {
    "kind": _kind,
    "amount": typed.whole,
    "name": _name,
    "pid": typed.whole,
    "processes": typed.whole,
    "zombies": typed.whole,
}
CHECKS: Mapping[str, typed.Check] = {
    "limit": _limit,
    "used": typed.whole,
    "most": typed.whole,
    "scope": _scope,
    "top": _top,
    "others": typed.whole,
    "unseen": typed.whole,
}
"""Of each fact."""
