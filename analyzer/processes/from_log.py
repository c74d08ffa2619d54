"""From the scans of a log to processes: where one ends and the next begins."""

from __future__ import annotations

import io
import math
import re
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from itertools import compress, count, repeat
from operator import gt, ne
from typing import TYPE_CHECKING, BinaryIO

from analyzer.logs.parallel import read_open
from analyzer.logs.rank_prefixes import without_counts
from analyzer.processes.checkpoints import CheckpointContext
from analyzer.processes.process import Process
from analyzer.resources import ABSENT, COLUMNS
from telemetry.errors import InputError
from telemetry.thread_line import parse_label

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterator, Sequence

    from analyzer.logs.scan_result import LabelContext, ScanResult
    from telemetry.journal.follower import SkippedLine
    from telemetry.thread_line import Label

__all__ = ["Process", "Source", "Table", "read_log", "table_of"]


@dataclass(slots=True, kw_only=True)
class Source:
    """One file as it was read."""

    path: str
    earlier: tuple[str, ...] = ()
    """What was rotated away of it, the oldest first: lines count from there on."""
    lines: int = 0
    checkpoints: int = 0
    skipped: list[SkippedLine] = field(default_factory=list)
    more_skipped: int = 0
    """Refused lines beyond those in ``skipped``, which would fill the memory."""

    @property
    def skipped_count(self) -> int:
        """All refused lines."""
        return len(self.skipped) + self.more_skipped


@dataclass(frozen=True, slots=True)
class Table:
    """Everything that was read of one source or one pair of journal and log."""

    sources: list[Source]
    processes: list[Process]


def read_log(path: str, stream: BinaryIO, *, group: str | None = None) -> Table:
    """Read the ``[THREADS]`` lines and crash signatures of a text log, packed or not.

    Raises InputError for an empty file and for a binary one with nothing in it that is of a log.
    """
    return table_of(path, [read_open(io.BufferedReader(stream))], group=group)  # type: ignore[arg-type] # needs readinto only


def table_of(path: str, parts: Sequence[ScanResult], *, group: str | None = None) -> Table:
    """Put the parts of one log together. Raises InputError as `read_log` does."""
    source = Source(path=path)
    assembly = Assembly(source=path, group=group or path)
    for part in without_counts(parts):
        assembly.take(part, lines_before=source.lines)
        source.skipped += [
            replace(skipped, line=skipped.line + source.lines) for skipped in part.skipped
        ]
        source.more_skipped += part.more_skipped
        source.checkpoints += len(part.line_of)
        source.lines += part.lines
    if not any(part.size_bytes for part in parts):
        why = source.skipped[0].reason if source.skipped else "the file is empty"
        raise InputError(f"{path}: {why}")
    if any(part.has_nul for part in parts) and not (assembly.processes or source.skipped):
        if parts[0].is_utf_16:
            raise InputError(f"{path}: UTF-16; make it UTF-8 first: iconv -f UTF-16 -t UTF-8")
        raise InputError(f"{path}: a binary file, not a log")
    return Table([source], assembly.finish(lines=source.lines))


_PID = re.compile(r"(?:\[|\bpid=)(\d{1,9})\b")
"""In the name of a writer: ``python[12]``, ``train pid=12``."""
_RANK = re.compile(r"(?:^|/)(?:default|rank|\d+,)(\d{1,9})$")
"""At the end of one: ``default0``, ``1,0``, ``train-0/main/rank0``."""


def _number(name: re.Pattern[str], writer: str | None) -> int | None:
    match = name.search(writer or "")
    return None if match is None else int(match[1])


FALL_OF_AN_END = 0.8
"""What is left of its maps at the start of a new process, of those at the end of the one before."""


class Assembly:
    """Deals the readings of a log out to processes: by who wrote them, and by when one began anew."""

    def __init__(self, *, source: str, group: str) -> None:
        self.processes: list[Process] = []
        self._source = source
        self._group = group
        self._lives: dict[str | None, _Life] = {}
        self._mute: dict[str | None, _Life] = {}
        """By writer, those without a reading so far: only signs are known of them."""
        self._by_number: dict[int, _Life] = {}
        self._latest: _Life | None = None

    def take(self, part: ScanResult, *, lines_before: int) -> None:
        """Take a part of the log, which follows those before it."""
        layout = _Layout.of(part)
        row = 0
        for sign in part.matches:
            self._take_rows(part, row, sign.row, lines_before, layout)
            row = sign.row
            line = None if sign.crash.line is None else sign.crash.line + lines_before
            process = self._whose(sign.writer).process
            since = process.checkpoints.seconds_since(sign.time)
            crash = replace(sign.crash, line=line, seconds_after_last_sample=since)
            process.note_match(crash)
        self._take_rows(part, row, len(part.line_of), lines_before, layout)

    def finish(self, *, lines: int) -> list[Process]:
        """Return the processes of a log of so many lines, in the order in which they began."""
        for process in self.processes:
            process.log_lines = lines
            peaks = {name: process.checkpoints.peak(name) for name in COLUMNS}
            process.note_peaks(peaks)
        return self.processes

    def _whose(self, writer: str | None) -> _Life:
        """Return the life that a sign of ``writer`` belongs to."""
        if (life := self._lives.get(writer)) is not None:
            return life
        if (life := self._known_as(writer)) is not None:
            return life
        if writer not in self._mute:
            self._mute[writer] = self._new_life(writer)
        return self._mute[writer]

    def _known_as(self, writer: str | None) -> _Life | None:
        """Return the life with readings that one without is: the launcher's error has other prefixes.

        What nobody signed is the latest one's. PyTorch puts ``[rank0]:`` in front of a traceback, also
        of a process whose lines have no prefix, or another one, or one more in front of it.
        """
        if writer is None:
            return self._latest
        outer = writer.rpartition("/")[0]
        number = _number(_RANK, writer)
        if outer in self._lives:
            return self._lives[outer]
        if number is not None and number in self._by_number:
            return self._by_number[number]
        return self._lives[None] if self._lives.keys() == {None} else None

    def _new_life(self, writer: str | None) -> _Life:
        pid = _number(_PID, writer)
        process = Process(source=self._source, group=self._group, rank=writer, pid=pid)
        self.processes.append(process)
        return _Life(process)

    def _begin(self, writer: str | None) -> _Life:
        """Begin a process with readings; what looked like a crash of it before them was none."""
        mute = self._mute.pop(writer) if writer in self._mute else None
        life = self._lives[writer] = mute or self._new_life(writer)
        if (number := _number(_RANK, writer)) is not None:
            self._by_number[number] = life
        self._latest = life
        for name in [name for name in self._mute if self._known_as(name) is life]:
            before = self._mute.pop(name).process
            life.process.recovered |= before.matches
            self.processes = [process for process in self.processes if process is not before]
        return life

    def _take_rows(
        self, part: ScanResult, start: int, end: int, lines_before: int, layout: _Layout
    ) -> None:
        while start < end:
            writer = part.headings[part.heading_of[start]].writer
            stop = min(end, layout.borders[bisect_right(layout.borders, start)])
            life = self._latest = self._lives.get(writer) or self._begin(writer)
            done = life.extend(part, range(start, stop), lines_before, layout)
            if done > start:
                life.process.mark_recovered()
            if done < stop:
                self._begin(writer)
            start = done


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where in a part what may happen; found once, however many signs and processes are in it."""

    borders: Sequence[int]
    """The rows that another writer begins with, and the end."""
    suspects: Container[int]
    """The rows that a new process may begin with; they are looked at one by one."""
    changes: Sequence[int]
    """The rows at which the heading changes, and the suspects: between them all rows are alike."""

    @classmethod
    def of(cls, part: ScanResult) -> _Layout:
        headings = part.heading_of
        rows = len(headings)
        turns = [*compress(count(1), map(ne, headings, headings[1:]))]
        if len({heading.writer for heading in part.headings}) < 2:
            falls = _falls(part)
            return cls([rows], falls, sorted({*turns, *falls}))
        writers = [heading.writer for heading in part.headings]
        borders = [row for row in turns if writers[headings[row]] != writers[headings[row - 1]]]
        return cls([*borders, rows], range(rows), range(rows))

    def runs(self, rows: range) -> Iterator[range]:
        """Cut ``rows``, which are not empty, at the changes."""
        start = rows.start
        for number in range(bisect_right(self.changes, start), len(self.changes)):
            if (change := self.changes[number]) >= rows.stop:
                break
            yield range(start, change)
            start = change
        yield range(start, rows.stop)


def _falls(part: ScanResult) -> Collection[int]:
    """Return the rows with less maps than the row before, as a new process has; all if not recorded."""
    maps = part.columns["maps"]
    if ABSENT in maps:
        return range(len(maps))
    left = map(FALL_OF_AN_END.__mul__, maps)
    return {0, *compress(count(1), map(gt, left, maps[1:]))}


class _Life:
    """A process in the making, and what tells that its rank has begun another."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._samples = process.checkpoints
        self._first_rows: dict[str, int] = {}
        """By text of the label, where it first came."""
        self._heads: dict[tuple[int, int | None], int] = {}
        """By heading in its part, and fold before it."""
        self._part: ScanResult | None = None
        self._last: Label | None = None
        self._highest_fold = 0

    def extend(self, part: ScanResult, rows: range, lines_before: int, layout: _Layout) -> int:
        """Take rows; return the end of them, or the first that is of another process."""
        if part is not self._part:
            self._heads, self._part = {}, part
        done, heads, known = rows.start, array("q"), self._samples.heads
        fold = self._last.fold if self._last else None
        for run in layout.runs(rows):
            row = run.start
            number = part.heading_of[row]
            head = self._heads.get((number, fold))
            if head is None or row in layout.suspects or known[head].label.fold != fold:
                self._add(part, range(done, row), heads, lines_before)
                done, heads = row, array("q")
                heading = part.headings[number]
                if self._begins_anew(heading, [part.columns[name][row] for name in COLUMNS]):
                    return row
                if head is None:
                    head = self._heads[number, fold] = self._new_head(heading)
                self._last = known[head].label
                fold = self._last.fold
                self._highest_fold = max(self._highest_fold, fold or 0)
                self._first_rows.setdefault(heading.text, len(self._samples))
            heads.extend(repeat(head, len(run)))
        self._add(part, range(done, rows.stop), heads, lines_before)
        return rows.stop

    def _add(self, part: ScanResult, rows: range, heads: array[int], lines_before: int) -> None:
        checkpoints, taken = self._samples, slice(rows.start, rows.stop)
        checkpoints.head_of.extend(heads)
        lines = part.line_of[taken]
        checkpoints.lines.extend(map(lines_before.__add__, lines) if lines_before else lines)
        times = part.times[taken] if part.is_dated else repeat(math.nan, len(rows))
        checkpoints.times.extend(times)
        for name in COLUMNS:
            checkpoints.columns[name].extend(part.columns[name][taken])

    def _new_head(self, heading: LabelContext) -> int:
        label = heading.label or parse_label(heading.text, previous=self._last)
        limits = {"cgroup_pids": heading.cgroup_limit, "maps": heading.maps_limit}
        self._samples.heads.append(CheckpointContext(label, limits))
        return len(self._samples.heads) - 1

    def _begins_anew(self, heading: LabelContext, values: Sequence[int]) -> bool:
        """Whether a reading is the first of another process: a label comes back, and memory fell.

        A restart repeats a label, or names a fold before the last one, and its counts are again
        near the first. A training repeats labels too, every epoch, and its counts wander: where
        the fold does not go back, only a fall by a fifth is the end of a process. A label of no fold
        that is new is of another process where libraries are not loaded that were from the start.
        """
        if self._last is None:
            return False
        label = heading.label or parse_label(heading.text)
        goes_back = label.fold is not None and label.fold < self._highest_fold
        first = self._first_rows.get(heading.text)
        if first is None and label.fold is None:
            return self._is_unloaded(values)
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
