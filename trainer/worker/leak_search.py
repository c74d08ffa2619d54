"""Finds the objects that are still alive although they should be gone, and the reference that keeps each alive.

Weak references show which objects are alive, the garbage collector shows their referrers. One call of
gc.get_referrers visits every object of the process (about 50 ms with TensorFlow), so the search is bounded in
objects, in steps and in time.
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
"""The number of survivors whose holder is searched for; the others are only named."""
STEPS = 8
"""The longest path from an object to its holder, to the holder's holder, and so on."""
OBJECTS = 2_000
"""The most objects that one search visits."""
SEARCH_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class RetainedObject:
    """An object that is still alive, and the path from it to a name in the source."""

    name: str
    kind: str
    held_by: str

    def __str__(self) -> str:
        """Return one line."""
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
    survivors: list[RetainedObject] = []
    for name, reference in watched.items():
        thing = reference()
        if thing is not None:
            is_explained = len(survivors) < EXPLAINED and time.monotonic() < deadline
            held_by = _holder(thing, deadline) if is_explained else "(not looked for)"
            survivors.append(RetainedObject(name, type(thing).__name__, held_by))
        del thing
    return tuple(survivors)


def _holder(thing: object, deadline: float) -> str:
    try:
        return _path_to_holder(thing, deadline)
    except Exception as error:  # noqa: BLE001 - the search visits any kind of object, and a trained fold must not be lost to one
        return f"(not found: {type(error).__name__})"


def _path_to_holder(thing: object, deadline: float) -> str:
    """Search the shortest path to a variable of a running function or a module, breadth first.

    Keras's objects hold each other in cycles, so a single referrer leads nowhere.
    """
    things, holds = [thing], [0]  # an object, and the index of the one that it holds
    seen = {id(thing), id(things)}
    first = 0
    for _ in range(STEPS):
        last = len(things)
        at = {id(things[index]): index for index in range(first, last)}
        if variable := _running_function(at):
            return _path_text(things, holds, variable.index, variable.description)
        for holder in gc.get_referrers(*things[first:last]):
            if id(holder) in seen or isinstance(holder, types.FrameType):
                continue
            held = next((at[id(r)] for r in gc.get_referents(holder) if id(r) in at), None)
            if held is None:
                continue
            if _module_of(holder):
                return _path_text(things, holds, held, _location(holder, things[held]))
            if len(things) < OBJECTS:
                seen.add(id(holder))
                things.append(holder)
                holds.append(held)
        first = last
        if first == len(things) or time.monotonic() > deadline:
            break
    if len(things) > 1:
        return _location(things[1], thing)
    return "nothing that Python's collector sees: native code"


def _path_text(things: list[object], holds: list[int], index: int, end: str) -> str:
    """Describe the path from the first thing to ``things[index]``, and to its holder ``end``."""
    steps = [end]
    while index:
        steps.append(_location(things[index], things[holds[index]]))
        index = holds[index]
    return " in ".join(reversed(steps))


@dataclass(frozen=True, slots=True)
class _Variable:
    index: int
    description: str


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


def _location(holder: object, thing: object) -> str:
    """Describe where in ``holder`` the thing is."""
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
