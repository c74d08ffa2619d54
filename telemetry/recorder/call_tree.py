"""`CallTree`: the calls that a thread was seen in, and what grew while it was in them.

Two looks at a thread have calls in common: those that were going on at the first look and still are at the second.
Whatever grew in between grew inside the innermost of them, however little of that time each function below it took.
A call is known again by a mark that the first look leaves in its frame's ``f_trace``, which Python calls only while a
debugger traces the thread; the frame itself is not kept, since it would keep the training's arrays.
"""

from __future__ import annotations

from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from types import CodeType, FrameType

MOST_NODES = 4000
DEEPEST = 300
"""Calls of a stack that are looked at."""
_RESUMED = CO_ASYNC_GENERATOR | CO_COROUTINE | CO_GENERATOR
"""A call that may be left and gone on with: what it is in at two looks says nothing of the time between."""
ROOT = 0


class _Mark:
    """In the frame of a call: its node, and the first look that saw it."""

    __slots__ = ("node", "since", "tree")

    def __init__(self, tree: CallTree, node: int, since: int) -> None:
        self.tree = tree
        self.node = node
        self.since = since

    def __call__(self, *_: object) -> None:
        """Trace nothing: a debugger calls it if the thread is traced later."""


class Node:
    """A function as it was called from one line of its caller."""

    __slots__ = ("children", "code", "grown", "line", "looks", "parent")

    def __init__(self, parent: int, line: int, code: CodeType | None) -> None:
        self.parent = parent
        self.line = line
        """Of the caller."""
        self.code = code
        self.children: dict[tuple[int, CodeType], int] = {}
        self.grown: dict[str, int] = {}
        """What grew while this was the innermost call that two looks had in common."""
        self.looks = 0
        """How many looks found this call innermost."""


class Place(NamedTuple):
    """Where a thread was at a look."""

    common: int
    """The node of the innermost call that it was in at the look before as well."""
    leaf: int
    """The node of the innermost call."""
    line: int
    """That it was at in that call."""


class CallTree:
    """The calls of a thread, as nodes; the first is the root."""

    def __init__(self) -> None:
        self.nodes = [Node(ROOT, 0, None)]

    def look(self, frame: FrameType, number: int, *, since: int) -> Place:
        """Take the ``number``-th look at a thread, and mark its calls.

        Args:
            frame: Its innermost frame.
            number: Of this look; they rise.
            since: The look with which calls are to be in common.
        """
        new: list[FrameType] = []
        at: FrameType | None = frame
        known = ROOT
        while at is not None and len(new) < DEEPEST:
            if (mark := self._mark(at)) is not None:
                known = mark.node
                break
            new.append(at)
            at = at.f_back
        node, line = known, 0 if at is None else at.f_lineno
        for call in reversed(new):
            node, line = self._child(node, line, call.f_code), call.f_lineno
            is_free = call.f_trace is None or type(call.f_trace) is _Mark
            if is_free and not call.f_code.co_flags & _RESUMED:
                call.f_trace = _Mark(self, node, number)
        self.nodes[node].looks += 1
        return Place(self.common(at, since), node, line)

    def common(self, at: FrameType | None, since: int) -> int:
        """Return the node of the innermost call, ``at`` or above it, that the look ``since`` saw as well."""
        while at is not None:
            if (mark := self._mark(at)) is not None and mark.since <= since:
                return mark.node
            at = at.f_back
        return ROOT

    def _mark(self, frame: FrameType) -> _Mark | None:
        mark = frame.f_trace
        return mark if type(mark) is _Mark and mark.tree is self else None

    def below(self, node: int, place: Place) -> int:
        """Return what the call ``node`` was doing at a look: the node that it called, or its own line, negative."""
        at = place.leaf
        if at == node:
            return -place.line
        while self.nodes[at].parent != node and at != ROOT:
            at = self.nodes[at].parent
        return at

    def _child(self, parent: int, line: int, code: CodeType) -> int:
        children = self.nodes[parent].children
        known = children.get((line, code))
        if known is not None:
            return known
        if len(self.nodes) >= MOST_NODES:
            return parent
        children[line, code] = len(self.nodes)
        self.nodes.append(Node(parent, line, code))
        return len(self.nodes) - 1
