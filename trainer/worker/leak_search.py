"""Which objects are still alive that should be gone, and what in Python holds each of them.

Owns the search: weak references say who is alive, the garbage collector says by whom. One question
to it looks at every object of the process (some 50 ms with TensorFlow), so the search is bounded in
objects, in steps and in time. It must not know why an object should be gone.
"""

from __future__ import annotations

import gc
import sys
import time
import types
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

EXPLAINED = 5
"""Survivors whose holder is looked for; the others are named only."""
STEPS = 8
"""From an object to what holds it, to what holds that, ..."""
OBJECTS = 2_000
"""That are looked at on the way."""
SEARCH_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class RetainedObject:
    """An object that is alive, and the way from it to a name that a person can look for."""

    name: str
    kind: str
    held_by: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.name} ({self.kind}), held by {self.held_by}"


def watch(objects: Mapping[str, object]) -> dict[str, weakref.ref[object]]:
    """Return weak references to the objects that can have one; a list or a number cannot."""
    watched = {}
    for name, thing in objects.items():
        try:
            watched[name] = weakref.ref(thing)
        except TypeError:
            continue
    return watched


def find_survivors(watched: Mapping[str, weakref.ref[object]]) -> tuple[RetainedObject, ...]:
    """Return those of ``watched`` that are alive, with their holders."""
    deadline = time.monotonic() + SEARCH_SECONDS
    found: list[RetainedObject] = []
    for name, reference in watched.items():
        thing = reference()
        if thing is not None:
            is_explained = len(found) < EXPLAINED and time.monotonic() < deadline
            held_by = _holder(thing, deadline) if is_explained else "(not looked for)"
            found.append(RetainedObject(name, type(thing).__name__, held_by))
        del thing
    return tuple(found)


def _holder(thing: object, deadline: float) -> str:
    try:
        return _way_to_holder(thing, deadline)
    except Exception as error:  # noqa: BLE001 - the search meets objects of any kind, and a fold that is trained must not be lost to one
        return f"(not found: {type(error).__name__})"


def _way_to_holder(thing: object, deadline: float) -> str:
    """Look for the shortest way to a running function's variable or a module's, breadth first.

    Keras's objects hold each other in circles, so that a single referrer leads nowhere.
    """
    things, holds = [thing], [0]  # an object, and the index of the one that it holds
    seen = {id(thing), id(things)}
    first = 0
    for _ in range(STEPS):
        last = len(things)
        at = {id(things[index]): index for index in range(first, last)}
        if place := _running_function(at):
            return _words(things, holds, place.index, place.words)
        for holder in gc.get_referrers(*things[first:last]):
            if id(holder) in seen or isinstance(holder, types.FrameType):
                continue
            held = next((at[id(r)] for r in gc.get_referents(holder) if id(r) in at), None)
            if held is None:
                continue
            if _module_of(holder):
                return _words(things, holds, held, _place(holder, things[held]))
            if len(things) < OBJECTS:
                seen.add(id(holder))
                things.append(holder)
                holds.append(held)
        first = last
        if first == len(things) or time.monotonic() > deadline:
            break
    if len(things) > 1:
        return _place(things[1], thing)
    return "nothing that Python's collector sees: native code"


def _words(things: list[object], holds: list[int], index: int, end: str) -> str:
    """Say the way from the first thing to ``things[index]``, and what holds that."""
    words = [end]
    while index:
        words.append(_place(things[index], things[holds[index]]))
        index = holds[index]
    return " in ".join(reversed(words))


@dataclass(frozen=True, slots=True)
class _Variable:
    index: int
    words: str


def _running_function(at: Mapping[int, int]) -> _Variable | None:
    """Find a variable of a running function, of any thread, that is one of these objects.

    The collector does not see them. Not ours: the search holds what it looks for.
    """
    for top in sys._current_frames().values():  # noqa: SLF001 - the documented way to other threads' frames
        frame: types.FrameType | None = top
        while frame is not None:
            is_function = frame.f_locals is not frame.f_globals
            if is_function and frame.f_globals is not globals():
                for name, value in frame.f_locals.items():
                    if id(value) in at:
                        code = frame.f_code
                        where = f"{code.co_qualname}() ({code.co_filename}:{frame.f_lineno})"
                        return _Variable(at[id(value)], f"`{name}` of the running {where}")
            frame = frame.f_back
    return None


def _module_of(holder: object) -> types.ModuleType | None:
    if not isinstance(holder, dict):
        return None
    name = holder.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    return module if module is not None and vars(module) is holder else None


def _place(holder: object, thing: object) -> str:
    """Say where in ``holder`` the thing is."""
    if isinstance(holder, dict):
        key = next((key for key, value in holder.items() if value is thing), None)
        if module := _module_of(holder):
            return f"`{key}` of module {module.__name__}"
        return f"`{key}` of a dict of {len(holder)}" if isinstance(key, str) else "a dict"
    if isinstance(holder, list | tuple | set | frozenset):
        return f"a {type(holder).__name__} of {len(holder)}"
    if isinstance(holder, type):
        return f"class {holder.__qualname__}"
    attributes = getattr(holder, "__dict__", None)
    if isinstance(attributes, dict):
        for name, value in attributes.items():
            if value is thing:
                return f"`{name}` of a {type(holder).__name__}"
    return f"a {type(holder).__name__}"
