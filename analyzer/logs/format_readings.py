"""What the built-in formats find in a range of a log, and where the values belong."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from analyzer.logs.known_formats import PLACES, VALUE_LITERALS, VALUES, KnownFormat
from analyzer.logs.label_budget import FURTHER
from analyzer.logs.line_prefixes import PIECE_LITERALS
from analyzer.logs.pattern_search import PatternSearch
from analyzer.logs.thinning import MOST_READINGS, kept_rows
from analyzer.logs.user_pattern import label_at

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from analyzer.logs.blocks import Block
    from analyzer.logs.user_pattern import Found

LINES_KEPT = 32
"""Of those that name a place above a block with values: one for each writer, as a rule."""
LINE_BYTES = 2**11
"""Of each, on either side of what was found."""


class FormatContext(NamedTuple):
    """What many readings have in common."""

    format: str
    writer: str | None
    text: str
    """Of the label."""
    limit: int | None


@dataclass(slots=True)
class FormatReadings:
    """Readings in columns; one value each. Line numbers count from the range's first line as 1."""

    contexts: list[FormatContext] = field(default_factory=list)
    context_of: array[int] = field(default_factory=lambda: array("q"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    values: array[int] = field(default_factory=lambda: array("q"))
    times: array[float] = field(default_factory=lambda: array("d"))
    """NaN for a reading without one."""
    counts: dict[str, int] = field(default_factory=dict)
    """By format, its readings, also those that `thinning` left out."""
    named: dict[str | None, str] = field(default_factory=dict)
    """By writer, the label of what follows the range."""

    def thin(self) -> None:
        """Leave out readings of labels that come over and over."""
        kept = kept_rows(self.context_of, self.lines, {"value": self.values})
        self.context_of = array("q", map(self.context_of.__getitem__, kept))
        self.lines = array("q", map(self.lines.__getitem__, kept))
        self.values = array("q", map(self.values.__getitem__, kept))
        self.times = array("d", map(self.times.__getitem__, kept))


class FormatScan:
    """Reads the values of the built-in formats, in the blocks that may hold one.

    Of other blocks only the last lines that may name a place are kept: most logs have epochs and no such value.
    """

    def __init__(self, most_labels: int) -> None:
        self._readings = FormatReadings()
        self._most_labels = most_labels
        self._number_of: dict[FormatContext, int] = {}
        self._thin_at = MOST_READINGS
        self._search: PatternSearch | None = None
        self._above: list[bytes] = []

    def take(self, block: Block, seen: AbstractSet[bytes]) -> None:
        """Take the next block, in which the literals ``seen`` stand."""
        if not VALUE_LITERALS.isdisjoint(seen) or (self._search and self._search.is_waiting):
            for found in self._started().found(block):
                self._add(found, block)
        elif seen:
            self._above = [*self._above, *_last_lines(block, seen)][-LINES_KEPT:]

    def result(self, *, is_followed: bool) -> FormatReadings:
        """Return what was read; ``is_followed`` by another range, which has to know where it begins."""
        if is_followed and (self._search or self._above):
            named = self._started().named
            self._readings.named = {writer: label_at(at)[0] for writer, at in named.items()}
        return self._readings

    def _started(self) -> PatternSearch:
        if self._search is None:
            rows = (*VALUES, *PLACES)
            literals = [row.literal.encode() for row in rows]
            self._search = PatternSearch(rows, literals, beside=PIECE_LITERALS)
        for line in self._above:
            self._search.note_place(line)
        self._above = []
        return self._search

    def _add(self, found: Found, block: Block) -> None:
        if isinstance(found.match, str):
            return  # what looks like the format and holds no number is not it
        row, match, readings = found.pattern, found.match, self._readings
        assert isinstance(row, KnownFormat)  # noqa: S101 - the search has no others
        for resource, value in match.values.items():
            limit = match.limits.get(resource)
            context = FormatContext(row.name, found.writer, match.text, limit)
            readings.context_of.append(self._number(context))
            readings.lines.append(block.line_number(found.at))
            readings.values.append(value)
            readings.times.append(math.nan if found.time is None else found.time)
            readings.counts[row.name] = readings.counts.get(row.name, 0) + 1
        if len(readings.lines) > self._thin_at:
            readings.thin()
            self._thin_at = max(MOST_READINGS, 2 * len(readings.lines))

    def _number(self, context: FormatContext) -> int:
        contexts = self._readings.contexts
        number = self._number_of.get(context)
        if number is None:
            if len(contexts) >= self._most_labels:
                context = context._replace(text=FURTHER, limit=None)
            number = self._number_of.setdefault(context, len(contexts))
            if number == len(contexts):
                contexts.append(context)
        return number


def _last_lines(block: Block, literals: Iterable[bytes]) -> list[bytes]:
    """Return the last lines of ``block`` that hold one of ``literals``, in their order."""
    content, found = block.content, {}
    for literal in literals:
        start = block.cut
        for _ in range(LINES_KEPT):
            at = content.rfind(literal, 0, start)
            if at < 0:
                break
            floor, ceiling = max(0, at - LINE_BYTES), min(block.cut, at + LINE_BYTES)
            start = max(floor, *(content.rfind(end, floor, at) + 1 for end in (b"\n", b"\r")))
            end = content.find(b"\n", at, ceiling)
            found[start] = bytes(content[start : ceiling if end < 0 else end])
    return [found[start] for start in sorted(found)]
