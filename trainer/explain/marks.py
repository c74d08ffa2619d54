"""The allocations by which two moments of a program are found among memray's records: by the functions that make them."""

from __future__ import annotations

_marks: list[bytearray] = []


def foldwatch_begin() -> None:
    """Allocate what marks the first label."""
    _marks.append(bytearray(4096))


def foldwatch_end() -> None:
    """Allocate what marks the second label."""
    _marks.append(bytearray(4096))


BEGIN, END = foldwatch_begin.__name__, foldwatch_end.__name__
