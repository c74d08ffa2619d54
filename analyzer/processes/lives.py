"""`Life`: a process in the making, and where in a log another one begins in its place."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from itertools import compress, count, repeat, takewhile
from operator import gt
from typing import TYPE_CHECKING, NamedTuple

from analyzer.logs.label_budget import FURTHER
from analyzer.resources import ABSENT, COLUMNS, FALL_OF_AN_END
from telemetry.thread_line import parse_label

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from analyzer.logs.scan_result import LabelContext, ScanResult
    from analyzer.processes.process import Process
    from telemetry.thread_line import Label


STRETCH = 2**12
"""Rows that are looked at together."""


class Suspects(NamedTuple):
    """Where in a part of one writer a new process may begin; found once, however many signs and processes are in it."""

    rows: Collection[int]
    in_order: Sequence[int]

    @classmethod
    def of(cls, part: ScanResult) -> Suspects:
        """Look through a part of a log that one writer wrote."""
        falls = _falls(part)
        if part.after_gap:
            falls = {row for row in falls if row not in part.after_gap}
        return cls(falls, sorted(falls))

    def next_after(self, row: int, *, stop: int) -> int:
        """Return the first of them from ``row`` on, or ``stop``."""
        number = bisect_left(self.in_order, row)
        return min(self.in_order[number], stop) if number < len(self.in_order) else stop


def _falls(part: ScanResult) -> Collection[int]:
    """Return the rows with less maps than the row before, as a new process has; all if not recorded."""
    maps = part.columns["maps"]
    if ABSENT in maps:
        return range(len(maps))
    found = {0}
    for row in range(1, len(maps), STRETCH):
        near = maps[row - 1 : row + STRETCH]
        if min(near) < FALL_OF_AN_END * max(near):  # of most stretches nothing falls so far
            left = map(FALL_OF_AN_END.__mul__, near)
            found.update(compress(count(row), map(gt, left, near[1:])))
    return found


class Life:
    """A process in the making, and what tells that its rank has begun another."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._samples = process.checkpoints
        self._first_rows: dict[str, int] = {}
        """By text of the label, where it first came."""
        self._heads: dict[tuple[int, int | None], int] = {}
        """By heading in its part, and fold before it."""
        self._same_fold: dict[int | None, dict[int, int]] = {}
        """By fold, the heads of the headings that it goes on with, by heading."""
        self._part: ScanResult | None = None
        self._last: Label | None = None
        self._highest_fold = 0

    def extend(self, part: ScanResult, rows: range, lines_before: int, suspects: Suspects) -> int:
        """Take rows; return the end of them, or the first that is of another process."""
        if part is not self._part:
            self._heads, self._same_fold, self._part = {}, {}, part
        done, heads, known = rows.start, array("q"), self._samples.heads
        row, numbers = done, memoryview(part.heading_of)  # a slice of which copies nothing
        while row < rows.stop:
            number, fold = numbers[row], self._last.fold if self._last else None
            if number not in self._same_fold.get(fold, ()) or row in suspects.rows:
                self._add(part, range(done, row), heads, lines_before)
                heading = part.headings[number]
                if self._begins_anew(heading, [part.columns[name][row] for name in COLUMNS]):
                    return row
                done, heads = row, array("q", [self._take_heading(heading, number, fold)])
                row += 1
            stop = suspects.next_after(row, stop=rows.stop)
            heads_of = self._same_fold[self._last.fold if self._last else None]
            found = map(heads_of.get, numbers[row:stop], repeat(-1))
            taken = len(heads)
            heads.extend(takewhile((-1).__ne__, found))
            row += len(heads) - taken
            self._last = known[heads[-1]].label
        self._add(part, range(done, rows.stop), heads, lines_before)
        heading = part.headings[part.heading_of[rows.stop - 1]]
        self._samples.last_label = heading.label or parse_label(heading.text, previous=self._last)
        return rows.stop

    def _take_heading(self, heading: LabelContext, number: int, fold: int | None) -> int:
        """Take the next row's heading, after one of ``fold``; return its head."""
        head = self._heads.get((number, fold))
        if head is None:
            head = self._heads[number, fold] = self._new_head(heading)
        self._last = self._samples.heads[head].label
        self._highest_fold = max(self._highest_fold, self._last.fold or 0)
        if self._last.stage != FURTHER:  # which come back as one label, and are many
            self._first_rows.setdefault(heading.text, len(self._samples))
        self._same_fold.setdefault(self._last.fold, {})[number] = head
        return head

    def _add(self, part: ScanResult, rows: range, heads: array[int], lines_before: int) -> None:
        checkpoints, taken = self._samples, slice(rows.start, rows.stop)
        checkpoints.head_of.extend(heads)
        lines = part.line_of[taken]
        checkpoints.lines.extend(map(lines_before.__add__, lines) if lines_before else lines)
        times = part.times[taken] if part.is_dated else array("d", [math.nan]) * len(rows)
        checkpoints.times.extend(times)
        for name in part.columns.keys() - checkpoints.columns.keys():
            checkpoints.columns[name] = array("q", [ABSENT]) * (len(checkpoints) - len(rows))
        for name, column in checkpoints.columns.items():
            known = part.columns.get(name)
            column.extend([ABSENT] * len(rows) if known is None else known[taken])

    def _new_head(self, heading: LabelContext) -> int:
        label = heading.label or parse_label(heading.text, previous=self._last)
        limits = {
            "cgroup_pids": heading.cgroup_limit,
            "maps": heading.maps_limit,
            **dict(heading.limits),
        }
        return self._samples.contexts.number(label, limits)

    def _begins_anew(self, heading: LabelContext, values: Sequence[int]) -> bool:
        """Whether a reading is the first of another process: a label comes back, and memory fell.

        A restart repeats a label, or names a fold before the last one, and its counts are again
        near the first. A training repeats labels too, every epoch, and its counts wander: where
        the fold does not go back, only a fall by a fifth is the end of a process. A label of no fold
        that is new is of another process where libraries are not loaded that were from the start.
        A value that is printed over and over under one label, without maps, rises and falls as it likes.
        """
        if self._last is None:
            return False
        label = heading.label or parse_label(heading.text)
        goes_back = label.fold is not None and label.fold < self._highest_fold
        first = self._first_rows.get(heading.text)
        if first is None and label.fold is None:
            return self._is_unloaded(values)
        if heading.text == self._last.text and values[COLUMNS.index("maps")] == ABSENT:
            return False
        if first is None:
            return goes_back and self._has_fallen(values, 0, 1.0)
        began = self._samples.heads[self._samples.head_of[first]].label
        if label.fold is None and began.fold is not None:
            return False
        return self._has_fallen(values, first, 1.0 if goes_back else FALL_OF_AN_END)

    def _is_unloaded(self, values: Sequence[int]) -> bool:
        """Whether maps are half of those of its first reading or less: its libraries are not there."""
        first, now = self._samples.columns["maps"][0], values[COLUMNS.index("maps")]
        return ABSENT not in (first, now) and now <= first / 2

    def _has_fallen(self, values: Sequence[int], first: int, share: float) -> bool:
        """Whether maps (else rss, else threads) are near the ``first`` row's, and under the last."""
        for name in ("maps", "rss_bytes", "threads"):
            now, column = values[COLUMNS.index(name)], self._samples.columns[name]
            if ABSENT not in (now, column[-1], column[first]):
                return now < share * column[-1] and now <= 1.25 * column[first]
        return False
