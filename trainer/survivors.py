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
    from collections.abc import Iterator, Mapping

EXPLAINED = 5
"""Survivors whose holder is looked for; the others are named only."""
STEPS = 4
"""From an object to what holds it, to what holds that, ..."""
SEARCH_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Survivor:
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


def find_survivors(watched: Mapping[str, weakref.ref[object]]) -> tuple[Survivor, ...]:
    """Return those of ``watched`` that are alive, with their holders."""
    deadline = time.monotonic() + SEARCH_SECONDS
    found: list[Survivor] = []
    for name, reference in watched.items():
        thing = reference()
        if thing is not None:
            is_explained = len(found) < EXPLAINED and time.monotonic() < deadline
            held_by = _way_to_holder(thing, deadline) if is_explained else "(not looked for)"
            found.append(Survivor(name, type(thing).__name__, held_by))
        del thing
    return tuple(found)


def _way_to_holder(thing: object, deadline: float) -> str:
    """Follow one referrer at a time to a module's global, a running function or the last step."""
    words: list[str] = []
    seen = {id(thing)}
    while len(words) < STEPS and time.monotonic() < deadline:
        if place := _running_function(thing):
            return " in ".join([*words, place])
        holders = [h for h in gc.get_referrers(thing) if id(h) not in seen and not _is_ours(h)]
        if not holders:
            break
        # A module's namespace is the end of the way, so it is taken where there are several.
        holder = next((h for h in holders if _module_of(h)), holders[0])
        seen |= {id(h) for h in holders}
        words.append(_place(holder, thing))
        if _module_of(holder):
            break
        thing = holder
        del holders, holder
    return " in ".join(words) or "nothing that Python's collector sees: native code"


def _frames() -> Iterator[types.FrameType]:
    """Give the running functions of every thread; the collector does not see their variables."""
    for top in sys._current_frames().values():  # noqa: SLF001 - the documented way to other threads' frames
        frame: types.FrameType | None = top
        while frame is not None:
            if frame.f_globals is not globals():
                yield frame
            frame = frame.f_back


def _running_function(thing: object) -> str | None:
    for frame in _frames():
        for name, value in frame.f_locals.items():
            if value is thing and frame.f_locals is not frame.f_globals:
                code = frame.f_code
                return f"`{name}` of the running {code.co_qualname}() ({code.co_filename}:{frame.f_lineno})"
    return None


def _is_ours(holder: object) -> bool:
    return isinstance(holder, types.FrameType) and holder.f_globals is globals()


def _module_of(holder: object) -> types.ModuleType | None:
    if not isinstance(holder, dict):
        return None
    module = sys.modules.get(str(holder.get("__name__")))
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
    attributes = getattr(holder, "__dict__", None)
    if isinstance(attributes, dict):
        for name, value in attributes.items():
            if value is thing:
                return f"`{name}` of a {type(holder).__name__}"
    return f"a {type(holder).__name__}"
