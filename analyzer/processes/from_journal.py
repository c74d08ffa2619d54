"""From a journal to processes and their labelled readings."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import replace
from heapq import nlargest
from operator import itemgetter
from typing import TYPE_CHECKING

from analyzer.logs.label_budget import MOST_LABELS, LabelBudget
from analyzer.processes.attributed import Books, attributed_of
from analyzer.processes.black_box import read_black_box
from analyzer.processes.checkpoints import Checkpoint, CheckpointTable, raise_peaks
from analyzer.processes.children import Children
from analyzer.processes.from_log import Process, Source, Table
from analyzer.processes.native_threads import native_threads_of
from analyzer.processes.settled import note_settled
from analyzer.resources import RESOURCES
from analyzer.signatures.search import raised_match
from telemetry.errors import InputError
from telemetry.holders import EVENT as HOLDERS
from telemetry.journal.follower import JournalFollower
from telemetry.journal.holders_record import holders_of
from telemetry.journal.records import NATIVE_THREADS, Event, Header
from telemetry.journal.skipped_line import SkippedLine
from telemetry.limits import USED_BY
from telemetry.reading import Reading, latest_known
from telemetry.thread_line import Label

if TYPE_CHECKING:
    from telemetry.holders import Holders
    from telemetry.journal.records import Record
    from telemetry.reading import Limit

COUNTERS = ("pids_limit_hits", "oom_kills")


MOST_PROCESSES = 10_000
"""Of one journal; what further ones wrote is counted as skipped."""
MOST_PARENTS = 64
"""Of the processes of one journal, whose children are told."""
MOST_CGROUPS = 100
"""Of one process, for which counters are compared."""
MOST_POOLS = 500
"""Of one reading; their names are those of programs, of which a process has a few dozen."""
COUNTED_KEPT = 1000
"""Readings with another counter than the one before: the last, which the end is compared with."""


def read_journal(path: str, *, group: str | None = None, labels: int = MOST_LABELS) -> Table:
    """Read a journal, in memory that its length does not rule. Raises InputError where it holds not one record.

    ``labels`` is how many its processes may have together, see `label_budget`.
    """
    follower = JournalFollower(path)
    assembly = JournalAssembly(path, group or path, labels)
    for record in follower.stream_to_end():
        assembly.take(record)
    if not assembly.records:
        raise InputError(f"{path}: no record of a journal in it")
    return assembly.finish(follower)


class JournalAssembly:
    """The processes of a journal in the making."""

    def __init__(self, path: str, group: str, labels: int) -> None:
        self.records = 0
        self._labelled, self._all = LabelBudget(labels), LabelBudget(labels)
        self._path, self._group = path, group
        self._readings = self._refused = self._parents = 0
        self._processes: dict[tuple[int, int | None], Process] = {}
        self._latest: dict[int, Process] = {}
        self._headers: dict[int, Header] = {}
        self._ahead: dict[int, dict[str, Holders]] = {}
        """By PID, who held which limit, where that stands before the first reading."""
        self._since_exit: list[Process] = []
        """Those that no ``exited`` was written after: what launched them saw the end of none."""

    def take(self, record: Record) -> None:
        """Take the next record."""
        self.records += 1
        if isinstance(record, Header):
            self._take_header(record)
        elif isinstance(record, Reading):
            process = self._process((record.pid, record.start_ticks))
            if process is not None:
                _add_reading(process, self._with_few_parents(process, record), self.records)
                self._readings += 1
        else:
            is_end = record.name == "exited" and record.pid in self._headers
            if record.pid not in self._latest and (is_end or may_be_crash(record)):
                self._process((record.pid, None))
            if record.name == HOLDERS:
                self._take_holders(record)
            elif record.pid in self._latest:
                _take_event(self._latest[record.pid], record)
            if record.name == "exited":
                for process in self._since_exit:
                    process.launcher_saw_end = not _speaks_for_itself(process.header)
                self._since_exit.clear()

    def _take_holders(self, event: Event) -> None:
        with suppress(ValueError):  # of another version
            found = holders_of(event.facts, time=event.time)
            if event.pid in self._latest:
                self._latest[event.pid].holders[found.limit] = found
            elif len(self._ahead) < MOST_PROCESSES:
                self._ahead.setdefault(event.pid, {})[found.limit] = found

    def _with_few_parents(self, process: Process, reading: Reading) -> Reading:
        """Return a bounded reading; the children of MOST_PARENTS processes are told, for each has tables of its own."""
        if reading.children and process.children is None:
            if self._parents >= MOST_PARENTS:
                return replace(_bounded(reading), children=None)
            self._parents += 1
        return _bounded(reading)

    def _take_header(self, header: Header) -> None:
        """Note it; what launched a process knows less of it than the process itself."""
        process = self._processes.get((header.pid, header.start_ticks))
        known = self._headers.get(header.pid) if process is None else process.header
        if known is None and len(self._headers) >= MOST_PROCESSES:
            return
        is_of_same = known is not None and known.start_ticks == header.start_ticks
        if is_of_same and _speaks_for_itself(known) and not _speaks_for_itself(header):
            return
        self._headers[header.pid] = header
        if process is not None:
            process.header, process.rank = header, header.rank or None

    def _process(self, key: tuple[int, int | None]) -> Process | None:
        """Return the process with this PID and start, made where it is new; None where there are too many."""
        process = self._processes.get(key)
        if process is not None:
            return process
        if len(self._processes) >= MOST_PROCESSES:
            self._refused += 1
            return None
        pid = key[0]
        header = self._headers.get(pid)
        process = Process(
            source=self._path,
            group=self._group,
            pid=pid,
            header=header,
            rank=header.rank or None if header else None,
            checkpoints=CheckpointTable(self._labelled),
            samples=CheckpointTable(self._all),
            holders=self._ahead.pop(pid, {}),
        )
        self._latest[pid] = self._processes[key] = process
        self._since_exit.append(process)
        return process

    def finish(self, follower: JournalFollower) -> Table:
        """Return the table of all that was taken; where readings were left out, all of it is as dense."""
        source = Source(
            path=self._path,
            lines=follower.lines,
            checkpoints=self._readings,
            skipped=follower.skipped,
            more_skipped=follower.more_skipped,
        )
        if self._refused:
            reason = f"records of more than {MOST_PROCESSES:,} processes, which are not judged"
            source.skipped = [*source.skipped, SkippedLine(0, reason)]
            source.more_skipped += self._refused - 1
        processes = [*self._processes.values()]
        is_cut = any(skipped.line == follower.lines for skipped in follower.skipped)
        for process in processes:
            process.is_cut = is_cut
            for table in (process.samples, process.checkpoints):
                if table.left_out:
                    table.thin()
                table.name_last()
            source.left_out += process.samples.left_out
            source.has_merged_labels |= process.samples.contexts.has_merged
        return Table([source], processes)


def _speaks_for_itself(header: Header | None) -> bool:
    """Whether a process wrote its header itself: what launched it knows no versions."""
    return header is not None and bool(header.versions)


def _add_reading(process: Process, reading: Reading, number: int) -> None:
    if len(process.first_readings) < MOST_CGROUPS:
        process.first_readings.setdefault(reading.cgroup, reading)
    if reading.label is not None:
        _note_counters(process, reading)
    process.last_reading = latest_known(process.last_reading, reading)
    _note_fullest(process, reading)
    values = {name: getattr(reading, name) for name in RESOURCES}
    values["cgroup_memory_bytes"] = _held(reading)
    sample = Checkpoint(
        line=number,
        time=reading.time,
        label=Label(reading.label or "", reading.fold, reading.folds, reading.stage or ""),
        values=values,
        limits={
            name: _limit(reading, resource.limit, resource.host_limit)
            for name, resource in RESOURCES.items()
            if resource.limit is not None
        },
    )
    process.samples.append(sample)
    if reading.children:
        process.children = process.children or Children()
    if process.children is not None:
        process.children.take(reading, sample)
    if reading.label is None:
        raise_peaks(process.peaks, values)
        return
    raise_peaks(process.peaks, {name: reading.peaks.get(name) for name in values})
    process.rank_values.take(reading)
    process.add(sample, reading.pools)


def _note_fullest(process: Process, reading: Reading) -> None:
    for name in USED_BY:
        ratio = reading.usage(name).ratio
        before = process.fullest.get(name)
        if ratio is not None and (before is None or ratio >= (before.usage(name).ratio or 0)):
            process.fullest[name] = reading


def note_black_box(process: Process, journal: str) -> None:
    """Take what was seen of the last minute of a process that died, if that lies beside its journal."""
    known, ended = process.last_reading, process.exit
    if known is None or ended is None or not may_be_crash(ended):
        return
    process.black_box = read_black_box(
        journal,
        process.folds,
        is_of=lambda one: (one.pid, one.start_ticks) == (known.pid, known.start_ticks),
        ended=ended.time,
    )
    for reading in process.black_box.readings if process.black_box else ():
        _note_fullest(process, reading)
        if process.children is not None:
            process.children.note_fullest(reading)


def _bounded(reading: Reading) -> Reading:
    """Return ``reading`` with the largest MOST_POOLS of its pools."""
    if reading.pools is None or len(reading.pools) <= MOST_POOLS:
        return reading
    return replace(reading, pools=dict(nlargest(MOST_POOLS, reading.pools.items(), itemgetter(1))))


def _limit(reading: Reading, name: str, of_host: str | None) -> Limit:
    """Return the lower one of a limit and the host's; what is known of the former where neither is a number."""
    limit, hosts = reading.usage(name).limit, reading.limits.get(of_host or "")
    return min((one for one in (limit, hosts) if isinstance(one, int)), default=limit)


def _held(reading: Reading) -> int | None:
    """Return the cgroup's memory without the page cache that the kernel takes back before it kills.

    None where the cgroup has no limit: then it is the host's, and other programs are in it. Between
    labels a reading may leave the page cache out, and what is held is not known.
    """
    is_limited = isinstance(reading.usage("cgroup_memory").limit, int)
    cache = reading.cgroup_memory_reclaimable_bytes
    if reading.cgroup_memory_bytes is None or not is_limited:
        return None
    if cache is None and reading.label is None:
        return None
    return reading.cgroup_memory_bytes - (cache or 0)


def _take_event(process: Process, event: Event) -> None:
    if event.name == "exited":
        process.exit = event
    elif event.name == "raised":
        process.note_match(raised_match(event.facts))
    elif event.name == "settled":
        note_settled(process.settled, event.facts)
    elif event.name == "attributed":
        _note_attributed(process, event)
    elif event.name == NATIVE_THREADS:
        with suppress(ValueError):  # of another version: see `_note_attributed`
            process.native_threads = native_threads_of(event.facts)
    elif event.name in {"attached", "detached"}:
        process.outlived_its_record = event.name == "detached"
    elif event.name == "interpreter_ended":
        process.interpreter_ended = True


def _note_attributed(process: Process, event: Event) -> None:
    with suppress(ValueError):  # of another version: what grew is told without it
        found = attributed_of(event.facts)
        process.books = process.books.taking(found) if process.books else Books(found, found, 1)


def _note_counters(process: Process, reading: Reading) -> None:
    if reading.cgroup not in process.first_readings:
        return
    known = process.counted.setdefault(reading.cgroup, deque(maxlen=COUNTED_KEPT))
    if not known or any(getattr(known[-1], n) != getattr(reading, n) for n in COUNTERS):
        known.append(reading)


def may_be_crash(event: Event) -> bool:
    """Whether a process ended in trouble by itself: one that its runner ended did not crash.

    Who has attached to it may see that it ended, and not how: then only a refusal or a kill that the kernel counted says so.
    """
    if event.name != "exited" or event.facts.get("by_runner"):
        return False
    if "exit_code" in event.facts:
        return bool(event.facts["exit_code"] != 0)
    return any(
        event.facts.get(name, 0) > event.facts.get(f"{name}_before", 0)
        for name in ("pids_limit_hits", "oom_kills")
    )
