"""`ScanResultBuilder`: puts the readings and matches of a scan into columns, as they are found."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING

from analyzer.logs.label_budget import FURTHER, MOST_LABELS, merged_label
from analyzer.logs.line_prefixes import seconds_of
from analyzer.logs.scan_result import LabelContext, LocatedMatch, ScanResult
from analyzer.logs.thinning import MOST_READINGS
from analyzer.resources import ABSENT, COLUMNS
from analyzer.signatures.search import EXCEPTION
from telemetry.reading import LimitState
from telemetry.thread_line import MEBIBYTE, parse_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyzer.logs.blocks import Block
    from analyzer.logs.line_prefixes import Unwrapped
    from analyzer.logs.wrapped_lines import Row
    from analyzer.signatures.search import SignatureMatch
    from telemetry.reading import Limit
    from telemetry.thread_line import ThreadLine


OPEN_MATCHES = 60
"""Different ones of one writer between two signs of progress, at most."""
MESSAGE_KEPT = 80
"""Of an exception, by which two are told apart."""


class ScanResultBuilder:
    """A `ScanResult` in the making.

    Lines that are as `format_line` writes them are collected in ``plain``, with their writer and time, and
    their offsets in ``plain_at``. `flush` puts them into the columns together: that is several times as fast.
    """

    def __init__(self, *, keeps_all: bool = False, most_labels: int = MOST_LABELS) -> None:
        self.result = ScanResult()
        self._most_labels = most_labels
        self.plain: list[Row] = []
        self.plain_at: list[int] = []
        self._number_of: dict[LabelContext, int] = {}
        self._number_as_written: dict[tuple[bytes | None, ...], int] = {}
        self._last: LabelContext | None = None
        """The last one that was new, or was merged."""
        self._thin_at = math.inf if keeps_all else MOST_READINGS
        self.open_matches: dict[str | None, set[tuple[str, str]]] = {}
        """By writer, the signatures and exceptions since its last sign of progress; each counts once."""

    def add_match(self, match: SignatureMatch, origin: Unwrapped) -> None:
        """Add a match, unless its writer has left the same since it last made progress."""
        found = self.open_matches.setdefault(origin.writer, set())
        key = (match.signature, match.text[:MESSAGE_KEPT] if match.signature == EXCEPTION else "")
        if key not in found and len(found) < OPEN_MATCHES:
            found.add(key)
            self._add(match, origin.writer, origin.time)

    def add_progress(self, writer: str | None, *, is_restart: bool = False) -> None:
        """Add that a writer went on below its matches, or that another attempt began."""
        if self.open_matches.pop(writer, None):
            row = len(self.result.line_of)
            self.result.matches.append(LocatedMatch(row, writer, None, is_restart=is_restart))

    def _add(self, said: SignatureMatch, writer: str | None, time: float | None) -> None:
        row = len(self.result.line_of)
        self.result.matches.append(LocatedMatch(row, writer, said, time))

    def add_line(self, parsed: ThreadLine, line: int, origin: Unwrapped) -> None:
        """Add the reading of a line that was unwrapped and parsed."""
        maps = parsed.maps
        rank = parsed.extra.get("rank")
        context = LabelContext(
            origin.writer or (f"rank{rank}" if rank else None),
            parsed.label,
            parsed.cgroup.limit,
            LimitState.INVISIBLE if maps is None else maps.limit,
        )
        values = {
            "threads": parsed.threads,
            "cgroup_pids": parsed.cgroup.current,
            "maps": None if maps is None else maps.current,
            "rss_bytes": parsed.rss_bytes,
        }
        self.add_row(context, line, values, origin.time)

    def add_row(
        self,
        context: LabelContext,
        line: int,
        values: Mapping[str, int | None],
        time: float | None,
    ) -> None:
        """Add a reading: its values by resource."""
        result = self.result
        for name in values.keys() - result.columns.keys():
            result.columns[name] = array("q", [ABSENT]) * len(result.line_of)
        result.heading_of.append(self._number(context))
        result.line_of.append(line)
        if time is not None:
            result.times.append(time)
        for name, column in result.columns.items():
            value = values.get(name)
            column.append(ABSENT if value is None else value)
        self._bound()
        self.open_matches.clear()

    def flush(self, block: Block) -> None:
        """Put the lines in ``plain`` into the columns."""
        if not self.plain:
            return
        result, columns = self.result, self.result.columns
        rows, leads, stamps = zip(*self.plain, strict=True)
        fields = zip(*rows, strict=True)
        label, threads, pids, pids_limit, maps, maps_limit, rss, ranks = fields
        columns["threads"].fromlist([*map(int, threads)])
        known_pids = (
            [ABSENT if one == b"?" else int(one) for one in pids]
            if b"?" in pids
            else [*map(int, pids)]
        )
        columns["cgroup_pids"].fromlist(known_pids)
        columns["maps"].fromlist([*map(int, maps)])
        columns["rss_bytes"].fromlist([int(size) * MEBIBYTE for size in rss])
        for name in columns.keys() - set(COLUMNS):
            columns[name].extend([ABSENT] * len(self.plain))
        known = self._number_as_written
        writers = [lead or rank for lead, rank in zip(leads, ranks, strict=True)]
        for key in zip(label, pids_limit, maps_limit, writers, strict=True):
            number = known.get(key)
            if number is None:
                number = self._number(_context(*key))
                if len(known) < self._most_labels:
                    known[key] = number
            result.heading_of.append(number)
        for stamp in filter(None, stamps):
            if (time := seconds_of(stamp.decode("ascii"))) is not None:
                result.times.append(time)
        result.line_of.fromlist(block.line_numbers(self.plain_at))
        self.plain.clear()
        self.plain_at.clear()
        self._bound()
        self.open_matches.clear()

    def finish(self) -> ScanResult:
        """Return the result; where readings were left out, all of it is as dense, and the last label is its own."""
        if self.result.left_out:
            self.result.thin()
        result = self.result
        if (
            result.heading_of
            and result.heading_of[-1] >= self._most_labels
            and self._last is not None
        ):
            result.heading_of[-1] = len(result.headings)
            result.headings.append(self._last)
        return result

    def _bound(self) -> None:
        """Keep the readings to a number; twice as many where so many labels differ."""
        if len(self.result.line_of) > self._thin_at:
            self.result.thin()
            self._thin_at = max(MOST_READINGS, 2 * len(self.result.line_of))

    def _number(self, context: LabelContext) -> int:
        number = self._number_of.get(context)
        if number is None:
            headings, self._last = self.result.headings, context
            if len(headings) >= self._most_labels:
                context = _merged(context, are_too_many=len(headings) >= 2 * self._most_labels)
            number = self._number_of.setdefault(context, len(headings))
            if number == len(headings):
                headings.append(context)
        return number


def _context(
    label: bytes, pids_limit: bytes, maps_limit: bytes, writer: bytes | None
) -> LabelContext:
    name = None if writer is None else writer.decode("ascii").replace("rank=", "rank")
    text = label.decode("utf-8", "replace").strip()
    return LabelContext(name, text, _limit(pids_limit), _limit(maps_limit))


def _limit(word: bytes) -> Limit:
    if word == b"?":
        return LimitState.UNREADABLE
    return LimitState.UNLIMITED if word == b"max" else int(word)


def _merged(context: LabelContext, *, are_too_many: bool) -> LabelContext:
    """Return the context of all further labels of a fold; of all folds where even those are too many."""
    if are_too_many:  # so many folds or limits differ
        limit = LimitState.INVISIBLE
        return context._replace(
            text=FURTHER, cgroup_limit=limit, maps_limit=limit, label=None, limits=()
        )
    known = context.label and merged_label(context.label)
    return context._replace(text=merged_label(parse_label(context.text)).text, label=known)
