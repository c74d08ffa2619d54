"""`CallLedger`: what grew inside each call of a thread, as books are kept: every difference is entered once, somewhere.

At each event of the thread some numbers are read. What a number has changed by since it was last read is entered at the
innermost call inside which all of that time was. So a number that is read at each event is told exactly, and one that is
dear, and read less often, is told of an outer call, but of no wrong one.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType

ROOT = 0
MOST_NODES = 4000


class Node:
    """A function as it was called from one line of its caller."""

    __slots__ = ("children", "code", "grown", "is_heavy", "is_long", "line", "name", "parent")

    def __init__(self, parent: int, line: int, code: CodeType | None, name: str) -> None:
        self.parent = parent
        self.line = line
        """Of the caller."""
        self.code = code
        """None of a function that is not written in Python."""
        self.name = name
        self.children: dict[tuple[int, object], int] = {}
        self.grown: dict[str, int] = {}
        """What is entered here, and at no call that this one made."""
        self.is_long = True
        """Whether its begin and its end are worth a reading; so it is until it was seen to be short."""
        self.is_heavy = False
        """Whether Python works on for long in it without a call: it itself, or other threads."""


class CallLedger:
    """The calls of a thread, as nodes, of which the first is the root; and where each number's time began."""

    def __init__(self) -> None:
        self.nodes = [Node(ROOT, 0, None, "")]
        self.current = ROOT
        self._values: dict[str, int] = {}
        self._since: dict[str, int] = {}
        """By number, the innermost call inside which all the time since it was read has been."""

    def child(self, parent: int, line: int, code: CodeType | None, name: str) -> int:
        """Return the node of a function that ``parent`` calls from a line; the parent's own where there are too many."""
        children, key = self.nodes[parent].children, (line, code or name)
        known = children.get(key)
        if known is None:
            if len(self.nodes) >= MOST_NODES:
                return parent
            known = children[key] = len(self.nodes)
            self.nodes.append(Node(parent, line, code, name))
        return known

    def move(self, node: int, values: Mapping[str, int] = MappingProxyType({})) -> None:
        """Go on in another call, and enter what the numbers that were read, if any, have changed by until here."""
        for name, value in values.items():
            before = self._values.get(name)
            if before is not None and value != before:
                grown = self.nodes[self._since[name]].grown
                grown[name] = grown.get(name, 0) + value - before
            self._values[name] = value
        is_inward = self.nodes[node].parent == self.current
        for name, since in self._since.items():
            if not is_inward and name not in values:
                self._since[name] = self._common(since, node)
        self._since.update(dict.fromkeys(values, node))
        self.current = node

    def values(self) -> dict[str, int]:
        """Return every number as it was last read."""
        return dict(self._values)

    def value(self, name: str) -> int | None:
        """Return a number as it was last read."""
        return self._values.get(name)

    def _common(self, one: int, other: int) -> int:
        """Return the innermost call around both. A caller's number is lower than that of what it calls."""
        while one != other:
            if one > other:
                one = self.nodes[one].parent
            else:
                other = self.nodes[other].parent
        return one
