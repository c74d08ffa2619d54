"""From the scans of a log to processes: where one ends and the next begins."""

from __future__ import annotations

import io
import re
from array import array
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from heapq import heappop, heapreplace
from operator import itemgetter
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from analyzer.logs.line_prefixes import next_prefix, unwrap
from analyzer.logs.mixed_writers import split_writers
from analyzer.logs.parallel import read_open
from analyzer.logs.rank_prefixes import without_counts
from analyzer.processes.announced_stops import note_restart, restore_announced
from analyzer.processes.checkpoints import raise_peaks
from analyzer.processes.error_lines import note_error_line
from analyzer.processes.from_formats import take_formats
from analyzer.processes.last_lines import find_finished, last_lines, of_all
from analyzer.processes.lives import Life, Suspects
from analyzer.processes.outlived import restore_outlived
from analyzer.processes.printed_limits import PrintedLimit, printed_limits
from analyzer.processes.process import Process
from analyzer.processes.torn_down import discard_torn_down
from telemetry.errors import InputError
from telemetry.journal.skipped_line import SkippedLine

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from analyzer.logs.format_readings import FormatReadings
    from analyzer.logs.scan_result import ScanResult
    from analyzer.processes.from_formats import FormatUse

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
    left_out: int = 0
    """Of the ``checkpoints``, those of labels that come over and over, which are counted and not kept."""
    has_merged_labels: bool = False
    """Whether there are more than the budget: what comes under further ones is judged as one of each fold."""
    formats: tuple[FormatUse, ...] = ()
    """The built-in formats that its readings come from; empty where it has ``[THREADS]`` lines."""

    @property
    def skipped_count(self) -> int:
        """All refused lines."""
        return len(self.skipped) + self.more_skipped


class Table(NamedTuple):
    """Everything that was read of one source or one pair of journal and log."""

    sources: list[Source]
    processes: list[Process]


def read_log(path: str, stream: BinaryIO, *, group: str | None = None) -> Table:
    """Read the ``[THREADS]`` lines and crash signatures of a text log, packed or not.

    Raises InputError for an empty file and for a binary one with nothing in it that is of a log.
    """
    return table_of(path, [read_open(io.BufferedReader(stream))], group=group)  # type: ignore[arg-type] # needs readinto only


def table_of(
    path: str,
    parts: Sequence[ScanResult],
    *,
    group: str | None = None,
    has_journal: bool = False,
) -> Table:
    """Put the parts of one log together. Raises InputError as `read_log` does.

    Beside a journal no built-in format is read.
    """
    source = Source(path=path)
    assembly = Assembly(source=path, group=group or path)
    by_format: list[tuple[FormatReadings, int]] = []
    for part in without_counts(parts):
        part = split_writers(part) if len(parts) == 1 else part  # noqa: PLW2901 - a range is too little to tell
        assembly.take(part, lines_before=source.lines)
        source.skipped += [
            replace(skipped, line=skipped.line + source.lines) for skipped in part.skipped
        ]
        source.more_skipped += part.more_skipped
        source.checkpoints += len(part.line_of) + part.left_out
        source.left_out += part.left_out
        if part.by_format is not None and not has_journal:
            by_format.append((part.by_format, source.lines))
        source.lines += part.lines
    if not any(part.size_bytes for part in parts):
        why = source.skipped[0].reason if source.skipped else "the file is empty"
        raise InputError(f"{path}: {why}")
    if any(part.has_nul for part in parts) and not (assembly.processes or source.skipped):
        raise InputError(f"{path}: a binary file, not a log")
    if assembly.refused:
        reason = f"readings of more than {MOST_WRITERS:,} writers, which are not judged"
        source.skipped.append(SkippedLine(0, reason))
        source.more_skipped += assembly.refused - 1
    start, end = parts[0].first_bytes, parts[-1].last_bytes
    processes = assembly.finish(lines=source.lines, end=end)
    printed = _printed_limits(start, end, lines=source.lines)
    for process in processes:
        process.printed_limits = printed
        process.checkpoints.name_last()
        process.checkpoints.left_out = source.left_out
    if not source.checkpoints and any(part.lines for part, _ in by_format):
        source.formats = take_formats(processes[0], by_format)
        source.checkpoints = sum(found.readings for found in source.formats if found.is_used)
        source.left_out = source.checkpoints - len(processes[0].checkpoints)
    source.has_merged_labels = any(one.checkpoints.contexts.has_merged for one in processes)
    return Table([source], processes)


def _printed_limits(start: bytes, end: bytes, *, lines: int) -> list[PrintedLimit]:
    """Return what the start and the end of a log of so many lines say of limits."""
    head, tail = (_unwrapped(edge.decode("utf-8", "replace")) for edge in (start, end))
    found = [*printed_limits(head)]
    first = max(1, lines - tail.count("\n") + tail.endswith("\n"))
    seen = {one.line for one in found}
    return found + [one for one in printed_limits(tail, first_line=first) if one.line not in seen]


_CI_PREFIX = re.compile(
    r"^(?:\[\d{4}-\d\d-\d\d[T ][\d:.]+Z?\] |\d\d:\d\d:\d\d(?:\.\d+)? {1,2}|\[[\w-]+:L\d+:\d+s\] )"
)
"""What Jenkins, Buildkite and Drone put in front of a line of a job's shell, and a program in front of its own."""


def _unwrapped(text: str) -> str:
    """Return the same lines without what a runtime, a launcher or a CI put around them."""
    lines = (unwrap(line).text for line in text.split("\n"))
    prefixes = ((line, next_prefix(line)) for line in lines)
    bare = (line[prefix.end() :] if prefix else line for line, prefix in prefixes)
    return "\n".join(_CI_PREFIX.sub("", line) for line in bare)


MOST_WRITERS = 10_000
"""Of one log; the readings of further ones are counted as skipped."""
_PID = re.compile(r"(?:\[|\bpid=)(\d{1,9})\b")
"""In the name of a writer: ``python[12]``, ``train pid=12``."""
_RANK = re.compile(r"(?:^|/)(?:default|rank|\d+,)(\d{1,9})$")
"""At the end of one: ``default0``, ``1,0``, ``train-0/main/rank0``."""


def rank_in(writer: str | None) -> str | None:
    """Return the rank in the name of a writer, as headers of a journal say it; None where there is none."""
    number = _number(_RANK, writer)
    return None if number is None else str(number)


def _number(name: re.Pattern[str], writer: str | None) -> int | None:
    match = name.search(writer or "")
    return None if match is None else int(match[1])


class Assembly:
    """Deals the readings of a log out to processes: by who wrote them, and by when one began anew."""

    def __init__(self, *, source: str, group: str) -> None:
        self.processes: list[Process] = []
        self.refused = 0
        """Readings of more than MOST_WRITERS."""
        self._source = source
        self._group = group
        self._lives: dict[str | None, Life] = {}
        self._mute: dict[str | None, Life] = {}
        """By writer, those without a reading so far: only signs are known of them."""
        self._by_number: dict[int, Life] = {}
        self._latest: Life | None = None

    def take(self, part: ScanResult, *, lines_before: int) -> None:
        """Take a part of the log, which follows those before it."""
        lanes = _lanes(part, self._lives)
        self.refused += len(part.line_of) - sum(len(lane.rows) for lane in lanes)
        for sign in part.matches:
            self._take_rows(lanes, sign.row, lines_before)
            process = self._whose(sign.writer).process
            if sign.crash is None:
                if sign.is_restart:
                    note_restart(process)
                process.mark_recovered()
                continue
            line = None if sign.crash.line is None else sign.crash.line + lines_before
            since = process.checkpoints.seconds_since(sign.time)
            crash = sign.crash._replace(line=line, seconds_after_last_sample=since)
            process.note_match(crash)
        self._take_rows(lanes, len(part.line_of), lines_before)

    def finish(self, *, lines: int, end: bytes = b"") -> list[Process]:
        """Return the processes of a log of so many lines, in the order in which they began.

        ``end`` is how the log ends. One that says nothing of its processes is of one all the same.
        """
        if not self.processes:
            self._new_life(None)
        self.processes.sort(key=_first_line)
        discard_torn_down(self.processes)
        ends = last_lines(end, lines=lines)
        signs = [sign for one in self.processes for sign in one.matches.values()]
        through, taken = find_finished(of_all(ends), signs), {sign.line for sign in signs}
        next_begins: dict[str | None, int] = {}
        for process in reversed(self.processes):
            process.log_lines = lines
            last = ends.get(process.rank, ()) if len(self.processes) > 1 else of_all(ends)
            before = next_begins.get(process.rank, lines + 1)
            process.last_lines = [one for one in last if one.line < before]
            if process.checkpoints:
                next_begins[process.rank] = process.checkpoints.lines[0]
            process.run_finished = through
            restore_announced(process)
            restore_outlived(process)
            note_error_line(process, ends, taken)
            restore_outlived(process)  # which the error that this found may tell of
            checkpoints = process.checkpoints
            raise_peaks(
                process.peaks, {name: checkpoints.peak(name) for name in checkpoints.columns}
            )
        return self.processes

    def _whose(self, writer: str | None) -> Life:
        """Return the life that a sign of ``writer`` belongs to."""
        if (life := self._lives.get(writer)) is not None:
            return life
        if (life := self._known_as(writer)) is not None:
            return life
        if writer not in self._mute and self._latest and len(self.processes) >= MOST_WRITERS:
            return self._latest
        if writer not in self._mute:
            self._mute[writer] = self._new_life(writer)
        return self._mute[writer]

    def _known_as(self, writer: str | None) -> Life | None:
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

    def _new_life(self, writer: str | None) -> Life:
        pid = _number(_PID, writer)
        process = Process(source=self._source, group=self._group, rank=writer, pid=pid)
        self.processes.append(process)
        return Life(process)

    def _begin(self, writer: str | None) -> Life:
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

    def _take_rows(self, lanes: list[_Lane], end: int, lines_before: int) -> None:
        """Take the rows before ``end``; ``lanes`` is a heap by the row that is next."""
        latest: tuple[int, str | None] = -1, None
        while lanes and lanes[0].next_row < end:
            lane = lanes[0]
            stop = bisect_left(lane.rows, end, lane.taken)
            while lane.taken < stop:
                life = self._lives.get(lane.writer) or self._begin(lane.writer)
                rows = range(lane.taken, stop)
                lane.taken = life.extend(lane.part, rows, lines_before, lane.suspects)
                if lane.taken > rows.start:
                    life.process.mark_recovered()
                if lane.taken < stop:
                    self._begin(lane.writer)
            latest = max(latest, (lane.rows[stop - 1], lane.writer), key=itemgetter(0))
            if stop < len(lane.rows):
                lane.next_row = lane.rows[stop]
                heapreplace(lanes, lane)
            else:
                heappop(lanes)
        if latest[0] >= 0:
            self._latest = self._lives[latest[1]]


def _first_line(process: Process) -> int:
    signs = (*process.matches.values(), *process.recovered.values())
    return min((*process.checkpoints.lines[:1], *(sign.line or 0 for sign in signs)), default=0)


@dataclass(slots=True, order=True)
class _Lane:
    """What one writer wrote of a part; ``rows`` are those of the whole part, ``taken`` counts."""

    next_row: int
    writer: str | None = field(compare=False)
    rows: Sequence[int] = field(compare=False)
    part: ScanResult = field(compare=False)
    suspects: Suspects = field(compare=False)
    taken: int = field(default=0, compare=False)


def _lanes(part: ScanResult, known: Collection[str | None]) -> list[_Lane]:
    """Return the writers of a part, in the order in which they began; beside those ``known`` no more than MOST_WRITERS."""
    writers = [heading.writer for heading in part.headings]
    if len({*writers}) < 2:
        rows = range(len(part.line_of))
        return [_Lane(0, writers[0], rows, part, Suspects.of(part))] if rows else []
    new = [writer for writer in dict.fromkeys(writers) if writer not in known]
    left_out = {*new[max(0, MOST_WRITERS - len(known)) :]}
    rows_of = {writer: array("q") for writer in dict.fromkeys(writers)}
    take = [rows_of[writer].append for writer in writers]
    for row, heading in enumerate(part.heading_of):
        take[heading](row)
    return [
        _Lane(rows[0], writer, rows, own := part.of_rows(rows), Suspects.of(own))
        for writer, rows in rows_of.items()
        if rows and writer not in left_out
    ]
