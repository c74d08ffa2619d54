"""`ScanResult`: the readings of a range of a log in columns, and the signature matches among them.

Memory grows with the readings only. The range may begin in the middle of a process.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from analyzer.logs.thinning import MOST_FALLS, kept_rows
from analyzer.resources import COLUMNS, FALL_OF_AN_END
from telemetry.journal.skipped_line import SkippedLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from analyzer.logs.format_readings import FormatReadings
    from analyzer.signatures.search import SignatureMatch
    from telemetry.reading import Limit
    from telemetry.thread_line import Label

SKIPPED_KEPT = 10_000
"""Refused lines that are listed; the rest is counted."""


class LabelContext(NamedTuple):
    """What many readings of a log have in common."""

    writer: str | None
    text: str
    cgroup_limit: Limit
    maps_limit: Limit
    label: Label | None = None
    """Where it is known already; else it follows from ``text`` and what came before."""
    limits: tuple[tuple[str, int], ...] = ()
    """By resource, those beside the values of a user's pattern."""


class LocatedMatch(NamedTuple):
    """What a line says of how its writer fares, after ``row`` readings of its part."""

    row: int
    writer: str | None
    crash: SignatureMatch | None
    """None where the writer goes on below its signs."""
    time: float | None = None
    is_restart: bool = False
    """Whether it goes on as it begins anew."""


@dataclass(slots=True)
class ScanResult:
    """What a stretch of a log holds; line numbers count from its first line as 1."""

    headings: list[LabelContext] = field(default_factory=list)
    heading_of: array[int] = field(default_factory=lambda: array("q"))
    line_of: array[int] = field(default_factory=lambda: array("q"))
    columns: dict[str, array[int]] = field(
        default_factory=lambda: {name: array("q") for name in COLUMNS}
    )
    times: array[float] = field(default_factory=lambda: array("d"))
    """One for each reading that has one."""
    left_out: int = 0
    """Readings that `thinning` left out."""
    after_gap: set[int] = field(default_factory=set)
    """Rows before which it left out what the same writer read."""
    matches: list[LocatedMatch] = field(default_factory=list)
    skipped: list[SkippedLine] = field(default_factory=list)
    more_skipped: int = 0
    lines: int = 0
    size_bytes: int = 0
    first_bytes: bytes = b""
    last_bytes: bytes = b""
    """Of the stretch, as many as are looked at for what a run is started with, and for how it ends."""
    has_nul: bool = False
    by_format: FormatReadings | None = None
    """What the built-in formats find, where there are neither ``[THREADS]`` lines nor a user's patterns."""

    @property
    def is_dated(self) -> bool:
        """Whether every reading has a time; else those that have one are worth nothing."""
        return len(self.times) == len(self.line_of)

    def of_rows(self, rows: Sequence[int]) -> ScanResult:
        """Return the readings of some rows, without the matches among them."""
        return ScanResult(
            headings=self.headings,
            heading_of=_taken(self.heading_of, rows),
            line_of=_taken(self.line_of, rows),
            columns={name: _taken(column, rows) for name, column in self.columns.items()},
            times=array("d", [self.times[row] for row in rows] if self.is_dated else ()),
            after_gap={place for place, row in enumerate(rows) if row in self.after_gap}
            if self.after_gap
            else set(),
        )

    def thin(self) -> None:
        """Leave readings out, and count them; the matches stay between the readings that they stood between."""
        falls = self._falls()
        ends = {row for pair in falls for row in pair} if len(falls) <= MOST_FALLS else set()
        kept = sorted(ends.union(kept_rows(self.heading_of, self.line_of, self.columns)))
        before = len(self.line_of)
        thinned = self.of_rows(kept)
        of_the_same = self._before()
        known = set(kept)
        self.after_gap = {
            place
            for place, row in enumerate(kept)
            if row in self.after_gap or of_the_same[row] not in known
        }
        self.heading_of, self.line_of = thinned.heading_of, thinned.line_of
        self.columns, self.times = thinned.columns, thinned.times
        self.matches = [match._replace(row=bisect_left(kept, match.row)) for match in self.matches]
        self.left_out += before - len(kept)

    def _before(self) -> list[int]:
        """Return, by row, that of the reading before by the same writer; -1 for the first."""
        writers = [heading.writer for heading in self.headings]
        last: dict[str | None, int] = {}
        before = []
        for row, heading in enumerate(self.heading_of):
            before.append(last.get(writers[heading], -1))
            last[writers[heading]] = row
        return before

    def _falls(self) -> list[tuple[int, int]]:
        """Return the pairs of neighbours between which a process may have ended and another begun."""
        maps = self.columns["maps"]
        return [
            (before, row)
            for row, before in enumerate(self._before())
            if before >= 0
            and row not in self.after_gap
            and maps[row] < FALL_OF_AN_END * maps[before]
        ]

    def skip(self, line: int, reason: str) -> None:
        """Count a refused line."""
        if len(self.skipped) < SKIPPED_KEPT:
            self.skipped.append(SkippedLine(line, reason))
        else:
            self.more_skipped += 1


def _taken(column: array[int], rows: Iterable[int]) -> array[int]:
    # A list is put into an array in half the time of an iterator.
    return array("q", [column[row] for row in rows])
