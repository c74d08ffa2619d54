"""From the parts of a log to processes and their labelled samples.

Owns what one process's table is and where one process ends and the next begins. It must not judge.
"""

from __future__ import annotations

import io
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO

from analyzer.samples import ABSENT, COLUMNS, Head, Sample, Samples
from analyzer.signatures import Crash, in_its_frame
from analyzer.stretches import read_open
from telemetry.errors import InputError
from telemetry.thread_log import parse_label

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from analyzer.log_part import Heading, Part
    from telemetry.journal import Event, SkippedLine
    from telemetry.reading import Limit, Reading
    from telemetry.thread_log import Label

__all__ = ["Process", "Sample", "Source", "Table", "read_log", "table_of"]


@dataclass(slots=True, kw_only=True)
class Process:
    """One process lifetime in one source, in the order of its samples."""

    source: str
    group: str
    """What it belongs to: the run directory, or the source itself."""
    pid: int | None = None
    rank: str | None = None
    """Which of several it is, where their lines are in one log: a pod, a rank, an actor."""
    samples: Samples = field(default_factory=Samples)
    peaks: dict[str, int] = field(default_factory=dict)
    """The highest value of each resource, labelled or between labels."""
    signs: dict[str, Crash] = field(default_factory=dict)
    """The first sign of each signature, in their order: the root cause is the earliest."""
    survived: dict[str, Crash] = field(default_factory=dict)
    """Signs after which the process went on: handled, so not what ended it."""
    frames: dict[str, int] = field(default_factory=dict)
    """The last line of each frame of a traceback that tells what the error below it means."""
    first_readings: dict[str | None, Reading] = field(default_factory=dict)
    """The journal's first reading of it in each cgroup, for counters compare only within one."""
    last_reading: Reading | None = None
    """The journal's last reading of it, what a sample left out filled in; None for a text log."""
    fullest: dict[str, Reading] = field(default_factory=dict)
    """By ceiling, the reading that was nearest to its limit."""
    exit: Event | None = None
    """How it ended, as its runner saw it; None where nobody did."""

    @property
    def folds(self) -> list[int]:
        """The folds that its labels name."""
        return sorted({label.fold for label in self.samples.labels() if label.fold is not None})

    @property
    def folds_planned(self) -> int | None:
        """N of the last ``Fold K/N`` that is new."""
        return next(
            (label.folds for label in reversed([*self.samples.labels()]) if label.folds), None
        )

    @property
    def crash(self) -> Crash | None:
        """The root cause: the earliest sign that does not follow from another, else the earliest."""
        primary = (sign for sign in self.signs.values() if not sign.is_secondary)
        return next(primary, next(iter(self.signs.values()), None))

    def note_sign(self, crash: Crash) -> None:
        """Take a sign of a crash that comes after the samples so far."""
        if crash.is_frame:
            self.frames[crash.signature] = crash.line or 0
        elif sign := in_its_frame(crash, self.frames):
            last_label = self.samples[-1].label.text if self.samples else None
            self.signs.setdefault(sign.signature, replace(sign, last_label=last_label))

    def take_signs(self, other: Process) -> None:
        """Take what the same process's log says of its end; it comes before what the runner saw."""
        self.signs = {**other.signs, **self.signs}
        self.survived = {**other.survived, **self.survived}

    def limit(self, resource: str) -> Limit:
        """Return the last known limit of ``resource``."""
        return self.samples.limit(resource)

    def series(self, resource: str) -> dict[str, dict[int, float]]:
        """Return, by stage, the last value of ``resource`` in each fold."""
        return self.samples.series(resource)

    def add(self, sample: Sample) -> None:
        """Take a labelled sample; what looked like a crash before it was none."""
        self.outlive_signs()
        self.samples.append(sample)
        self.note_peaks(sample.values)

    def outlive_signs(self) -> None:
        """Take it that the process went on: what looked like a crash was none."""
        if self.signs:
            proven = {name: sign for name, sign in self.signs.items() if sign.names_its_cause}
            self.survived |= {n: sign for n, sign in self.signs.items() if n not in proven}
            self.signs = proven

    def note_peaks(self, values: Mapping[str, int | None]) -> None:
        """Take values that may be a new peak."""
        for name, value in values.items():
            if value is not None and value > self.peaks.get(name, -1):
                self.peaks[name] = value


@dataclass(slots=True, kw_only=True)
class Source:
    """One file as it was read."""

    path: str
    lines: int = 0
    samples: int = 0
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


def table_of(path: str, parts: Sequence[Part], *, group: str | None = None) -> Table:
    """Put the parts of one log together. Raises InputError as `read_log` does."""
    source = Source(path=path)
    assembly = Assembly(source=path, group=group or path)
    for part in parts:
        assembly.take(part, lines_before=source.lines)
        source.skipped += [
            replace(skipped, line=skipped.line + source.lines) for skipped in part.skipped
        ]
        source.more_skipped += part.more_skipped
        source.samples += len(part.line_of)
        source.lines += part.lines
    if not any(part.size_bytes for part in parts):
        why = source.skipped[0].reason if source.skipped else "the file is empty"
        raise InputError(f"{path}: {why}")
    if any(part.has_nul for part in parts) and not (assembly.processes or source.skipped):
        raise InputError(f"{path}: a binary file, not a log")
    return Table([source], assembly.finish())


FALL_OF_AN_END = 0.8
"""What is left of its maps at the start of a new process, of those at the end of the one before."""


class Assembly:
    """Deals the readings of a log out to processes: by who wrote them, and by when one began anew."""

    def __init__(self, *, source: str, group: str) -> None:
        self.processes: list[Process] = []
        self._source = source
        self._group = group
        self._lives: dict[str | None, _Life] = {}
        self._latest: str | None = None

    def take(self, part: Part, *, lines_before: int) -> None:
        """Take a part of the log, which follows those before it."""
        layout = _Layout.of(part)
        row = 0
        for sign in part.signs:
            self._take_rows(part, row, sign.row, lines_before, layout)
            row = sign.row
            line = None if sign.crash.line is None else sign.crash.line + lines_before
            self._whose(sign.writer).process.note_sign(replace(sign.crash, line=line))
        self._take_rows(part, row, len(part.line_of), lines_before, layout)

    def finish(self) -> list[Process]:
        """Return the processes, in the order in which they began."""
        for process in self.processes:
            peaks = {name: process.samples.peak(name) for name in COLUMNS}
            process.note_peaks(peaks)
        return self.processes

    def _whose(self, writer: str | None) -> _Life:
        """Return the life that a line of ``writer`` belongs to; one without a writer, to the latest."""
        if writer is None and self._lives:
            return self._lives.get(None) or self._lives[self._latest]
        return self._lives.get(writer) or self._begin(writer)

    def _begin(self, writer: str | None) -> _Life:
        process = Process(source=self._source, group=self._group, rank=writer)
        self.processes.append(process)
        life = self._lives[writer] = _Life(process)
        self._latest = writer
        return life

    def _take_rows(
        self, part: Part, start: int, end: int, lines_before: int, layout: _Layout
    ) -> None:
        while start < end:
            writer = self._latest = part.headings[part.heading_of[start]].writer
            stop = min(end, layout.borders[bisect_right(layout.borders, start)])
            life = self._lives.get(writer) or self._begin(writer)
            life.process.outlive_signs()
            start = life.extend(part, range(start, stop), lines_before, layout.suspects)
            if start < stop:
                self._begin(writer)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where in a part what may happen; found once, however many signs and processes are in it."""

    borders: Sequence[int]
    """The rows that another writer begins with, and the end."""
    suspects: Container[int]
    """The rows that a new process may begin with; they are looked at one by one."""

    @classmethod
    def of(cls, part: Part) -> _Layout:
        rows = len(part.line_of)
        if len({heading.writer for heading in part.headings}) < 2:
            return cls([rows], _falls(part))
        writers = [part.headings[number].writer for number in part.heading_of]
        borders = [row for row in range(1, rows) if writers[row] != writers[row - 1]]
        return cls([*borders, rows], range(rows))


def _falls(part: Part) -> Container[int]:
    """Return the rows with less maps than the row before, as a new process has; all if not recorded."""
    maps = part.columns["maps"]
    if ABSENT in maps:
        return range(len(maps))
    return {
        row
        for row, (before, now) in enumerate(pairwise(maps), start=1)
        if now < FALL_OF_AN_END * before
    } | {0}


class _Life:
    """A process in the making, and what tells that its rank has begun another."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._samples = process.samples
        self._first_rows: dict[str, int] = {}
        """By text of the label, where it first came."""
        self._heads: dict[tuple[int, int | None], int] = {}
        """By heading in its part, and fold before it."""
        self._part: Part | None = None
        self._last: Label | None = None
        self._highest_fold = 0

    def extend(self, part: Part, rows: range, lines_before: int, suspects: Container[int]) -> int:
        """Take rows; return the end of them, or the first that is of another process."""
        if part is not self._part:
            self._heads, self._part = {}, part
        done, heads, known = rows.start, array("q"), self._samples.heads
        fold = self._last.fold if self._last else None
        for row in rows:
            number = part.heading_of[row]
            head = self._heads.get((number, fold))
            if head is None or row in suspects or known[head].label.fold != fold:
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
            heads.append(head)
        self._add(part, range(done, rows.stop), heads, lines_before)
        return rows.stop

    def _add(self, part: Part, rows: range, heads: array[int], lines_before: int) -> None:
        samples, taken = self._samples, slice(rows.start, rows.stop)
        samples.head_of.extend(heads)
        samples.lines.extend(line + lines_before for line in part.line_of[taken])
        for name in COLUMNS:
            samples.columns[name].extend(part.columns[name][taken])

    def _new_head(self, heading: Heading) -> int:
        label = heading.label or parse_label(heading.text, previous=self._last)
        limits = {"cgroup_pids": heading.cgroup_limit, "maps": heading.maps_limit}
        self._samples.heads.append(Head(label, limits))
        return len(self._samples.heads) - 1

    def _begins_anew(self, heading: Heading, values: Sequence[int]) -> bool:
        """Whether a reading is the first of another process: a label comes back, and memory fell.

        A restart repeats a label, or names a fold before the last one, and its counts are again
        near the first. A training repeats labels too, every epoch, and its counts wander: where
        the fold does not go back, only a fall by a fifth is the end of a process.
        """
        if self._last is None:
            return False
        label = heading.label or parse_label(heading.text)
        goes_back = label.fold is not None and label.fold < self._highest_fold
        first = self._first_rows.get(heading.text)
        if first is None:
            return goes_back and self._has_fallen(values, 0, 1.0)
        began = self._samples.heads[self._samples.head_of[first]].label
        if label.fold is None and began.fold is not None:
            return False
        return self._has_fallen(values, first, 1.0 if goes_back else FALL_OF_AN_END)

    def _has_fallen(self, values: Sequence[int], first: int, share: float) -> bool:
        """Whether maps (else rss, else threads) are near the ``first`` row's, and under the last."""
        for name in ("maps", "rss_bytes", "threads"):
            now, column = values[COLUMNS.index(name)], self._samples.columns[name]
            if ABSENT not in (now, column[-1], column[first]):
                return now < share * column[-1] and now <= 1.25 * column[first]
        return False
