"""From logs and journals to processes and their labelled samples.

Owns what one process's table is and where one process ends and the next begins. It must not judge.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, BinaryIO

from analyzer.log_text import LineSearch, TextLine
from analyzer.signatures import CAUSES_OF_SIGNAL, LITERALS, Crash, find_crash, in_its_frame
from telemetry.errors import InputError
from telemetry.journal import Event, JournalFollower, SkippedLine
from telemetry.reading import USED_BY_CEILING, LimitState, Reading, Usage, latest_known
from telemetry.thread_log import MARKER, Label, ThreadLine, parse_label, parse_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from telemetry.reading import Limit

CEILING_OF: Mapping[str, str] = {
    "cgroup_pids": "pids_cgroup",
    "maps": "max_map_count",
    "rss_bytes": "cgroup_memory",
}
"""The ceiling that limits a resource; the threads of one process have none of their own."""

NEEDLES = (MARKER.encode(), *(literal.encode() for literal in LITERALS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One labelled reading; ``values`` and ``limits`` by the names of RESOURCES."""

    line: int
    time: float | None
    label: Label
    values: Mapping[str, int | None]
    limits: Mapping[str, Limit]
    pools: Mapping[str, int] | None = None
    """Threads by pool; None for a text log."""


@dataclass(slots=True, kw_only=True)
class Process:
    """One process lifetime in one source, in the order of its samples."""

    source: str
    group: str
    """What it belongs to: the run directory, or the source itself."""
    pid: int | None = None
    samples: list[Sample] = field(default_factory=list)
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
        return sorted({s.label.fold for s in self.samples if s.label.fold is not None})

    @property
    def folds_planned(self) -> int | None:
        """N of the last ``Fold K/N``."""
        return next((s.label.folds for s in reversed(self.samples) if s.label.folds), None)

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
        for sample in reversed(self.samples):
            limit = sample.limits.get(resource, LimitState.INVISIBLE)
            if limit is not LimitState.INVISIBLE:
                return limit
        return LimitState.INVISIBLE

    def series(self, resource: str) -> dict[str, dict[int, float]]:
        """Return, by stage, the last value of ``resource`` in each fold."""
        found: dict[str, dict[int, float]] = {}
        for sample in self.samples:
            value, fold = sample.values.get(resource), sample.label.fold
            if value is not None and fold is not None:
                found.setdefault(sample.label.stage, {})[fold] = value
        return found

    def add(self, sample: Sample) -> None:
        """Take a labelled sample; what looked like a crash before it was none."""
        self.survived |= {
            name: sign for name, sign in self.signs.items() if not sign.names_its_cause
        }
        self.signs = {name: sign for name, sign in self.signs.items() if sign.names_its_cause}
        self.samples.append(sample)
        self.note_peaks(sample.values)

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


@dataclass(frozen=True, slots=True)
class Table:
    """Everything that was read of one source or one pair of journal and log."""

    sources: list[Source]
    processes: list[Process]


def read_log(path: str, stream: BinaryIO, *, group: str | None = None) -> Table:
    """Read the ``[THREADS]`` lines and crash signatures of a text log.

    Raises InputError for an empty file and for a binary one with nothing in it that is of a log.
    """
    source = Source(path=path)
    processes: list[Process] = []
    search = LineSearch(stream, NEEDLES)
    for line in search:
        if MARKER not in line.text:
            if crash := find_crash(line.text, line=line.number):
                if not processes:
                    processes.append(Process(source=path, group=group or path))
                processes[-1].note_sign(crash)
            continue
        for parsed in _parse_all(line, source):
            sample = _line_sample(parsed, line.number, processes[-1] if processes else None)
            if not processes or _begins_process(sample, processes[-1]):
                processes.append(Process(source=path, group=group or path))
                sample = _line_sample(parsed, line.number, None)
            source.samples += 1
            processes[-1].add(sample)
    source.lines = search.lines
    if search.size_bytes == 0:
        raise InputError(f"{path}: the file is empty")
    if search.has_nul and not processes and not source.skipped:
        raise InputError(f"{path}: a binary file, not a log")
    return Table([source], processes)


def _parse_all(line: TextLine, source: Source) -> Iterator[ThreadLine]:
    """Parse each of the ``[THREADS]`` lines that two writers may have put into one."""
    parts = line.text.split(MARKER)[1:]
    for number, part in enumerate(parts, start=1):
        try:
            parsed = parse_line(MARKER + part)
            if not line.is_whole and number == len(parts) and part.rstrip()[-1:].isdigit():
                raise ValueError("the file ends inside this line")  # noqa: TRY301 - counted below like any other
        except ValueError as error:
            source.skipped.append(SkippedLine(line.number, str(error)))
        else:
            yield parsed


def _line_sample(line: ThreadLine, number: int, process: Process | None) -> Sample:
    previous = process.samples[-1].label if process and process.samples else None
    maps = line.maps or Usage(None, LimitState.INVISIBLE)
    return Sample(
        line=number,
        time=None,
        label=parse_label(line.label, previous=previous),
        values={
            "threads": line.threads,
            "cgroup_pids": line.cgroup.current,
            "maps": maps.current,
            "rss_bytes": line.rss_bytes,
        },
        limits={"cgroup_pids": line.cgroup.limit, "maps": maps.limit},
    )


def _begins_process(sample: Sample, process: Process) -> bool:
    """Whether ``sample`` is of a new process: an early label again, with start-up values again.

    Early labels are those before the first fold; where a log has none of them, a fold that comes
    back. The counts must have fallen to about what they were at that label, so a label that a
    script repeats in one process does not cut its series in two.
    """
    text, fold = sample.label.text, sample.label.fold
    same = next((s for s in process.samples if s.label.text == text), None)
    if same is None and sample.label.names_fold and fold is not None:
        folds = process.folds
        went_back = bool(folds) and fold < folds[-1]
        return went_back and _has_fallen(sample, process.samples[0], process.samples[-1])
    if same is None or (same.label.fold is not None and not sample.label.names_fold):
        return False
    return _has_fallen(sample, same, process.samples[-1])


def _has_fallen(sample: Sample, start: Sample, last: Sample) -> bool:
    """Whether maps (else rss, else threads) are back within a quarter of ``start``, under ``last``."""
    for name in ("maps", "rss_bytes", "threads"):
        now, then, before = (s.values.get(name) for s in (sample, start, last))
        if now is not None and then is not None and before is not None:
            return now <= 1.25 * then and now < before
    return False


def read_journal(path: str, *, group: str | None = None) -> Table:
    """Read a journal. Raises InputError where it is empty, or holds not one record."""
    follower = JournalFollower(path)
    records = follower.finish()
    source = Source(path=path, lines=follower.lines, skipped=follower.skipped)
    if not records:
        raise InputError(f"{path}: no record of a journal in it")
    processes: dict[tuple[int, int | None], Process] = {}
    for number, record in enumerate(records, start=1):
        if isinstance(record, Event):
            _note_exit(processes, record, source=path, group=group or path)
        elif isinstance(record, Reading):
            key = (record.pid, record.start_ticks)
            process = processes.setdefault(
                key, Process(source=path, group=group or path, pid=record.pid)
            )
            _add_reading(process, record, number)
            source.samples += 1
    return Table([source], list(processes.values()))


def _add_reading(process: Process, reading: Reading, number: int) -> None:
    process.first_readings.setdefault(reading.cgroup, reading)
    process.last_reading = latest_known(process.last_reading, reading)
    for ceiling in USED_BY_CEILING:
        ratio = reading.usage(ceiling).ratio
        before = process.fullest.get(ceiling)
        if ratio is not None and (before is None or ratio >= (before.usage(ceiling).ratio or 0)):
            process.fullest[ceiling] = reading
    values = {
        "threads": reading.threads,
        "cgroup_pids": reading.cgroup_pids,
        "maps": reading.maps,
        "rss_bytes": reading.rss_bytes,
    }
    if reading.label is None:
        process.note_peaks(values)
        return
    process.note_peaks({name: reading.peaks.get(name) for name in values})
    process.add(
        Sample(
            line=number,
            time=reading.time,
            label=Label(reading.label, reading.fold, reading.folds, reading.stage or ""),
            values=values,
            limits={name: reading.usage(ceiling).limit for name, ceiling in CEILING_OF.items()},
            pools=reading.pools,
        )
    )


def _note_exit(
    processes: dict[tuple[int, int | None], Process], event: Event, *, source: str, group: str
) -> None:
    """Take the runner's word of how a process ended; one that it ended itself did not crash."""
    if event.name != "exited":
        return
    process = next((p for p in reversed(processes.values()) if p.pid == event.pid), None)
    if process is not None:
        process.exit = event
    signal = event.facts.get("signal")
    if not isinstance(signal, str) or event.facts.get("by_runner"):
        return
    if process is None:
        process = Process(source=source, group=group, pid=event.pid, exit=event)
        processes[event.pid, None] = process
    last = process.last_reading
    process.note_sign(
        Crash(
            signature="ended_by_signal",
            line=None,
            text=f"the process was ended by {signal}",
            signal=signal,
            seconds_after_last_sample=None if last is None else event.time - last.time,
            causes=CAUSES_OF_SIGNAL.get(signal, ("not_a_limit",)),
            is_secondary=signal != "SIGKILL",  # what a message explains; none explains SIGKILL
        )
    )
