"""What was allocated and not freed, by the line of the program that had it allocated, from the records of memray."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from telemetry.recorder.own_code import is_of_program
from trainer.explain.flame_graph import flame_graph
from trainer.explain.marks import BEGIN, END

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_ROWS = 10
_PACKAGE = re.compile(r".*/(?:site|dist)-packages/(?P<name>[^/]+?)(?:\.py)?(?:/.*)?")
_ROWS_OF_MAPS = {"MMAP"}
_WITHIN = {"<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>", "<lambda>"}
LEAST_SHARE = 0.005


@dataclass(slots=True)
class HeldLine:
    """What one line of the program had allocated that is not freed."""

    function: str
    line: str
    """``/path/train.py:212``."""
    library: str | None
    """The package whose function took it; None for the program's own or Python's."""
    bytes: int = 0
    allocations: int = 0
    maps: int = 0
    """Of the allocations, those that were mapped."""
    share: float = 0.0
    """Of all bytes that are not freed, 0 to 1."""


@dataclass(slots=True)
class HeldMemory:
    """All that was not freed: the largest rows, and the sums."""

    rows: list[HeldLine] = field(default_factory=list)
    bytes: int = 0
    allocations: int = 0


class _Allocation(NamedTuple):
    """What one stack allocated in the window and did not free in it; it has what memray's reporters ask for."""

    record: Any
    size: int
    n_allocations: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.record, name)


class Records:
    """The records that memray wrote of a program, read once: that takes as long as the program took to make them."""

    def __init__(self, path: str, *, is_marked: bool) -> None:
        """Raises OSError for a file that is none.

        Args:
            path: The file.
            is_marked: Whether the two moments are marked in it; else all of it counts.
        """
        import memray  # noqa: PLC0415 - an extra

        reader = memray.FileReader(path)
        if is_marked:
            self._allocations = _between_marks(
                reader.get_temporal_allocation_records(merge_threads=True)
            )
        else:
            self._allocations = [*reader.get_leaked_allocation_records(merge_threads=True)]

    def held(self) -> HeldMemory:
        """Sum what was allocated between the two moments and not freed by the second one."""
        return group(
            (one.stack_trace(), one.size, one.n_allocations, _kind(one.allocator))
            for one in self._allocations
        )

    def flame_graph(self, title: str) -> str:
        """Return the flame graph of it as an HTML page."""
        records = ((one.stack_trace(), one.size) for one in self._allocations)
        return flame_graph(records, title=title, is_own=is_of_program)


def _between_marks(records: Iterable[Any]) -> list[Any]:
    """Return what was allocated between the two marks and not freed at the second one."""
    kept = [record for record in records if any(one.n_allocations for one in record.intervals)]
    at: dict[str, int] = {}
    for record in kept:
        for function, *_ in record.stack_trace()[:1]:
            if function in {BEGIN, END}:
                at[function] = max(one.allocated_before_snapshot for one in record.intervals)
    if at.keys() != {BEGIN, END}:
        return []
    first, last = at[BEGIN], at[END]
    found = []
    for record in kept:
        size = count = 0
        for one in record.intervals:
            freed = one.deallocated_before_snapshot
            if first < one.allocated_before_snapshot < last and (freed is None or freed >= last):
                size += one.n_bytes
                count += one.n_allocations
        if count:
            found.append(_Allocation(record, size, count))
    return found


def _kind(allocator: int) -> str:
    import memray  # noqa: PLC0415 - an extra

    return memray.AllocatorType(allocator).name


def group(records: Iterable[tuple[Sequence[tuple[str, str, int]], int, int, str]]) -> HeldMemory:
    """Sum records by the innermost line of the program.

    Args:
        records: For each the stack, the innermost call first, as function, file and line; bytes; allocations; how.
    """
    found: dict[tuple[str, str, str | None], HeldLine] = {}
    whole = HeldMemory()
    for stack, size, count, kind in records:
        key = _key(stack)
        row = found.setdefault(key, HeldLine(*key))
        row.bytes += size
        row.allocations += count
        row.maps += count if kind in _ROWS_OF_MAPS else 0
        whole.bytes += size
        whole.allocations += count
    for row in found.values():
        row.share = row.bytes / whole.bytes if whole.bytes else 0.0
    large = [row for row in found.values() if row.share >= LEAST_SHARE]
    whole.rows = sorted(large, key=lambda row: -row.bytes)[:MOST_ROWS]
    return whole


def _key(stack: Sequence[tuple[str, str, int]]) -> tuple[str, str, str | None]:
    library = None
    for place, (_, file, line) in enumerate(stack):
        if is_of_program(file):
            return _named(stack, place), f"{file}:{line}", library
        if (package := _PACKAGE.fullmatch(file)) is not None:
            library = library or package["name"]
    if not stack:
        return "(outside of Python)", "", None
    function, file, line = stack[0]
    return function, f"{file}:{line}", library


def _named(stack: Sequence[tuple[str, str, int]], place: int) -> str:
    """Return the function at ``place``; for a comprehension or the like the one that it stands in."""
    function, file, _ = stack[place]
    outer = (name for name, where, _ in stack[place:] if where == file and name not in _WITHIN)
    return next(outer, function) if function in _WITHIN else function
